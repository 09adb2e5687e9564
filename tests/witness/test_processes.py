"""``tallystick-service witness`` as its operator sees it: commands, files, two at once, and a kill at any moment."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keys.tlog import notes
from keys.tlog.notes import Note
from repo_service.cli import main
from repo_service.witness import keyring
from repo_service.witness.store import HEADS, hash_of
from tests.witness.grounds import HTTP, ROOT, NumberedLog, command, post, process

LOG = NumberedLog()
FORK = NumberedLog(branch=3)
NAME = "witness.example/w1"
Refused = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A witness that knows one log."""
    made = tmp_path / "w"
    assert main(["witness", "key", str(made), "--name", NAME]) == 0
    assert main(["witness", "add", str(made), str(LOG.key)]) == 0
    return made


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """What a command says that does nothing."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert main(["witness", *arguments]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        return told.err

    return run


def test_from_a_key_to_a_cosignature(folder: Path) -> None:
    (key,) = keyring.public(folder)
    with process(folder) as (running, url):
        assert post(url, LOG.question(0, 5))[0] == 200
        status, _, text = post(url, LOG.question(5, 9))
        assert status == 200
        note = Note(LOG.note(9).text, tuple(map(notes.read_signature, text.splitlines())))
        assert key in notes.cosigned_at(note, [key])
        assert f"{LOG.origin}: 9 leaves" in HTTP.request("GET", url).data.decode()
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
    shown = command("show", str(folder))
    assert shown.stdout.startswith(f"{key}\n\n{LOG.origin}: 9 leaves, cosigned ")


def test_a_log_is_added_while_the_witness_runs(folder: Path) -> None:
    two = NumberedLog("log.example/two", number=2)
    with process(folder) as (_, url):
        assert post(url, two.question(0, 5))[0] == 404
        assert command("add", str(folder), str(two.key)).returncode == 0
        assert post(url, two.question(0, 5))[0] == 200


def test_an_ml_dsa_key_cosigns_beside_the_first(folder: Path) -> None:
    assert main(["witness", "key", str(folder), "--name", NAME, "--ml-dsa"]) == 0
    with process(folder) as (_, url):
        text = post(url, LOG.question(0, 5))[2]
    note = Note(LOG.note(5).text, tuple(map(notes.read_signature, text.splitlines())))
    kinds = [key.kind for key in notes.cosigned_at(note, keyring.public(folder))]
    assert kinds == [notes.COSIGNED_ED25519, notes.COSIGNED_MLDSA44]


def test_evidence_is_shown(folder: Path) -> None:
    with process(folder) as (_, url):
        post(url, LOG.question(0, 5))
        post(url, FORK.question(5, 5))
    (path,) = (folder / "evidence").iterdir()
    assert f"{LOG.origin}: signed two trees of one size: {path}\n" in command("show", str(folder)).stdout


def test_everything_is_its_owners_alone(folder: Path) -> None:
    with process(folder) as (_, url):
        post(url, LOG.question(0, 5))
        post(url, FORK.question(5, 5))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / keyring.ED25519).stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(mode: int, folder: Path) -> None:
    (folder / keyring.ED25519).chmod(mode)
    assert "can be read by others" in command("run", str(folder)).stderr


def test_a_key_is_never_overwritten(folder: Path, refused: Refused) -> None:
    before = (folder / keyring.ED25519).read_bytes()
    assert "never overwritten" in refused("key", str(folder), "--name", NAME)
    assert (folder / keyring.ED25519).read_bytes() == before


def test_two_processes_do_not_sign_with_one_key(folder: Path) -> None:
    with process(folder):
        assert "another witness works in" in command("run", str(folder)).stderr


def test_a_witness_without_its_memory_does_not_begin_again(folder: Path, refused: Refused) -> None:
    for file in folder.glob("witness.sqlite*"):
        file.unlink()
    assert "a new name and a new key" in command("run", str(folder)).stderr
    for again in (("key", str(folder), "--name", NAME, "--ml-dsa"), ("show", str(folder))):
        assert "a new name and a new key" in refused(*again).replace("\n", " ")
    assert not (folder / "witness.sqlite").exists()


def test_a_log_is_added_once_and_another_key_only_if_one_says_so(folder: Path, refused: Refused) -> None:
    other = NumberedLog(number=4)
    assert "is known by this key" in refused("add", str(folder), str(LOG.key))
    assert "say --beside" in refused("add", str(folder), str(other.key))
    assert "by this key alone" in refused("add", str(folder), str(LOG.key), "--replace")
    unknown = NumberedLog("log.example/two")
    assert "is not known yet" in refused("add", str(folder), str(unknown.key), "--beside")
    assert "is no verifier key" in refused("add", str(folder), "log.example/one")


def test_a_log_goes_from_one_key_to_the_next(folder: Path) -> None:
    new = NumberedLog(number=4)
    with process(folder) as (_, url):
        assert post(url, LOG.question(0, 5))[0] == 200
        assert main(["witness", "add", str(folder), str(new.key), "--beside"]) == 0
        assert [post(url, new.question(5, 6))[0], post(url, LOG.question(6, 7))[0]] == [200, 200]
        assert main(["witness", "add", str(folder), str(new.key), "--replace"]) == 0
        assert [post(url, LOG.question(7, 8))[0], post(url, new.question(7, 8))[0]] == [403, 200]


def test_it_starts_without_a_servers_library() -> None:
    code = (
        "import sys, repo_service.commands.witness\n"
        "bad = {'flask', 'werkzeug', 'sqlalchemy', 'alembic', 'rq', 'redis', 'urllib3', 'prometheus_client'}\n"
        "print(sorted(bad & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.stdout == "[]\n", found.stdout + found.stderr


@pytest.mark.parametrize("moment", ["witness.decided", "witness.before_commit", "witness.committed", "witness.marked"])
@pytest.mark.parametrize("passing", [1, 2])
def test_killed_at_any_moment_it_never_signs_two_trees_of_one_size(moment: str, passing: int, folder: Path) -> None:
    cosigned: dict[int, NumberedLog] = {}
    with process(folder, f"{moment}:{passing}") as (dying, url):
        for old, size in ((0, 5), (5, 7)):
            try:
                if post(url, LOG.question(old, size))[0] == 200:
                    cosigned[size] = LOG
            except Exception:
                break
        assert dying.wait(20) == -signal.SIGKILL
    with process(folder) as (_, url):
        told = post(url, FORK.question(0, 7))
        known = int(told[2]) if told[0] == 409 else 0
        assert known >= max(cosigned, default=0)
        if told[0] == 200:  # nothing of the log was ever written
            assert not cosigned and moment in ("witness.decided", "witness.before_commit")
            return
        assert post(url, FORK.question(known, 7))[0] == 422
        assert post(url, LOG.question(known, 7))[0] == 200
        mark = notes.read_note((folder / HEADS / hash_of(LOG.origin)).read_bytes())
        assert notes.read_checkpoint(mark.text) == LOG.checkpoint(7)


def test_stopped_in_the_middle_of_questions_it_ends_well(folder: Path) -> None:
    with process(folder) as (running, url):
        post(url, LOG.question(0, 5))
        os.kill(running.pid, signal.SIGINT)
        assert running.wait(20) == 0
