"""Another number of bins, live: one snapshot switches everybody, and no client fails before, during or after."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from tuf.api.metadata import Metadata, Snapshot
from tuf.ngclient import Updater

from client_verify.refusals import Refused
from keys import layout, names
from repo_service.build.due import freshness
from repo_service.domain import requests as r
from repo_service.storage.journal import Overtaken
from tests.world import BECAUSE, OWNER, Mirror, World, publishing, root_of_trust

PROJECTS: Final = ("foo", "bar", "baz", "spam", "eggs", "ham", "pip", "uv", "flask", "numpy")


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
        assert ours.page("nobody") is None


def snapshot(world: World) -> Snapshot:
    newest = max((world.public / "metadata").glob("*.snapshot.json"), key=lambda file: int(file.name.split(".")[0]))
    return Metadata[Snapshot].from_file(str(newest)).signed


@pytest.mark.parametrize(
    "steps", [(64,), (4,), (512, 2, 256, 16), (32, 16)], ids=lambda steps: "-".join(map(str, steps))
)
def test_bins_become_more_or_fewer_and_no_client_fails(world: World, steps: tuple[int, ...]) -> None:
    everyone_reads(world)
    listed = PROJECTS
    for bins in steps:
        before = snapshot(world)
        rebin(world, bins)
        after = snapshot(world)
        assert after.version == before.version + 1, "one snapshot switches all"
        assert before.meta.keys() <= after.meta.keys(), "what was listed stays listed, or python-tuf refuses"
        everyone_reads(world, listed)
        listed = (*listed, f"new-{bins}")
        world.tick(days=1)
        world.do(publishing(f"new-{bins}", "2.0"), r.Yank("foo", "1.0", BECAUSE, OWNER))
        stock = world.stock("stock-cached")
        stock.refresh()
        assert stock.get_targetinfo(names.page_path(f"new-{bins}")) is not None
        listed = PROJECTS
    for _ in range(31):
        world.tick(days=1)
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
    assert all(
        listed[f"bin-{n:02x}.json"].version // layout.BIN_STRIDE
        > listed[f"bin-{m:x}.json"].version // layout.BIN_STRIDE
        for n in range(64)
        for m in range(16)
    )
    target = world.public / "metadata" / f"{listed[f'bin-{number:02x}.json'].version}.bin-{number:02x}.json"
    target.write_bytes(old[number].read_bytes())
    stock = world.stock("victim")
    stock.refresh()
    with pytest.raises(Exception, match="Expected bin"):
        stock.get_targetinfo(path)
    with pytest.raises(Refused):
        world.client("ours-victim").page(path.split("/")[1])


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
    from repo_service import planning

    whole = planning._split

    def losing(*given: object) -> dict[int, dict[str, str]]:
        bins = whole(*given)  # type: ignore[arg-type]
        next(entries for entries in bins.values() if entries).popitem()
        return bins

    monkeypatch.setattr(planning, "_split", losing)
    with pytest.raises(AssertionError, match="do not hold what the journal does"):
        rebin(world, 64)
    everyone_reads(world)


def test_another_publisher_in_between_makes_the_new_bins_begin_again(world: World) -> None:
    from repo_service.failpoint import arm

    went: list[str] = []

    def overtake(name: str) -> None:
        if name == "publish.before_commit" and not went:
            went.append(name)
            press = world.service.press
            with world.service.journal.writing() as pen:
                del pen
            world.service.journal.break_lease(lease_holder(world))
            world.record(publishing("first"))
            from repo_service.publish import publish

            publish(press, world.now)

    arm(overtake)
    try:
        rebin(world, 64)
    finally:
        arm(lambda name: None)
    assert went
    everyone_reads(world, (*PROJECTS, "first"))


def lease_holder(world: World) -> str:
    with world.service.journal.reading() as view:
        lease = view.lease()
    assert lease is not None
    return lease.holder


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Bytes that Python allocated at most within the block, beyond what was there."""
    found: list[int] = []
    tracemalloc.start()
    try:
        yield found
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def test_unused() -> None:
    assert Mirror and Overtaken
