"""What a registry serves is held against its log: each file that is another one, not there or not signed is found."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ceremony.plan import Log
from keys import layout
from keys.encoding import read_plain
from keys.signing import parted, signed_file, wrapped
from keys.tlog import notes, proofs
from keys.tlog.notes import HeldWitnessKey
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import bin_file, snapshot_file, timestamp_file
from repo_service.domain import requests as r
from repo_service.monitor.auditing import EVERYTHING, Sample, audit
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.reading import Folder
from tests.world import OWNER, World, log_key, online_key, publishing, root_of_trust

Lie = Callable[[World], None]
STOLEN: Final = online_key()


def sign(payload: bytes) -> Any:
    """By the online key, in the thief's hands."""
    return (STOLEN.sign(payload),)


def sign_otherwise(payload: bytes) -> Any:
    """By a key that nobody named."""
    return (online_key(7).sign(payload),)


def newest(world: World, role: str) -> Path:
    """The newest file of a role."""
    files = (world.public / "metadata").glob(f"*.{role}.json")
    return max(files, key=lambda path: int(path.name.partition(".")[0]))


def timestamp(world: World) -> Path:
    return world.public / "metadata/timestamp.json"


def said(path: Path) -> dict[str, Any]:
    signed: dict[str, Any] = read_plain(parted(path.read_bytes())[1])
    return signed


def point(world: World, version: int, snapshot: Meta, by: Any = sign) -> None:
    expires = world.now + timedelta(days=3)
    timestamp(world).write_bytes(timestamp_file(version, snapshot, world.now, expires, by).body)


def pinned(world: World) -> Meta:
    meta = said(timestamp(world))["meta"]["snapshot.json"]
    return Meta(meta["version"], meta["length"], meta["hashes"]["sha256"])


def whole_view_for_one_victim(world: World) -> None:
    """Every secure release is gone: bin, snapshot and timestamp are signed, all of TUF holds, and no leaf says it."""
    before, expires = said(newest(world, "snapshot")), world.now + timedelta(days=7)
    file = newest(world, "bin-2")
    forged = bin_file("bin-2", said(file)["version"] + layout.BIN_STRIDE, {}, expires, sign)
    (world.public / forged.path).write_bytes(forged.body)
    metas = {
        name.removesuffix(".json"): Meta(meta["version"], meta.get("length"), meta.get("hashes", {}).get("sha256"))
        for name, meta in before["meta"].items()
    }
    listing = Listing.of(metas | {"bin-2": Meta(forged.version)})
    snapshot = snapshot_file(before["version"] + 1, listing, expires, sign)
    (world.public / snapshot.path).write_bytes(snapshot.body)
    point(world, said(timestamp(world))["version"] + 1, Meta.pinning(snapshot.version, snapshot.body))


def second_timestamp_of_one_version(world: World) -> None:
    world.now += timedelta(minutes=1)
    point(world, said(timestamp(world))["version"], pinned(world))


def timestamp_of_nobody(world: World) -> None:
    point(world, said(timestamp(world))["version"], pinned(world), sign_otherwise)


def timestamp_gone(world: World) -> None:
    timestamp(world).unlink()


def older_timestamp(world: World) -> None:
    kept = timestamp(world).read_bytes()
    world.do(publishing("new"))
    timestamp(world).write_bytes(kept)


def snapshot_exchanged(world: World) -> None:
    path = newest(world, "snapshot")
    path.write_bytes(signed_file({**said(path), "x": 1}, sign))


def snapshot_gone(world: World) -> None:
    newest(world, "snapshot").unlink()


def bin_with_another_content(world: World) -> None:
    path = newest(world, "bin-2")
    path.write_bytes(signed_file({**said(path), "targets": {}, "x": 1}, sign))


def bin_signed_by_nobody(world: World) -> None:
    path = newest(world, "bin-2")
    path.write_bytes(wrapped(body := parted(path.read_bytes())[1], sign_otherwise(body)))


def bin_gone(world: World) -> None:
    newest(world, "bin-2").unlink()


def page(world: World) -> Path:
    (found,) = (world.public / "targets/simple/foo").iterdir()
    return found


def page_exchanged(world: World) -> None:
    page(world).write_bytes(page(world).read_bytes() + b" ")


def page_gone(world: World) -> None:
    page(world).unlink()


def proof(world: World) -> Path:
    return world.public / "log" / proofs.proof_path(said(timestamp(world))["version"])


def proof_gone(world: World) -> None:
    proof(world).unlink()


def proof_of_another_release(world: World) -> None:
    proof(world).write_bytes((world.public / "log" / proofs.proof_path(1)).read_bytes())


def root_that_is_not_logged(world: World) -> None:
    files = root_of_trust(world.now, world.trust, online_number=2).files()
    (world.public / "metadata/2.root.json").write_bytes(files["2.root.json"])


def offline_file_gone(world: World) -> None:
    newest(world, "bins").unlink()


def nothing_is_signed_any_more(world: World) -> None:
    world.tick(hours=13)


def timestamp_expired(world: World) -> None:
    world.tick(days=4)


LIES: Final[dict[Lie, set[str]]] = {
    whole_view_for_one_victim: {"snapshot-unlogged"},
    second_timestamp_of_one_version: {"snapshot-unlogged"},
    timestamp_of_nobody: {"served-unsigned"},
    timestamp_gone: {"served-missing"},
    older_timestamp: {"timestamp-behind"},
    snapshot_exchanged: {"snapshot-unlogged"},
    snapshot_gone: {"served-missing"},
    bin_with_another_content: {"served-differs"},
    bin_signed_by_nobody: {"served-unsigned"},
    bin_gone: {"served-missing"},
    page_exchanged: {"served-differs"},
    page_gone: {"served-missing"},
    proof_gone: {"served-missing"},
    proof_of_another_release: {"served-differs"},
    root_that_is_not_logged: {"root-unlogged", "served-unsigned"},
    offline_file_gone: {"served-unsigned"},
    nothing_is_signed_any_more: {"checkpoint-stale"},
    timestamp_expired: {"checkpoint-stale", "timestamp-expired"},
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "world")
    made.do(publishing("foo"))
    made.tick(hours=1)
    made.do(r.Yank("foo", "1.0", r.Reason("broken"), OWNER))
    return made


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    kept = Book(tmp_path / "monitor")
    yield kept
    kept.close()


def found(world: World, book: Book, sample: Sample = EVERYTHING) -> list[Finding]:
    return [*audit(Folder(world.public), book, world.trust.roots[0].data, world.now, sample, Random(1))]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_each_lie_in_what_is_served_is_found_by_its_code_and_no_other(lie: Lie, world: World, book: Book) -> None:
    for old in sorted((world.public / "targets/simple/foo").iterdir(), key=lambda path: path.stat().st_size)[:-1]:
        old.unlink()  # superseded
    assert found(world, book) == []
    lie(world)
    assert {each.code for each in found(world, book)} == LIES[lie]


def test_what_changed_since_the_last_time_is_looked_at_also_in_the_smallest_sample(world: World, book: Book) -> None:
    assert found(world, book, Sample(0, 0)) == []
    world.do(publishing("foo", "2.0"))
    path = max((world.public / "targets/simple/foo").iterdir(), key=lambda path: path.stat().st_size)
    path.write_bytes(path.read_bytes() + b" ")
    assert [each.code for each in found(world, book, Sample(0, 0))] == ["served-differs"]
    assert found(world, book, Sample(0, 0)) == []
    assert [each.code for each in found(world, book, Sample(0, 1))] == ["served-differs"]


def test_what_is_found_is_kept_in_the_book(world: World, book: Book) -> None:
    bin_gone(world)
    (said,) = found(world, book)
    assert [each for _, each in book.findings()] == [said]


def test_a_head_that_too_few_witnesses_cosigned_is_found(tmp_path: Path, book: Book) -> None:
    witness = HeldWitnessKey("witness.test/w1", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    log = Log((str(log_key().key),), (str(witness.key),), 1)
    world = World(tmp_path / "world", log=log)
    assert [each.code for each in found(world, book)] == ["quorum-missed"]
    path = world.public / "log" / proofs.CHECKPOINT
    note = notes.read_note(path.read_bytes())
    cosigned = witness.sign(notes.read_checkpoint(note.text), int(world.now.timestamp()))
    path.write_text(str(replace(note, signatures=(*note.signatures, cosigned))))
    assert found(world, book) == []
