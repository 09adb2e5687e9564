"""What a release adds to the log: its leaves, the files they bring, a checkpoint and the proof of its snapshot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, groupby, islice
from typing import Protocol

from keys import layout, strict
from keys.encoding import sha256
from keys.times import stamp
from keys.tlog import leaves, merkle, notes, proofs, tiles
from keys.tlog.binsums import BinSums
from keys.tlog.notes import Checkpoint, NoteSigner
from repo_service.build.assemble import Release
from repo_service.build.growth import LOG, Edge, LogFile, LogFiles, grown
from repo_service.build.metadata import body_of, expiry_of
from repo_service.build.pages import Layout
from repo_service.domain import changes as c
from repo_service.domain.logged import PageSum, leaf_of, text_path


class LogKey(NoteSigner, Protocol):
    """A key that signs the log's checkpoints, and makes salts that repeat."""

    def secret(self, label: str) -> bytes:
        """Bytes that only this key can make, and the same ones for the same label."""


@dataclass(frozen=True, slots=True)
class Log:
    """The log as the newest release left it: the edge of its tree, and the digests of all bins (None: no bins yet)."""

    edge: Edge = field(default_factory=Edge)
    sums: BinSums | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """An event that a release signs, with its serial."""

    event: c.Event
    serial: int


@dataclass(frozen=True, slots=True)
class Entries:
    """What a release says in the log, in the order of its leaves; its snapshot's is added. ``pages`` are those that
    follow from the events, by name, each with the number of the last event that it shows. Where the log begins with
    this release, everything is new to it that there ever was.
    """

    sealed: Iterable[leaves.Sealed]
    taken_over: Iterable[leaves.TakenOver]
    events: Iterable[Said]
    pages: Mapping[str, tuple[int, PageSum]]
    documents: Iterable[leaves.Document]
    bins: Sequence[tuple[str, leaves.SignedBin]]


@dataclass(frozen=True, slots=True)
class Entered:
    """A release's part of the log: the log after it, its checkpoint and that as a signed note, the head of its proof
    (to which the note is added), the files that come and the paths that go; ``witnessed`` if there are
    witnesses to be asked.
    """

    log: Log
    checkpoint: Checkpoint
    note: str
    proof: str
    files: LogFiles
    gone: tuple[str, ...]
    witnessed: bool = False


def sealed_leaf(role: str, version: int, body: bytes) -> leaves.Sealed:
    """Of a file that key holders signed."""
    return strict.load(
        leaves.Sealed, {"role": role, "version": version, "length": len(body), "sha256": sha256(body), "kind": "sealed"}
    )


def enter(
    before: Log, entries: Entries, release: Release, snapshot: bytes, shape: layout.Bins, targets: Layout,
    now: datetime, keys: Sequence[LogKey], files: LogFiles,
) -> Entered:  # fmt: skip
    """Append what a release says to the log. Pure: nothing is true until it is committed. ``snapshot`` is the file that
    its timestamp points to.
    """
    sums = _sums(before, shape, entries.bins)
    texts = dict[str, bytes]()
    last = leaves.written(_snapshot(release, body_of(snapshot), sums, targets, now))
    edge = grown(before.edge, chain(_leaves(entries, shape, keys[0], texts), (last,)), files)
    for digest, body in texts.items():
        files.append(LogFile(LOG + text_path(digest), body))
    for path, row in sums.fresh(before.sums):
        files.append(LogFile(LOG + path, row))
    checkpoint = Checkpoint(keys[0].key.name, edge.size, edge.root)
    tree = written_tree(before.edge, edge, files)
    hashes = merkle.inclusion(tree.nodes, edge.size - 1, edge.size)
    return Entered(
        Log(edge, sums), checkpoint, str(notes.signed(checkpoint, keys)),
        proofs.written(last, sums.tops, edge.size - 1, hashes), files,
        (*({*before.edge.paths} - {*edge.paths}), *(LOG + gone for gone in sums.gone(before.sums))),
    )  # fmt: skip


def written_tree(before: Edge, after: Edge, files: LogFiles) -> tiles.Tree:
    """The tree that these files make of the edge before, read back as a stranger would."""
    known = dict(before.files) | {file.path: file.body for file in files if file.path.startswith(f"{LOG}tile/")}
    return tiles.Tree(after.size, after.root, lambda path: known[LOG + path])


def _sums(before: Log, shape: layout.Bins, bins: Sequence[tuple[str, leaves.SignedBin]]) -> BinSums:
    digests = {signed.number: bytes.fromhex(signed.sha256) for _, signed in bins}
    if before.sums is None or before.sums.shape != shape:
        return BinSums.of(shape, digests)
    return before.sums.amended(digests)


def _snapshot(release: Release, body: bytes, sums: BinSums, targets: Layout, now: datetime) -> leaves.Snapshot:
    snapshot = release.snapshot
    assert snapshot.length is not None and snapshot.sha256 is not None, "a timestamp pins its snapshot"
    return leaves.Snapshot(
        release.generation, snapshot.version, snapshot.length, snapshot.sha256, sha256(body), expiry_of(body),
        stamp(now), stamp(release.timestamp.expires), sums.shape.bit_length, sums.root.hex(), targets,
    )  # fmt: skip


def _leaves(entries: Entries, shape: layout.Bins, key: LogKey, texts: dict[str, bytes]) -> Iterator[bytes]:
    yield from map(leaves.written, entries.sealed)
    yield from map(leaves.written, entries.taken_over)
    for said in entries.events:
        last, page = entries.pages.get(said.event.name, (0, None))
        leaf, files = leaf_of(said.event, said.serial, page if last == said.event.seq else None, key.secret)
        texts |= {sha256(body): body for body in files}
        yield leaf
    yield from map(leaves.written, entries.documents)
    for expires, group in groupby(entries.bins, key=lambda each: each[0]):
        rest = (signed for _, signed in group)
        while some := tuple(islice(rest, leaves.MOST_BINS)):
            yield leaves.written(leaves.SignedBins(shape.bit_length, expires, some))
