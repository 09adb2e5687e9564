"""``tallystick serve`` as a process: it stays, says what it refuses while it happens, and ends when it is told to."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client_verify.installing import record
from client_verify.installing.index import PORT, bound
from client_verify.installing.report import Entry
from client_verify.installing.serve import Spoken, until_stopped
from client_verify.installing.snippets import SNIPPETS
from client_verify.places import places
from tests import paper
from tests.client.test_run import WHEEL, Desk
from tests.installers import INSTALLERS

COMMAND = [sys.executable, "-c", "import sys; from client_verify.cli import main; sys.exit(main())"]


class Index:
    """A running ``tallystick serve``."""

    def __init__(self, *words):
        told, tell = os.pipe()
        self._process = subprocess.Popen(
            [*COMMAND, "serve", *words, "--ready-fd", str(tell)], pass_fds=[tell], stderr=subprocess.PIPE, text=True
        )
        os.close(tell)
        with os.fdopen(told) as ready:
            self.address = ready.readline().strip()

    def get(self, path):
        """The status of an answer, and its body."""
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def end(self, number=signal.SIGTERM):
        """Its exit code, and everything that it said."""
        self._process.send_signal(number)
        said = self._process.communicate(timeout=20)[1]
        return self._process.returncode, said


@pytest.fixture
def desk(tmp_path, serve, terminal):
    return Desk(tmp_path, serve, terminal)


@pytest.fixture
def index(desk):
    running = Index("--port", "0")
    yield running
    if running._process.returncode is None:
        running.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end_and_ends_without_a_word(index, number):
    status, page = index.get("/simple/tallyflask/")
    assert status == 200 and b"../../packages/tallyflask/" in page, "relative, so that a lock names the stable address"
    assert index.get(f"/packages/tallyflask/{WHEEL.filename}") == (200, WHEEL.data)
    code, said = index.end(number)
    assert (code, said) == (0, f"tallystick: {index.address}/simple/ is the verified index, until Ctrl-C\n")


def test_a_refusal_is_said_while_it_happens_and_once_and_is_recorded(desk, index):
    for _ in range(3):
        assert index.get("/simple/nobody/")[0] == 404
    (line,) = places(os.environ).log.read_text().splitlines()
    recorded = json.loads(line)
    assert recorded.pop("at").endswith("Z") and "proven by snapshot 1" in recorded.pop("detail")
    assert recorded == {"subject": "simple/nobody", "code": "absent", "repository": "acme", "program": "serve"}
    assert desk.tallystick("log") == 0 and "simple/nobody" in desk.out
    said = index.end()[1]
    assert said.count("tallystick: REFUSED simple/nobody: name is not in the registry") == 1


def test_it_starts_without_its_repository_and_says_so(desk):
    desk.server.stop()
    running = Index("--port", "0")
    assert running.get("/simple/tallyflask/")[0] == 424
    code, said = running.end()
    assert code == 0 and "REFUSED the repository: repository cannot be reached" in said


def test_a_port_that_is_taken_is_a_usage_error(desk):
    with bound() as taken:
        assert desk.tallystick("serve", "--port", taken.getsockname()[1]) == 2
    assert "Is another `tallystick serve` there?" in desk.err and "Nothing is served" in desk.err


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_what_is_no_port_is_a_usage_error(desk, port):
    assert desk.tallystick("serve", f"--port={port}") == 2


def test_a_descriptor_that_is_not_open_is_a_usage_error(desk):
    assert desk.tallystick("serve", "--port", "0", "--ready-fd", "999") == 2
    assert "--ready-fd 999 cannot be written to" in desk.err


def test_what_it_has_said_it_says_again_only_after_a_thousand_others():
    said, kept = [], []
    spoken = Spoken(said.append, kept.append)
    spoken.warn("first")
    for number in range(999):
        spoken.refuse(Entry("simple/x", "absent", f"number {number}", None))
    spoken.warn("first")
    assert len(said) == 1000 and len(kept) == 999
    spoken.warn("another")
    spoken.warn("first")
    assert len(said) == 1002
    for _ in range(2):
        spoken.note("it is archived")
    assert said[1002:] == ["tallystick: note: it is archived"]


def test_who_has_it_running_for_days_is_told_that_nothing_new_is_signed(world, terminal):
    """A warning comes before the refusal, also to whoever started it while all was well."""
    world.say("flask")
    verifier, said = world.verifier(), []
    verifier.open()
    assert verifier.warnings == []

    def days_pass(_):
        world.later(hours=23, minutes=50)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()

    until_stopped(verifier, 0, Spoken(said.append, said.append), days_pass, reminded=0.1)
    assert said and all(each.startswith("tallystick: warning: ") for each in said)


# What `tallystick config` prints, in the hands of the real installers.


def test_a_snippet_names_the_usual_port_or_another_and_ends_with_what_it_cannot_do(desk):
    for installer in SNIPPETS:
        assert desk.tallystick("config", installer) == 0
        assert f"http://127.0.0.1:{PORT}/simple/" in desk.out and "There is no fence around this" in desk.out
    assert desk.tallystick("config", "uv", "--port", "9000") == 0
    assert "http://127.0.0.1:9000/simple/" in desk.out


WRITTEN = {"pip": "pip.conf", "uv": "uv.toml", "poetry": "pyproject.toml", "pdm": "pyproject.toml"}


@pytest.mark.parametrize("installer", WRITTEN)
def test_what_config_prints_leads_the_installer_to_what_is_served(desk, index, installer, monkeypatch):
    project = INSTALLERS[installer].project(desk.directory / "app", "tallyflask==1.0")
    assert desk.tallystick("config", installer, "--port", index.address.rpartition(":")[2]) == 0
    with (project.folder / WRITTEN[installer]).open("a") as file:
        file.write(desk.out)
    own = {"PIP_CONFIG_FILE": str(project.folder / "pip.conf")} if installer == "pip" else {}
    subprocess.run(project.command, cwd=project.folder, env={**project.environment, **own}, check=True, timeout=120)
    assert project.installed() == ["tallyflask-1.0"]
    monkeypatch.setenv("HOME", str(desk.directory))
    port = index.address.rpartition(":")[2]
    assert desk.tallystick("doctor", "--project", project.folder, "--port", port) == 0, desk.out


def test_what_was_removed_is_not_installed_from_what_uv_kept(desk, index):
    """The header alone does it; a person who overrides it is told by doctor."""
    project = INSTALLERS["uv"].project(desk.directory / "app", "tallyflask==1.0", index=f"{index.address}/simple/")
    install = [*project.command, "--reinstall"]
    assert subprocess.run(install, cwd=project.folder, env=project.environment, timeout=120).returncode == 0
    index.end()
    desk.say(paper.removed(desk.now, desk.releases[0], "it steals tokens"), desk.releases[1], serial=2)
    again = Index("--port", index.address.rpartition(":")[2])
    assert subprocess.run(install, cwd=project.folder, env=project.environment, timeout=120).returncode != 0
    again.end()


def test_the_record_is_one_line_for_each_and_begins_again_when_it_is_large(tmp_path):
    path = tmp_path / "state" / "refusals.jsonl"
    kept = record.refusal(Entry("simple/x", "absent", "x" * 1000, "acme"), "pip", datetime(2026, 11, 28, tzinfo=UTC))
    for _ in range(record.MOST // 1000 + 1):
        record.append(path, kept)
    assert path.stat().st_size < record.MOST < Path(f"{path}.1").stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
