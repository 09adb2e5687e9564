"""Whoever dies, comes second or is restored from a copy, the repository goes on, and no client sees a step back."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from keys import names
from keys.signing import SignerOvertaken, SignerRefused, parted, wrapped
from repo_service import failpoint
from repo_service.accepting import intake
from repo_service.commands.guard import begin
from repo_service.domain import requests as r
from repo_service.guarding import settings
from repo_service.guarding.client import GuardedSigner
from repo_service.guarding.store import Store
from repo_service.mending import recovering
from repo_service.publishing.press import Memory
from repo_service.publishing.publish import publish
from repo_service.storage.depot import Behind
from repo_service.wiring import open_service
from tests.audit import audit
from tests.guarding.guarded import GuardedWorld
from tests.guarding.thief import Refused, Thief, bin_of
from tests.service.dying import dying_at
from tests.world import BECAUSE, OWNER, publishing, root_of_trust

POINTS: Final = (
    "publish.read", "publish.signed", "publish.before_commit", "publish.committed", "finish.staged", "finish.added",
    "finish.pointed", "finish.marked",
)  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> GuardedWorld:
    made = GuardedWorld(tmp_path)
    made.do(publishing("foo"), publishing("bar"))
    made.tick(minutes=5)
    look(made, "foo", "bar")
    return made


def look(world: GuardedWorld, *expected: str) -> None:
    """A client of the beginning and one that is new, python-tuf's and ours."""
    for name in ("cached", f"fresh-{len(list(world.folder.iterdir()))}"):
        stock = world.stock(f"stock-{name}")
        stock.refresh()
        for each in expected:
            assert stock.get_targetinfo(names.page_path(each)) is not None, each
            assert world.client(f"ours-{name}").page(each) is not None


def die(world: GuardedWorld, point: str) -> None:
    """The service dies there, and is started again."""
    with dying_at(point):
        world.service.round()
    world.reopen()


def yank(name: str) -> r.Request:
    return r.Yank(name, "1.0", BECAUSE, OWNER)


@pytest.mark.parametrize("point", POINTS)
def test_a_service_that_died_goes_on_with_what_is_pending_and_with_more(world: GuardedWorld, point: str) -> None:
    world.record(yank("foo"))
    world.record(publishing("new"))
    die(world, point)
    look(world, "foo", "bar")
    world.tick(minutes=1)
    world.do(publishing("foo", "2.0"), yank("bar"))
    look(world, "foo", "bar", "new")
    world.tick(minutes=1)
    world.do(publishing("bar", "2.0"))
    look(world, "foo", "bar", "new")
    assert audit(world.service) == []


@pytest.mark.parametrize("point", ["publish.signed", "publish.before_commit"])
def test_a_service_that_dies_again_and_again_spends_versions_and_loses_nothing(world: GuardedWorld, point: str) -> None:
    before = world.service.round()
    assert before is None
    for number in range(3):
        world.record(publishing("foo", f"{number}.5"))
        die(world, point)
        world.tick(minutes=1)
        if number == 1:
            world.restart_guard()
    release = world.service.round()
    assert release is not None and release.generation > release.follows + 1
    look(world, "foo", "bar")
    assert audit(world.service) == []


def test_a_service_that_died_over_renewals_alone_signs_them_again(world: GuardedWorld) -> None:
    world.tick(days=20)
    die(world, "publish.signed")
    world.tick(minutes=1)
    world.service.round()
    look(world, "foo", "bar")


def test_what_was_signed_and_lost_is_gone_on_from_and_cannot_be_taken_back(world: GuardedWorld) -> None:
    """Whoever holds the socket cannot say that the release before was the last one: a client may have seen the lost."""
    before = Thief(world).file(bin_of(names.page_path("foo")))
    world.record(yank("foo"))
    die(world, "publish.signed")
    its = Thief(world)
    role = bin_of(names.page_path("foo"))
    step = its.body(role)["version"] + 200_000
    bare = {path: each for path, each in its.body(role)["targets"].items() if "bar" not in path}
    with pytest.raises(Refused, match=r"succession|vanished|unproven"):
        its.sign(its.again(role, version=step, targets=bare), shown=[before, *its.pages("foo"), *its.pages("bar")])
    world.service.round()
    look(world, "foo", "bar")


def test_genesis_that_dies_is_begun_again(tmp_path: Path) -> None:
    class Dying(GuardedWorld):
        def take_in(self, trust: object) -> None:
            if not list(self.folder.glob("sealed*")):
                with dying_at("publish.signed"):
                    super().take_in(trust)  # type: ignore[arg-type]
                self.reopen()
                self.tick(minutes=1)
            super().take_in(trust)  # type: ignore[arg-type]

    world = Dying(tmp_path)
    world.do(publishing("foo"))
    look(world, "foo")
    world.close()


@pytest.mark.parametrize("bins", [4, 16])
def test_a_ceremony_whose_taking_in_died_is_taken_in_again(world: GuardedWorld, bins: int) -> None:
    world.record(yank("foo"))
    following = root_of_trust(world.now, after=world.trust, held=("internal",), holders=(1, 2, 4), bins=bins)
    with dying_at("publish.signed"):
        world.take_in(following)
    world.reopen()
    look(world, "foo", "bar")
    world.tick(minutes=1)
    with pytest.raises(SignerRefused, match=r"\((rolled_back|wrong_bin|dropped)\)"):
        world.service.round()
    world.take_in(following)
    look(world, "foo", "bar", "internal")
    world.tick(minutes=1)
    world.do(publishing("new"))
    look(world, "foo", "bar", "new")
    assert audit(world.service) == []


# Two publishers.


def overtaking(world: GuardedWorld, point: str, do: Callable[[], object]) -> None:
    def reached(name: str) -> None:
        if name == point:
            failpoint.arm(None)
            do()

    failpoint.arm(reached)


@pytest.mark.parametrize("point", ["publish.read", "publish.signed", "publish.before_commit", "publish.committed"])
def test_of_two_publishers_at_once_both_get_everything_signed_and_neither_two_of_one_version(
    world: GuardedWorld, point: str
) -> None:
    other = open_service(world.service.folder, clock=lambda: world.now)
    turn = replace(other.press.turn, is_dead=lambda _: True)
    press = replace(other.press, turn=turn, memory=Memory())

    def second() -> None:
        world.tick(minutes=1)
        intake.record(other.journal, publishing("new"), intake.Sender("tests", "second", None), world.now)
        publish(press, world.now)

    overtaking(world, point, second)
    world.record(yank("foo"))
    world.service.round()
    world.tick(minutes=1)
    world.do(publishing("foo", "2.0"), yank("bar"))
    look(world, "foo", "bar", "new")
    assert audit(world.service) == []


def test_a_signer_that_is_always_overtaken_is_not_asked_for_ever(
    world: GuardedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:

    def overtaken(self: object, asked: object) -> object:
        raise SignerOvertaken("equivocation", "again")

    monkeypatch.setattr(GuardedSigner, "sign_all", overtaken)
    world.record(yank("foo"))
    with pytest.raises(SignerOvertaken):
        world.service.round()


# Copies that are restored.


def database(world: GuardedWorld) -> Path:
    return world.service.folder / "journal.sqlite"


def set_back(world: GuardedWorld, backup: Path) -> None:
    world.service.journal._engine.dispose()
    for file in database(world).parent.glob("journal.sqlite*"):
        file.unlink()
    world.service = open_service(world.service.folder, clock=lambda: world.now)
    world.service.journal.restore(backup)


def test_an_old_database_of_the_service_is_brought_up_and_goes_on(world: GuardedWorld, tmp_path: Path) -> None:
    world.service.journal.back_up(tmp_path / "backup")
    world.do(yank("foo"))
    world.tick(minutes=5)
    world.do(publishing("new"))
    look(world, "foo", "bar", "new")
    set_back(world, tmp_path / "backup")
    with pytest.raises(Behind):
        world.do(publishing("bar", "2.0"))
    set_back(world, tmp_path / "backup")
    assert recovering.recover(world.service.press, world.now, lambda *_: None) is not None
    world.tick(minutes=5)
    world.do(publishing("bar", "2.0"), publishing("foo", "2.0"))
    look(world, "foo", "bar", "new")


def test_where_the_public_files_were_set_back_too_the_guard_still_goes_nowhere_without_a_waiver(
    world: GuardedWorld, tmp_path: Path
) -> None:
    """A rollback of everything that the service has: by a thief, or by a restored machine."""
    world.service.journal.back_up(tmp_path / "backup")
    shutil.copytree(world.public, tmp_path / "public")
    world.do(yank("foo"))
    world.tick(minutes=5)
    world.do(publishing("bar", "2.0"))
    world.tick(minutes=5)
    world.do(publishing("new"))  # by which it is known that the service had kept what came before
    set_back(world, tmp_path / "backup")
    shutil.rmtree(world.public)
    shutil.copytree(tmp_path / "public", world.public)
    world.reopen()
    with pytest.raises(SignerRefused, match=r"\(unproven|\(vanished"):
        world.do(publishing("other"))
    world.waive(("unproven", None), ("vanished", None), ("succession", None))
    release = world.service.round()
    assert release is not None and release.generation > release.follows + 1
    stock = world.stock("stock-cached")
    stock.refresh()  # versions went on, so a client of before is not stuck
    assert stock.get_targetinfo(names.page_path("other")) is not None


def test_an_old_memory_of_the_guard_goes_on_from_what_is_public(world: GuardedWorld, tmp_path: Path) -> None:
    world.stop_guard()
    for file in world.guard_folder.glob("guard.sqlite*"):
        shutil.copy(file, tmp_path)
    world.start_guard()
    world.do(yank("foo"))
    world.tick(minutes=5)
    world.take_in(root_of_trust(world.now, after=world.trust, held=("internal",), holders=(1, 2, 4)))
    world.do(publishing("new"))
    its = Thief(world)
    old, role = its.body("timestamp")["version"], bin_of(names.page_path("foo"))
    version = its.body(role)["version"]
    world.stop_guard()
    for file in world.guard_folder.glob("guard.sqlite*"):
        file.unlink()
    for file in tmp_path.glob("guard.sqlite*"):
        shutil.copy(file, world.guard_folder)
    world.start_guard()
    world.tick(minutes=5)
    world.do(publishing("foo", "2.0"), publishing("more"))
    look(world, "foo", "bar", "new", "more")
    its = Thief(world)
    for stale in (its.again("timestamp", version=old), its.again(role, version=version)):
        with pytest.raises(Refused, match=r"regression|equivocation"):
            its.sign(stale)
    for _ in range(30):  # bins that only their signatures prove are renewed too
        world.tick(days=1)
        world.service.round()
    look(world, "foo", "bar", "new", "more")


def test_a_guard_that_begins_before_a_repository_that_is_there_goes_on_from_it(tmp_path: Path) -> None:
    """Moving a key in: the guard has no memory, only the ceremony's files and the key."""
    world = GuardedWorld(tmp_path)
    world.do(publishing("foo"))
    world.stop_guard()
    for file in world.guard_folder.glob("guard.sqlite*"):
        file.unlink()
    store = Store(world.guard_folder / settings.DATABASE)
    begin(store, world.trust, settings.read(world.guard_folder))
    store.close()
    world.start_guard()
    world.tick(minutes=5)
    its, role = Thief(world), bin_of(names.page_path("foo"))
    its.ask({"ask": "show"}, [its.file("timestamp"), its.file("snapshot")])
    emptied = its.again(role, version=its.body(role)["version"], targets={})
    forged = wrapped(emptied, tuple(parted(its.file(role))[0]))
    with pytest.raises(Refused, match="unproven"):  # only its signatures can say what the bin was
        its.sign(its.again(role, targets={}), shown=[forged])
    world.do(yank("foo"), publishing("bar"))
    look(world, "foo", "bar")
    world.close()
