"""Deltas are drawn beside what is public already; whatever happens to them, it costs a client one full download."""

import logging
import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest

from keys import deltas, layout
from keys.deltas import REACH, SPACING, rebuild
from keys.encoding import sha256
from keys.signing import Sign
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import Role, bin_file, snapshot_file
from repo_service.build.pages import Target
from repo_service.mending import collecting
from repo_service.publishing.drawing import MOST_BINS, Drawer
from repo_service.storage.depot import Diverged
from tests.keys.inflate import inflate
from tests.world import BEGIN, World, online_key, publishing

LATER = BEGIN + timedelta(days=30)
ROLES = [f"bin-{number:x}" for number in range(16)]


class Shelf:
    """What a depot promises of immutable files, in memory. It counts what is read."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.reads: list[str] = []

    def add(self, files: Iterable[tuple[str, bytes]]) -> None:
        for path, data in files:
            if self.files.setdefault(path, data) != data:
                raise Diverged(path)

    def read(self, path: str) -> bytes | None:
        self.reads.append(path)
        return self.files.get(path)

    def publish(self, *roles: "Role | Unsigned") -> None:
        self.add((f"metadata/{role.version}.{role.name}.json", role.body) for role in roles)


@dataclass(frozen=True)
class Unsigned:
    name: str
    version: int
    body: bytes

    @property
    def digest(self) -> str:
        return sha256(self.body)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(scope="module")
def key() -> Sign:
    return online_key()


def signed_bin(sign: Sign, times: int, targets: int, number: int = 7) -> Role:
    named = (Target.of(f"simple/name-{n}/vnd.pypi.simple.v1.json", 1000 + n, f"{n:064x}") for n in range(targets))
    entries = {target.path: target.entry for target in named}
    return bin_file(f"bin-{number:x}", times * layout.BIN_STRIDE + number, entries, LATER, sign)


def snapshot(version: int) -> Unsigned:
    meta = ",".join(f'"{role}.json":{{"version":{100 + version * 7 % (n + 3)}}}' for n, role in enumerate(ROLES))
    return Unsigned(layout.SNAPSHOT, version, f'{{"meta":{{{meta}}},"version":{version}}}'.encode())


def follow(shelf: Shelf, held: bytes, steps: Iterable[deltas.Step]) -> bytes:
    """What the client's half will do: deltas one after the other."""
    for step in steps:
        held = rebuild(shelf.files[step.path], held, deltas.MAX_FILE, inflate)
    return held


def test_a_client_some_signings_behind_rebuilds_the_bin_as_it_was_signed(shelf: Shelf, key: Sign) -> None:
    drawer = Drawer(shelf)
    signed = [signed_bin(key, times, 30 + times) for times in range(1, 6)]
    for each in signed:
        shelf.publish(each)
        assert drawer.draw([each]) == (each.version > layout.BIN_STRIDE * 2)
    held, newest = signed[1], signed[-1]
    steps = deltas.bin_steps(held.name, held.version, newest.version)
    assert follow(shelf, held.body, steps) == newest.body
    assert all(len(shelf.files[step.path]) < 400 for step in steps)


def test_a_signed_snapshot_is_rebuilt_to_the_byte(shelf: Shelf, key: Sign) -> None:
    listings = (Listing.of({role: Meta(n * 100_000 + at) for at, role in enumerate(ROLES)}) for n in (1, 2))
    first, second = (snapshot_file(n, listing, LATER, key) for n, listing in enumerate(listings, 1))
    drawer = Drawer(shelf)
    for each in (first, second):
        shelf.publish(each)
        assert drawer.draw([each]) == 1
    assert follow(shelf, b"", deltas.snapshot_steps(0, 1)) == first.body
    assert follow(shelf, first.body, deltas.snapshot_steps(1, 2)) == second.body
    assert follow(shelf, b"", deltas.snapshot_steps(0, 2)) == second.body


def test_every_client_reaches_the_newest_snapshot_by_what_was_drawn_when_it_was_published(shelf: Shelf) -> None:
    """Several publishers take turns; the deltas are followed by clients of each anchor, and by one that has nothing."""
    drawers = [Drawer(shelf), Drawer(shelf)]
    for version in range(1, 3 * SPACING + REACH + 2):
        newest = snapshot(version)
        shelf.publish(newest)
        assert drawers[version // 50 % 2].draw([newest]) > 0
        if version % SPACING in (0, 1, 2, REACH - 1, REACH, REACH + 1):
            for held in (0, 1, *range(SPACING, deltas.anchor(version) + 1, SPACING)):
                old = snapshot(held).body if held else b""
                assert follow(shelf, old, deltas.snapshot_steps(held, version)) == newest.body
    # The anchor in use is read and indexed once, not at each publication.
    assert len(shelf.reads) < version / 40


def test_drawing_again_after_a_crash_changes_nothing(shelf: Shelf, key: Sign) -> None:
    roles = [signed_bin(key, 2, 5), Unsigned(layout.SNAPSHOT, 1, b"{}")]
    shelf.publish(signed_bin(key, 1, 4), *roles)
    assert Drawer(shelf).draw(roles) == 2
    before = dict(shelf.files)
    assert Drawer(shelf).draw(roles) == 2
    assert shelf.files == before


def test_only_snapshots_and_bins_have_deltas(shelf: Shelf) -> None:
    roles = [Unsigned(name, 2, b"{}") for name in (*layout.OFFLINE, layout.TIMESTAMP)]
    shelf.publish(*(Unsigned(each.name, 1, b"{ }") for each in roles), *roles)
    assert Drawer(shelf).draw(roles) == 0


def test_an_older_file_that_is_gone_costs_its_own_delta_only(shelf: Shelf, key: Sign) -> None:
    gone, there = (signed_bin(key, 1, 4, number) for number in (3, 4))
    shelf.publish(there)
    drawn = [signed_bin(key, 2, 5, number) for number in (3, 4)]
    assert Drawer(shelf).draw([*drawn, snapshot(1)]) == 2
    assert not any(path.startswith(f"deltas/{gone.version}.") for path in shelf.files)


class Full(Shelf):
    def add(self, files: Iterable[tuple[str, bytes]]) -> None:
        raise OSError(28, "No space left on device")


class Cut(Shelf):
    def read(self, path: str) -> bytes | None:
        raise ConnectionResetError(104, "Connection reset by peer")


@pytest.mark.parametrize("broken", [Full, Cut])
def test_a_depot_that_fails_does_not_fail_the_publisher(
    broken: type[Shelf], key: Sign, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert Drawer(broken()).draw([signed_bin(key, 2, 5), snapshot(1)]) == 0
    assert "deltas were left out" in caplog.text


def test_a_delta_that_another_zstd_drew_is_left_as_it_is(shelf: Shelf, key: Sign) -> None:
    old, new = signed_bin(key, 1, 4), signed_bin(key, 2, 5)
    shelf.publish(old)
    path = deltas.drawn_with(new.name, new.version)[0].path
    shelf.files[path] = b"drawn by another version"
    assert Drawer(shelf).draw([new]) == 0
    assert shelf.files[path] == b"drawn by another version"


def test_signing_all_bins_again_draws_the_snapshot_and_a_bounded_number_of_bins(shelf: Shelf) -> None:
    roles = [Unsigned(f"bin-{n:04x}", 2 * layout.BIN_STRIDE + n, b"new" * 20) for n in range(MOST_BINS + 100)]
    shelf.publish(*(Unsigned(each.name, each.version - layout.BIN_STRIDE, b"old" * 20) for each in roles))
    assert Drawer(shelf).draw([*roles, snapshot(1)]) == MOST_BINS + 1
    assert deltas.Step(layout.SNAPSHOT, 0, 1).path in shelf.files


def test_a_delta_that_no_client_would_read_is_not_written(shelf: Shelf) -> None:
    noise = random.Random(1).randbytes(deltas.MAX_DELTA)
    shelf.publish(Unsigned("bin-0", layout.BIN_STRIDE, b"short" * 9))
    assert Drawer(shelf).draw([Unsigned("bin-0", 2 * layout.BIN_STRIDE, noise)]) == 0


def test_publishers_that_finish_at_once_draw_one_after_the_other(shelf: Shelf) -> None:
    """The lease is given back before deltas are drawn, and a compressor is for one thread."""
    drawer = Drawer(shelf)
    shelf.publish(*(snapshot(version) for version in range(1, 200)))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda version: drawer.draw([snapshot(version)]), range(2, 200))) == {1}
    for version in range(2, 200):
        assert follow(shelf, snapshot(1).body, deltas.snapshot_steps(1, version)) == snapshot(version).body


def public(world: World, path: str) -> bytes:
    return (world.public / path).read_bytes()


def newest(world: World, role: str) -> int:
    versions = (path.name.split(".") for path in (world.public / "metadata").glob(f"*.{role}.json"))
    return max(int(version) for version, *_ in versions)


def test_what_is_published_comes_with_its_deltas(world: World) -> None:
    """The whole path: a client that holds the first release follows the files of the depot to the last."""
    for number in range(5):
        world.do(publishing("foo", f"{number}.0"))
    for role in ("snapshot", *(path.name.split(".")[1] for path in (world.public / "metadata").glob("1*.bin-?.json"))):
        last = newest(world, role)
        held = 1 if role == "snapshot" else last % layout.BIN_STRIDE + layout.BIN_STRIDE
        steps = deltas.snapshot_steps(1, last) if role == "snapshot" else deltas.bin_steps(role, held, last)
        body = public(world, f"metadata/{held}.{role}.json")
        for step in steps:
            body = rebuild(public(world, step.path), body, deltas.MAX_FILE, inflate)
        assert body == public(world, f"metadata/{last}.{role}.json")
    world.stock("a stock client that knows nothing of deltas").refresh()


def test_deltas_go_with_the_file_that_they_lead_to_and_the_anchor_in_use_stays(world: World) -> None:
    for number in range(15):
        world.do(publishing("foo", f"{number}.0"))
    before = {path.name for path in (world.public / "deltas").iterdir()}
    for days in (8, 2):
        world.tick(days=days)
        world.service.round()
        collecting.collect(world.service.journal, world.service.depot, timedelta(days=7), world.now)
    there = {path.name for path in (world.public / "deltas").iterdir()}
    files = {path.name.removesuffix(".json") for path in (world.public / "metadata").iterdir()}
    assert {".".join(name.split(".")[1:3]) for name in there} <= files
    assert len(before - there) > 10
    assert "1.snapshot" in files and "2.snapshot" not in files
    last = newest(world, "snapshot")
    step = deltas.snapshot_steps(1, last)[-1]
    old = public(world, "metadata/1.snapshot.json")
    assert rebuild(public(world, step.path), old, deltas.MAX_FILE, inflate) == public(
        world, f"metadata/{last}.snapshot.json"
    )
