"""Another number of bins, live: one snapshot switches everybody, and no client fails before, during or after."""

import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from tuf.api.metadata import Metadata, Snapshot
from tuf.ngclient import Updater

from client_verify.answers import ProvenAbsent
from client_verify.refusals import Refused
from keys import layout, names
from keys.encoding import sha256
from repo_service import failpoint
from repo_service.build import assemble
from repo_service.build.check import WouldBeRefused
from repo_service.build.due import freshness
from repo_service.domain import requests as r
from repo_service.mending import fsck
from repo_service.publishing import publish
from repo_service.publishing.rebinning import Rebinned
from repo_service.storage import local, tables
from repo_service.storage.view import View
from tests.world import BECAUSE, OWNER, World, publishing, root_of_trust

PROJECTS: Final = ("foo", "bar", "baz", "spam", "eggs")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, bins=16)
    made.do(*map(publishing, PROJECTS))
    return made


def rebin(world: World, bins: int) -> None:
    world.take_in(root_of_trust(world.now, after=world.trust, bins=bins))


def reads_all(stock: Updater, listed: tuple[str, ...] = PROJECTS) -> None:
    stock.refresh()
    for name in listed:
        for path in (names.page_path(name), names.file_path(name, f"{name}-1.0.tar.gz")):
            assert stock.get_targetinfo(path) is not None, f"{path} is gone"
    assert stock.get_targetinfo(names.page_path("nobody")) is None


def everyone_reads(world: World, listed: tuple[str, ...] = PROJECTS) -> None:
    """Clients that were there from the beginning and clients that begin now: python-tuf's and ours."""
    fresh = f"fresh-{len(list(world.folder.iterdir()))}"
    for name in ("cached", fresh):
        reads_all(world.stock(f"stock-{name}"), listed)
        ours = world.client(f"ours-{name}")
        assert all(ours.page(each) is not None for each in listed)
        assert isinstance(ours.page("nobody"), ProvenAbsent)


def snapshot(world: World) -> Snapshot:
    newest = max((world.public / "metadata").glob("*.snapshot.json"), key=lambda file: int(file.name.split(".")[0]))
    return Metadata[Snapshot].from_file(str(newest)).signed


def test_bins_become_more_or_fewer_and_more_again_and_no_client_fails(world: World) -> None:
    """More with wider names, fewer with the names of before, fewer with narrower names, and the first number again."""
    everyone_reads(world)
    for bins in (64, 32, 4, 16):
        before = snapshot(world)
        rebin(world, bins)
        after = snapshot(world)
        assert after.version == before.version + 1, "one snapshot switches all"
        assert before.meta.keys() <= after.meta.keys(), "what was listed stays listed, or python-tuf refuses"
        everyone_reads(world)
        world.tick(days=1)
        world.do(publishing(f"new-{bins}"), r.Yank("foo", "1.0", BECAUSE, OWNER))
        stock = world.stock("stock-cached")
        stock.refresh()
        assert stock.get_targetinfo(names.page_path(f"new-{bins}")) is not None
    for _ in range(15):
        world.tick(days=2)
        world.service.round()
    everyone_reads(world)


def test_a_client_that_is_between_the_old_snapshot_and_the_new_bins_goes_on_with_the_old_ones(world: World) -> None:
    stock = world.stock("slow")
    stock.refresh()
    rebin(world, 64)
    assert stock.get_targetinfo(names.page_path("foo")) is not None
    assert stock.get_targetinfo(names.page_path("nobody")) is None
    reads_all(world.stock("slow"))


def test_no_bin_can_stand_in_for_one_of_another_number_of_bins(world: World) -> None:
    """Bins 5 of 16 and 05 of 64 share a key and a number: a mirror without a key serves the one for the other."""
    old = {n: max((world.public / "metadata").glob(f"*.bin-{n:x}.json")) for n in range(16)}
    rebin(world, 64)
    path = next(names.page_path(each) for each in PROJECTS if layout.Bins(6).number(names.page_path(each)) < 16)
    number = layout.Bins(6).number(path)
    listed = snapshot(world).meta
    new = [listed[f"bin-{n:02x}.json"].version // layout.BIN_STRIDE for n in range(64)]
    assert min(new) > max(listed[f"bin-{n:x}.json"].version // layout.BIN_STRIDE for n in range(16))
    target = world.public / "metadata" / f"{listed[f'bin-{number:02x}.json'].version}.bin-{number:02x}.json"
    target.write_bytes(old[number].read_bytes())
    stock = world.stock("victim")
    stock.refresh()
    with pytest.raises(Exception, match="Expected bin"):
        stock.get_targetinfo(path)
    with pytest.raises(Refused):
        world.client("ours-victim").page(path.split("/")[1])


def test_new_bins_with_versions_of_before_are_not_published(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(View, "highest_bin", lambda view: 0 if view else 1)
    with pytest.raises(WouldBeRefused, match="one could stand in for it"):
        rebin(world, 64)
    everyone_reads(world)


def test_bins_of_before_are_due_no_more_and_make_nobody_anxious(world: World) -> None:
    rebin(world, 64)
    with world.service.journal.reading() as view:
        roles = view.roles()
    assert sum(role.startswith("bin-") for role in roles) == 64
    world.tick(days=40)
    with world.service.journal.reading() as view:
        assert {each.role for each in view.due_roles(world.now)} == {*layout.Bins(6).roles(), "snapshot", "timestamp"}
        lifetimes = world.service.press.lifetimes
        assert freshness(roles.values(), lifetimes, world.now)["bin"] == 0.0
    world.service.round()
    with world.service.journal.reading() as view:
        assert freshness(view.roles().values(), lifetimes, world.now)["bin"] == 1.0


def test_the_repository_is_sound_afterwards_also_when_the_bins_of_before_are_gone(world: World) -> None:
    def sound() -> list[str]:
        press = world.service.press
        updater = world.updater
        its = fsck.Repository(press.journal, press.depot, press.layout, world.now, make_updater=updater)
        return [str(problem) for problem in fsck.examine_quickly(its)]

    rebin(world, 64)
    assert sound() == []
    for _ in range(40):
        world.tick(days=1)
        world.do(publishing("foo", f"2.{world.now:%j}"))
        world.service.collect()
    assert [*(world.public / "metadata").glob("*.bin-?.json")] == []
    assert sound() == []
    everyone_reads(world)


def test_changes_that_wait_are_signed_with_the_new_bins(world: World) -> None:
    world.record(publishing("late"))
    world.record(r.Unpublish("foo", "1.0", BECAUSE, r.Fact(0, "2026-11-22T10:00:00Z"), OWNER))
    rebin(world, 64)
    stock = world.stock("late")
    stock.refresh()
    assert stock.get_targetinfo(names.page_path("late")) is not None
    assert stock.get_targetinfo(names.file_path("foo", "foo-1.0.tar.gz")) is None
    with world.service.journal.reading() as view:
        assert view.pending().events == ()


def test_bins_that_were_signed_without_a_target_are_not_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Rebinned.__getitem__
    lost = layout.Bins(6).number(names.page_path("foo"))

    def losing(self: Rebinned, number: int) -> Mapping[str, str]:
        return {} if number == lost else whole(self, number)

    monkeypatch.setattr(Rebinned, "__getitem__", losing)
    with pytest.raises(AssertionError, match="do not hold what the journal does"):
        rebin(world, 64)
    everyone_reads(world)


def test_a_release_that_came_in_between_is_not_lost(world: World) -> None:
    """The lease passed to another publisher while the new bins were signed: they are signed again, with its change."""
    passed: list[str] = []

    def overtake(name: str) -> None:
        if name != "publish.before_commit" or passed:
            return
        passed.append(name)
        with world.service.journal.reading() as view:
            lease = view.lease()
        assert lease is not None
        world.service.journal.break_lease(lease.holder)
        world.do(publishing("first"))

    failpoint.arm(overtake)
    try:
        rebin(world, 64)
    finally:
        failpoint.arm(None)
    assert passed
    everyone_reads(world, (*PROJECTS, "first"))


def test_twenty_thousand_targets_move_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the targets nor the signed bins are in memory together, as where bins are more than MANY; a depot takes
    as many as it likes (16 MB).
    """
    monkeypatch.setattr(publish, "MANY", 100)
    monkeypatch.setattr(local, "_GROUP_BYTES", 1 << 18)
    monkeypatch.setattr(assemble, "TOGETHER_BYTES", 1 << 18)
    monkeypatch.setattr(publish, "MANY", 16)
    world = World(tmp_path, bins=32)
    world.do(publishing("foo"))
    fill(world, 20_000)
    tracemalloc.start()
    rebin(world, 128)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    listed, metadata = snapshot(world).meta, world.public / "metadata"
    signed = [metadata / f"{listed[f'{role}.json'].version}.{role}.json" for role in layout.Bins(7).roles()]
    assert peak < sum(file.stat().st_size for file in signed) * 0.7
    reads_all(world.stock(), ("foo",))
    stock = world.stock()
    stock.refresh()
    assert stock.get_targetinfo("packages/many/many-19999.tar.gz") is not None


def fill(world: World, targets: int) -> None:
    """Targets straight into the journal, as many publications would leave them; then every bin is signed again."""
    shape = layout.Bins(5)
    rows = []
    for number in range(targets):
        path = f"packages/many/many-{number}.tar.gz"
        entry = f'{{"hashes":{{"sha256":"{sha256(path.encode())}"}},"length":{number}}}'
        rows.append({"bin": shape.number(path), "path": path, "name": "many", "entry": entry})
    with world.service.journal._engine.begin() as connection:
        connection.execute(tables.targets.insert(), rows)
    world.tick(days=30)
    while world.service.round():
        pass
