"""Accidents: a full disk, two processes at once, and an end at any moment. What is on disk is sound afterwards."""

import os
import signal
import time
from itertools import count

import pytest

from client_verify.installing.environment import environment
from tests import paper
from tests.client.matrix import golden, mirror
from tests.client.matrix.stage import ONE, PUBLISHED, Outcome, told
from tests.installers import INSTALLERS

FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
"""No file can grow beyond so many bytes, for the installer neither."""
BIG = paper.wheel("tallyflask", "1.0", says="x" * 3_000_000)
KILLED = """
left = {0}
def hook(event, arguments):
    global left
    if event in ("os.rename", "os.symlink", "sqlite3.connect") and "{1}" in str(arguments):
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)
sys.addaudithook(hook)
"""
"""Ends the process without a word before the so manieth change of what is kept in this directory."""


def ended(process, project):
    printed, _ = process.communicate(timeout=120)
    return Outcome(process.returncode, tuple(project.installed()), told(printed)), printed


def unsound(stage):
    """Files of the trusted metadata that are not, byte for byte, what somebody signed and the mirror served."""
    signed = {data for path, data in stage.repository.files.items() if path.startswith("metadata/")}
    kept = [path for path in (stage.data / "metadata").rglob("*") if path.is_file()]
    return [path.name for path in kept if path.read_bytes() not in signed or path.suffix != ".json"]


@pytest.mark.parametrize("installer", ["pip", "uv", "poetry", "pdm"])
def test_a_disk_that_is_full_when_a_file_arrives_refuses_it(stage, installer):
    stage.repository.add_file("tallyflask", BIG.filename, BIG.data, BIG.metadata)
    stage.say(paper.release(PUBLISHED, "1.0", BIG), serial=2)
    project = stage.project(installer)
    outcome, printed = ended(stage.start(project, FULL.format(2_000_000)), project)
    golden.check("full-disk", installer, outcome)
    assert outcome.installed == () and outcome.code != 0, printed
    assert unsound(stage) == []


def test_a_disk_that_is_full_when_metadata_arrives_ends_the_command_and_says_what_was_written(stage):
    project = stage.project("uv")
    outcome, printed = ended(stage.start(project, FULL.format(600)), project)
    golden.check("full-disk-metadata", "uv", outcome)
    assert outcome.code == 2 and unsound(stage) == [], printed
    assert stage.run("uv").installed == ("tallyflask-1.0",), "as soon as there is room"


@pytest.mark.parametrize("pair", [("pip", "uv"), ("poetry", "pdm")])
def test_two_processes_begin_at_once_and_both_install(stage, pair):
    projects = [stage.project(installer) for installer in pair]
    running = [stage.start(project) for project in projects]
    for process, project in zip(running, projects, strict=True):
        outcome, printed = ended(process, project)
        assert outcome == Outcome(0, ("tallyflask-1.0",), ""), printed
    assert unsound(stage) == []


def test_whenever_it_is_killed_what_is_kept_is_sound_and_the_next_run_goes_on(stage):
    for moment in count(1):
        stage.home = stage.folder / f"home-{moment}"
        project = INSTALLERS["uv"].project(stage.folder / f"uv-{moment}", "tallyflask==1.0")
        outcome, printed = ended(stage.start(project, KILLED.format(moment, stage.home)), project)
        assert outcome.code in (0, -signal.SIGKILL), printed
        assert [name for name in unsound(stage) if not name.startswith("tmp")] == [], moment
        stage.verify()
        assert unsound(stage) == [], "the next run has swept up"
        if outcome.code == 0:
            break
    assert moment > 10


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_an_installer_whose_index_is_killed_installs_nothing(stage, installer):
    project = stage.project(installer)
    project.environment["PIP_RETRIES"] = "0"
    process = stage.start(project)
    stage.mirror.before = lambda path: path.endswith(".whl") and os.kill(process.pid, signal.SIGKILL)
    outcome, printed = ended(process, project)
    assert outcome == Outcome(-signal.SIGKILL, (), ""), printed
    stage.mirror.before = lambda _: None
    assert stage.run(installer).installed == ("tallyflask-1.0",)


def _late(handler, data):
    time.sleep(3)
    mirror.honestly(handler, data)


IMPATIENT = ("PIP_DEFAULT_TIMEOUT", "UV_HTTP_TIMEOUT", "POETRY_REQUESTS_TIMEOUT", "PDM_REQUEST_TIMEOUT")


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_large_file_may_take_longer_than_an_installer_waits_by_itself(stage, installer):
    """The index gives nothing of a file before all of it is verified."""
    stage.mirror.tricks[ONE.filename] = _late
    stage.environment |= {**dict.fromkeys(IMPATIENT, "1"), "PIP_RETRIES": "0"}
    assert stage.run(installer) == Outcome(0, ("tallyflask-1.0",), ""), stage.printed


def test_every_installer_is_told_to_wait(tmp_path):
    """poetry and pdm begin again some times before they give up, which would take too long to wait for here."""
    made = environment(dict.fromkeys(IMPATIENT, "1"), "http://127.0.0.1:1", tmp_path, tmp_path)
    assert all(int(made[name]) > 3600 for name in IMPATIENT)
