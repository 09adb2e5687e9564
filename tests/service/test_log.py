"""What a service writes into its log, and when it is public."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from keys.state import Reason
from keys.tlog import leaves, notes, proofs, tiles
from keys.tlog.leaves import EVENT
from keys.tlog.notes import Checkpoint
from repo_service import failpoint
from repo_service.domain import logged
from repo_service.domain import requests as r
from repo_service.publishing.recording import LogKeyMissing
from repo_service.storage.depot import version_of
from tests.world import OWNER, World, log_key, publishing

POLICY = proofs.Policy((log_key().key,))


def head(world: World) -> Checkpoint:
    return notes.read_checkpoint(notes.read_note((world.public / "log/checkpoint").read_bytes()).text)


def all_leaves(world: World) -> list[bytes]:
    at = head(world)
    tree = tiles.Tree(at.size, at.root, lambda path: (world.public / "log" / path).read_bytes())
    return [leaf for number in range(-(-at.size // tiles.WIDTH)) for leaf in tree.leaves(number)]


def proof(world: World, generation: int) -> proofs.Logged:
    return proofs.check(proofs.read((world.public / "log" / proofs.proof_path(generation)).read_bytes()), POLICY)


def test_a_release_is_its_events_its_bins_and_last_its_snapshot(world: World) -> None:
    before = head(world).size
    world.do(publishing("foo"), publishing("bar"), r.Yank("foo", "1.0", Reason("broken", "does not start")))
    added = all_leaves(world)[before:]
    assert [leaves.kind_of(leaf) for leaf in added] == [EVENT] * 5 + ["bins", "snapshot"]
    events = [logged.read(leaf) for leaf in added[:5]]
    assert [(each.seq, each.name, each.type) for each in events] == [
        (1, "foo", "project.created"), (2, "foo", "release.published"), (3, "bar", "project.created"),
        (4, "bar", "release.published"), (5, "foo", "release.yank_held"),
    ]  # fmt: skip
    assert [each.page is not None for each in events] == [False, False, False, True, True]
    assert b"does not start" not in b"".join(added)


def test_a_timestamp_alone_is_a_release_too_and_the_last_leaf_is_always_a_snapshot_s(world: World) -> None:
    for days in range(1, 4):
        before = head(world).size
        world.tick(days=1)
        release = world.service.round()
        assert release is not None
        assert leaves.read(leaves.Snapshot, all_leaves(world)[-1]).generation == release.generation
        assert proof(world, release.generation).index == head(world).size - 1 >= before, days


def test_the_log_is_public_before_anything_that_it_covers(world: World) -> None:
    """At every moment of a release: what the timestamp points to has its proof, in a tree that is there whole."""
    seen = []

    def look(point: str) -> None:
        timestamp = (world.public / "metadata/timestamp.json").read_bytes()
        found = proof(world, version_of(timestamp))
        assert found.leaf.version == int(timestamp.split(b'"snapshot.json":')[1].split(b'"version":')[1].split(b"}")[0])
        assert head(world).size >= found.head.checkpoint.size, point
        all_leaves(world)
        seen.append(point)

    failpoint.arm(look)
    try:
        world.do(publishing("foo"))
        world.do(r.Yank("foo", "1.0", None, OWNER))
    finally:
        failpoint.arm(None)
    assert {"publish.committed", "finish.added", "finish.log_pointed", "finish.pointed"} <= {*seen}


def test_a_release_with_more_files_than_a_leaf_holds_is_logged_with_its_files_beside(world: World) -> None:
    files = tuple(
        r.NewFile(f"foo-1.0-cp3{n}-cp3{n}-manylinux_2_17_x86_64.whl", hashlib.sha256(b"%d" % n).hexdigest(), 9)
        for n in range(300)
    )
    world.do(replace(publishing("foo", actor=r.Actor("system")), files=files))
    said = next(each for each in map(logged.read, all_leaves(world)[-4:-2]) if each.type == "release.published")

    def opened(digest: str) -> bytes:
        file = (world.public / "log" / logged.text_path(digest)).read_bytes()
        assert hashlib.sha256(file).hexdigest() == digest
        return file[logged.SALT_BYTES :]

    assert len(said.event(opened).change.files) == 300  # type: ignore[union-attr]
    with pytest.raises(FileNotFoundError):
        said.event(lambda digest: Path("nowhere", digest).read_bytes())


def test_a_service_that_lost_the_log_s_key_publishes_nothing(world: World) -> None:
    (world.service.folder / "log.key").unlink()
    world.reopen()
    world.record(publishing("foo"))
    before = sorted(world.public.rglob("*"))
    with pytest.raises(LogKeyMissing, match=r"log\.key is missing"):
        world.service.round()
    assert sorted(world.public.rglob("*")) == before
    world.hold_log_key(world.service.folder)
    world.reopen()
    assert world.service.round() is not None
