"""What a change costs, where it repeats exactly: files, statements and bytes. Seconds are docs/PERFORMANCE.md's."""

import gzip
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from sqlalchemy import event
from sqlalchemy.pool import Pool
from tuf.api.metadata import Metadata, TargetFile, Targets

from keys import layout
from keys.encoding import compact, sha256
from keys.state import Reason
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import bin_file, snapshot_file
from repo_service.domain import requests as r
from tests.world import BEGIN, OWNER, World, online_key, publishing

LATER = BEGIN + timedelta(days=30)
SYSTEM = r.Actor("system")


def written(world: World, request: r.Request) -> list[str]:
    """The kinds of the public files that one change adds, the log apart."""
    before = _files(world.public)
    world.do(request)
    added = (path.relative_to(world.public) for path in _files(world.public) - before)
    return sorted(_kind(path.name) for path in added if path.parts[0] != "log")


def logged(world: World, request: r.Request) -> list[str]:
    """What one change adds to the log's files."""
    before = _files(world.public / "log")
    world.do(request)
    return sorted(path.relative_to(world.public / "log").parts[0] for path in _files(world.public / "log") - before)


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _kind(name: str) -> str:
    kind = next(kind for kind in ("snapshot", "bin-", "simple") if kind in name)
    return f"delta {kind}" if name.endswith(".dcz") else kind


def test_a_yank_adds_a_page_its_bin_a_snapshot_and_deltas_of_the_two_whatever_else_there_is(tmp_path: Path) -> None:
    for count in (3, 30):
        world = World(tmp_path / str(count), bins=64)
        world.do(*(publishing(f"name-{number}", actor=SYSTEM) for number in range(count)))
        world.do(publishing("name-1", "2.0", actor=SYSTEM))
        added = written(world, r.Yank("name-1", "1.0", None, OWNER))
        assert added == ["bin-", "delta bin-", "delta snapshot", "simple", "snapshot"]


def test_a_publication_adds_a_page_two_bins_at_most_a_snapshot_and_their_deltas(tmp_path: Path) -> None:
    world = World(tmp_path, bins=64)
    world.do(publishing("django"))
    added = written(world, publishing("flask"))
    assert len(added) <= 7 and added.count("bin-") == added.count("delta bin-") <= 2


def test_a_yank_adds_a_tile_a_bundle_a_row_of_bins_a_proof_and_its_reason_to_the_log(tmp_path: Path) -> None:
    for count in (3, 30):
        world = World(tmp_path / str(count), bins=64)
        world.do(*(publishing(f"name-{number}", actor=SYSTEM) for number in range(count)))
        world.do(publishing("name-1", "2.0", actor=SYSTEM))
        added = logged(world, r.Yank("name-1", "1.0", Reason("broken", "does not start"), OWNER))
        assert added == ["bins", "proofs", "texts", "tile", "tile"]


def test_the_statements_of_a_release_do_not_grow_with_the_repository(tmp_path: Path) -> None:
    small, large = World(tmp_path / "small", bins=4), World(tmp_path / "large", bins=256)
    large.do(*(publishing(f"name-{number}", actor=SYSTEM) for number in range(60)))
    found = [_statements_of_a_publication(world) for world in (small, large)]
    assert found[0] == found[1]


def _statements_of_a_publication(world: World) -> int:
    world.do(publishing("first", actor=SYSTEM))  # reads what is read once: policies, flags, the targets file
    return _statements(lambda: world.do(publishing("measured", actor=SYSTEM)))


def _statements(work: Callable[[], None]) -> int:
    """What SQLite runs meanwhile, whoever asked it."""
    found: list[str] = []

    def listen(connection: Any, *which: object) -> None:
        del which
        connection.set_trace_callback(found.append)

    event.listen(Pool, "checkout", listen)
    try:
        work()
    finally:
        event.remove(Pool, "checkout", listen)
    return len(found)


@pytest.fixture(scope="module")
def listing() -> Listing:
    bins = layout.Bins(14)
    offline = {role: Meta(1, 700, "0" * 64) for role in (layout.TARGETS, layout.HELD, layout.BINS)}
    scattered = {bins.role(n): Meta(n + layout.BIN_STRIDE * (1 + n * 7919 % 40)) for n in range(len(bins))}
    return Listing.of(offline | scattered)


def test_a_snapshot_of_16384_bins_stays_under_what_clients_take(listing: Listing) -> None:
    body = snapshot_file(9, listing, LATER, online_key()).body
    assert len(body) <= 640_000
    assert len(gzip.compress(body)) <= 110_000


def test_a_bin_of_530_targets_is_signed_for_a_third_of_what_python_tuf_needs() -> None:
    paths = [f"packages/project-{number}/project_{number}-1.0-py3-none-any.whl" for number in range(530)]
    described = {path: {"hashes": {"sha256": sha256(path.encode())}, "length": 12345} for path in paths}
    entries = {path: compact(entry).decode() for path, entry in described.items()}
    key = online_key()
    signer = CryptoSigner(key._private, key.record)
    files = {path: TargetFile(12345, {"sha256": sha256(path.encode())}, path) for path in paths}
    targets = Metadata(Targets(1, expires=LATER, targets=files))

    def theirs() -> None:
        targets.sign(signer)
        targets.to_bytes()

    assert _least(theirs) > 3 * _least(lambda: bin_file("bin-0000", 100_000, entries, LATER, key))


def _least(work: Callable[[], object], times: int = 7) -> float:
    """Seconds of the processor, when nothing else got in the way."""
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)
