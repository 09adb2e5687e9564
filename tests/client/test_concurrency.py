"""Many at once on one data directory, in threads and in processes that are killed at any time: right answers only."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from tuf.api.metadata import Metadata

from client_verify import trust
from client_verify.answers import Found
from client_verify.places import Roots
from client_verify.refusals import Refused
from client_verify.verifier import Verifier
from tests import paper

ASK = textwrap.dedent("""
    import sys
    from client_verify.refusals import Refused
    from client_verify.verifier import Verifier
    print("ready", flush=True)
    while sys.stdin.readline():
        try:
            print(Verifier.pinned().ask("flask").state.serial, flush=True)
        except Refused as refused:
            print(refused, flush=True)
""")


def test_sessions_in_many_threads_on_one_directory_all_answer(world):
    """python-tuf alone fails here: 2 of 160 refreshes in separate processes."""
    said = world.say("flask")
    found, failed = [], []

    def ask():
        try:
            found.extend(world.session().page("flask") for _ in range(5))
        except Exception as error:
            failed.append(error)

    _together(ask, 8)
    assert failed == []
    assert found == [Found(said)] * 40


def test_threads_that_ask_while_the_repository_moves_on_never_see_it_go_back(world):
    world.say("flask", serial=1)
    backwards, failed, done = [], [], threading.Event()

    def ask():
        last = 0
        while not done.is_set():
            try:
                serial = world.session().page("flask").state.serial
            except Refused as refused:
                # Between two files of one snapshot a dict has no moment at which both change; a server has.
                if refused.code not in ("unreachable", "swapped", "invalid"):
                    failed.append(refused)
                continue
            backwards.extend([(last, serial)] if serial < last else [])
            last = serial

    def publish():
        for serial in range(2, 12):
            world.say("flask", serial=serial)
        done.set()

    publisher = threading.Thread(target=publish)
    publisher.start()
    _together(ask, 4)
    publisher.join()
    assert (backwards, failed) == ([], [])
    assert world.session().page("flask").state.serial == 11


@pytest.fixture
def home(tmp_path, serve, monkeypatch):
    """A repository over loopback that is pinned in a home of its own, at the time of this machine."""
    repository = paper.Paper(_now())
    repository.say(paper.project(_now(), "flask"))
    repository.publish(_now())
    server = serve(repository.files)
    folder = tmp_path / "home"
    monkeypatch.setenv("TALLYSTICK_HOME", str(folder))
    trust.add(Roots(folder / "config" / "roots"), trust.checked("acme", server.url, repository.root))
    return folder, repository


def test_processes_that_are_killed_at_any_time_leave_a_directory_that_the_next_one_can_use(home):
    folder, repository = home
    chance = random.Random(6)
    for serial in range(2, 7):
        asking = [_process() for _ in range(2)]
        repository.say(paper.project(_now(), "flask", serial=serial))
        repository.publish(_now())
        for each in asking:
            each.stdin.write("\n" * 50)
            each.stdin.flush()
        time.sleep(chance.random() / 5)
        for each in asking:
            os.kill(each.pid, signal.SIGKILL)
            each.communicate()
        assert Verifier.pinned().ask("flask").state.serial == serial
    for path in (folder / "data").glob("acme-*/metadata/*.json"):
        Metadata.from_bytes(path.read_bytes())  # nothing is half written


def test_processes_side_by_side_all_answer(home):
    asking = [_process() for _ in range(3)]
    for each in asking:
        each.stdin.write("\n" * 10)
        each.stdin.flush()
    said = [each.communicate(timeout=60)[0].split() for each in asking]
    assert said == [["1"] * 10] * 3


def _process():
    child = subprocess.Popen([sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    return child


def _together(task, count):
    threads = [threading.Thread(target=task) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _now():
    from datetime import UTC, datetime

    return datetime.now(UTC).replace(microsecond=0)
