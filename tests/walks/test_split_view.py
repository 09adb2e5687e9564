"""A stolen online key and one victim, with the real service: what they see, by what they ask of the log."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from client_verify.answers import Found
from client_verify.directory import MEMORY
from client_verify.refusals import Refused
from client_verify.remembering.evidence import doubts
from client_verify.remembering.memory import Memory
from client_verify.session import Session
from client_verify.trust import LogTrust, Mode, Pin
from keys.state import NameState, Yank
from tests import paper
from tests.walks.thief import Thief
from tests.world import URL, Mirror, World, publishing

MODES = pytest.mark.parametrize("mode", ["off", "warn", "require"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    """foo 1.1 is the fix of foo 1.0."""
    made = World(tmp_path / "world")
    made.do(publishing("foo", "1.0"))
    made.do(publishing("foo", "1.1", content=b"y"))
    return made


def look(world: World, mode: Mode, mirror: Path) -> Session:
    pin = Pin("test", URL, world.trust.roots[0].data, log=LogTrust(mode))
    return Session(pin, world.folder / mode, Mirror(mirror), lambda: world.now, make_updater=world.updater)


def is_yanked(session: Session) -> bool:
    found = session.page("foo")
    assert isinstance(found, Found)
    release = found.state.release("1.1")
    return release is not None and release.yank is not None


def yanked(world: World) -> NameState:
    """What the thief says: the fix was yanked."""
    found = look(world, "off", world.public).page("foo")
    assert isinstance(found, Found)
    yank = Yank("owner", paper.mark(world.now, text="looks broken"))
    releases = tuple(replace(each, yank=yank) if each.version == "1.1" else each for each in found.state.releases)
    return replace(found.state, releases=releases, serial=found.state.serial + 1, event=found.state.event + 1)


@pytest.fixture
def victim(world: World, tmp_path: Path) -> Path:
    """What the victim is served: everything honest, and the thief's release on top."""
    folder = tmp_path / "victim"
    said = yanked(world)
    shutil.rmtree(world.folder / "off")
    shutil.copytree(world.public, folder)
    Thief(world, folder).strike(saying=said)
    return folder


def test_off_is_fooled_warn_is_told_and_require_refuses(world: World, victim: Path) -> None:
    assert is_yanked(look(world, "off", victim)), "as with any client of TUF alone"
    told = look(world, "warn", victim)
    assert is_yanked(told)
    assert len([each for each in told.warnings if each.startswith("not in the transparency log")]) == 1
    with pytest.raises(Refused, match="nothing proves that timestamp version") as caught:
        look(world, "require", victim)
    assert caught.value.code == "not-logged"


def test_who_required_the_log_reads_on_at_home_as_if_nothing_had_been(world: World, victim: Path) -> None:
    look(world, "require", world.public)
    with pytest.raises(Refused):
        look(world, "require", victim)
    world.tick(minutes=5)
    world.do(publishing("foo", "1.2", content=b"z"))
    assert not is_yanked(look(world, "require", world.public))


def test_a_thief_whose_number_the_registry_uses_too_is_proved_wrong_by_the_log(world: World, victim: Path) -> None:
    world.tick(minutes=5)
    world.do(publishing("foo", "1.2", content=b"z"))
    shutil.rmtree(victim / "log")
    shutil.copytree(world.public / "log", victim / "log")
    with pytest.raises(Refused) as caught:
        look(world, "warn", victim)
    assert caught.value.code == "contradiction"
    (found,) = Memory(world.folder / "warn" / MEMORY).evidence()
    assert (found.kind, doubts(found)) == ("logged", [])


@MODES
def test_an_honest_repository_is_read_in_every_mode_for_as_long_as_it_goes_on(world: World, mode: Mode) -> None:
    for number in range(3):
        world.tick(hours=13)
        world.do(publishing("foo", f"2.{number}", content=b"%d" % number))
        session = look(world, mode, world.public)
        assert not is_yanked(session)
        assert [each for each in session.warnings if "log" in each] == []
