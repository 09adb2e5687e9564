"""What people expect of any command: it stops when nobody reads, fits any terminal, and says what it could not do."""

import argparse
import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from client_verify import disk, trust
from client_verify.cli import COMMANDS
from client_verify.places import places
from tests import paper

MAIN = "import sys; from client_verify.cli import main; sys.exit(main())"


@pytest.fixture
def now():
    return datetime.now(UTC).replace(microsecond=0)


def _started(*words, stdout, **environ):
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        env={**os.environ, "COLUMNS": "80", **environ},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "words", [["explain", "--all"], ["explain", "--json"], ["status"], ["--help"], ["run", "--help"]]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_where_nobody_reads_on_a_command_ends_silently(terminal, words, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    started = _started(*words, stdout=writing, PYTHONUNBUFFERED=unbuffered)
    os.close(writing)
    _, said = started.communicate(timeout=60)
    assert said == ""
    assert started.returncode == 128 + signal.SIGPIPE or (unbuffered and "--help" in words)  # argparse ends with 0


@pytest.mark.parametrize("words", [["explain", "--all"], ["explain", "--json"], ["status"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_the_output_is_said(terminal, words, unbuffered):
    with Path("/dev/full").open("w") as full:
        started = _started(*words, stdout=full, PYTHONUNBUFFERED=unbuffered)
        _, said = started.communicate(timeout=60)
    assert started.returncode == 2
    assert "no room" in said and "Traceback" not in said


def test_a_terminal_without_a_character_is_shown_its_number(terminal, tmp_path):
    lock = tmp_path / "\u00fc.txt"
    lock.write_text("")
    started = _started("lock", "verify", str(lock), stdout=subprocess.PIPE, PYTHONIOENCODING="ascii")
    _, said = started.communicate(timeout=60)
    assert "Traceback" not in said
    started = _started(
        "status", stdout=subprocess.PIPE, PYTHONIOENCODING="ascii", TALLYSTICK_HOME=str(tmp_path / "\u00fc")
    )
    shown, said = started.communicate(timeout=60)
    assert (started.returncode, said) == (0, "")
    assert "/\\xfc/cache" in shown


def test_explaining_a_refusal_and_listing_the_commands_load_nothing_that_verifies(terminal):
    for words in (["explain", "rollback"], ["--help"], ["nonsense"]):
        program = (
            f"import sys; from client_verify.cli import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
            "heavy = {'tuf', 'urllib3', 'waitress', 'securesystemslib'} & sys.modules.keys()\nsys.exit(heavy or 0)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_every_command_of_the_list_is_in_the_module_that_the_list_names(terminal):
    for name in COMMANDS:
        assert terminal(name, "--help") == 0
        assert terminal.out.startswith(f"usage: tallystick {name}"), name
        assert len(terminal.out.split("options:")[0].split("\n\n")) > 1, "each says what it does"


def test_no_module_adds_a_command_that_the_list_does_not_name():
    for module in {module for module, _ in COMMANDS.values()}:
        commands = argparse.ArgumentParser().add_subparsers()
        import_module(f"client_verify.commands.{module}").add(commands)
        assert {name for name, (its, _) in COMMANDS.items() if its == module} == set(commands.choices)


@pytest.mark.parametrize(
    "words",
    [
        ["trust", "add", "acme", "--url", "http://registry.test", "--root", "nowhere.json"],
        ["memory", "import", "nowhere.json"],
        ["evidence", "check", "nowhere.json", "--root", "nowhere.json"],
        ["lock", "verify", "uv.lock"],
    ],
    ids=lambda words: words[0],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_written(terminal, now, words):
    trust.add(places(os.environ).roots, trust.Pin("known", "http://registry.test", paper.Paper(now).root))
    assert terminal(*words) == 2
    assert "cannot be read: No such file or directory" in terminal.err
    assert "Nothing was written" in terminal.err and "Errno" not in terminal.err


def test_who_has_pinned_nothing_is_told_how_to_begin(terminal):
    for words in (
        ["trust", "list"],
        ["memory", "export", "file"],
        ["show", "flask"],
        ["run", "--", "pip", "--version"],
    ):
        terminal(*words)
        assert "no repository is pinned. Begin with `tallystick trust add" in terminal.err, words


def test_a_fingerprint_that_is_none_is_not_called_another_one(terminal, now, tmp_path):
    root = tmp_path / "root.json"
    root.write_bytes(paper.Paper(now).root)
    for text in ("foo", "sha256:6f1c", "sha1:" + "0" * 40):
        assert terminal("trust", "add", "acme", "--url", "http://a.test", "--root", root, "--fingerprint", text) == 2
        assert "is no fingerprint" in terminal.err and "Nothing was written" in terminal.err


def test_where_nothing_can_be_written_it_is_said_how_to_go_on():
    said = disk.complaint(PermissionError(errno.EACCES, "Permission denied", "/home/them/data"))
    assert said.startswith("/home/them/data: Permission denied. Let this user read and write there")
    assert "TALLYSTICK_HOME" in said and "nothing is used without it" in said
