"""A transparency log on paper: the leaves of a paper repository's releases, and every file of a log, in its ``files``.

It shares the ground (keys/tlog) with the service's log and nothing else. Whoever holds its keys here can fork it, leave
witnesses out, or sign what never was.
"""

import hashlib
import json
from collections.abc import Sequence
from copy import copy
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tuf.api.metadata import Metadata, Timestamp

from keys import layout
from keys.encoding import sha256
from keys.tlog import leaves, merkle, notes, proofs, tiles
from keys.tlog.binsums import BinSums
from keys.tlog.notes import Checkpoint, HeldNoteKey, HeldWitnessKey
from keys.tlog.proofs import LOG_FIELD, Policy
from tests.paper import Body, Paper

ORIGIN: Final = "registry.test/log"


def private(seed: str) -> Ed25519PrivateKey:
    """A key of the log's kind: always the same for a seed."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())


LOG_KEY: Final = HeldNoteKey(ORIGIN, private("log"))
WITNESSES: Final = tuple(HeldWitnessKey(f"witness.test/w{number}", private(f"w{number}")) for number in (1, 2, 3))


class PaperLog:
    """A log whose root asks for ``quorum`` of three witnesses; ``away`` are those that do not answer now."""

    def __init__(self, quorum: int = 2, key: HeldNoteKey = LOG_KEY) -> None:
        self.policy = Policy((key.key,), tuple(each.key for each in WITNESSES), quorum)
        self.away: set[int] = set()
        self.leaves: list[bytes] = []
        self._key = key

    def forge(self, role: str, body: Body) -> None:
        """Let a root name this log."""
        if role == layout.ROOT:
            body[LOG_FIELD] = self.policy.described()

    def append(self, paper: Paper, now: datetime, **forged: object) -> None:
        """Log the newest release and publish that; ``forged`` are parts of its leaf that are not so."""
        sums = BinSums.of(paper.bins, {number: digest(paper, role) for number, role in enumerate(paper.bins.roles())})
        leaf = leaves.written(leaf_of(paper, sums, **forged))
        self.leaves.append(leaf)
        paper.files |= {f"log/{path}": row for path, row in sums.fresh(None)}
        self.publish(paper, now, leaf, sums.tops)

    def publish(self, paper: Paper, now: datetime, leaf: bytes, tops: Sequence[bytes]) -> None:
        """Tiles, checkpoint and the proof of the newest timestamp."""
        size = len(self.leaves)
        note = self.note(now)
        path = merkle.inclusion(self.nodes, size - 1, size)
        generation = _timestamp(paper).version
        proof = proofs.written(leaf, tops, size - 1, path) + str(note)
        paper.files |= {f"log/{where}": data for where, data in self.tiles()}
        paper.files[f"log/{proofs.proof_path(generation)}"] = proof.encode()
        paper.files["log/checkpoint"] = str(note).encode()

    def note(self, now: datetime) -> notes.Note:
        """The head as it is signed now, by the log and by the witnesses that are not away."""
        there = [each for number, each in enumerate(WITNESSES, 1) if number not in self.away]
        return notes.signed(self.checkpoint, [self._key, *there], int(now.timestamp()))

    @property
    def checkpoint(self) -> Checkpoint:
        size = len(self.leaves)
        return Checkpoint(self.policy.origin, size, merkle.root_at(self.nodes, size))

    def nodes(self, height: int, number: int) -> bytes:
        """The hash of a complete subtree."""
        return merkle.root_of([merkle.leaf_hash(leaf) for leaf in self.leaves[number << height : number + 1 << height]])

    def tiles(self) -> list[tuple[str, bytes]]:
        """Every tile at the edge of the tree, and every full one."""
        found = []
        for level, count in tiles.levels(len(self.leaves)):
            for number in range(-(-count // tiles.WIDTH)):
                width = tiles.width_of(level, number, len(self.leaves))
                hashes = [self.nodes(level * tiles.HEIGHT, number * tiles.WIDTH + at) for at in range(width)]
                found.append((tiles.tile_path(level, number, width), b"".join(hashes)))
        return found

    def fork(self, *instead: bytes) -> "PaperLog":
        """A log of the same keys that ends otherwise."""
        other = copy(self)
        other.leaves = [*self.leaves[: -len(instead) or None], *instead]
        other.away = set(self.away)
        return other


def digest(paper: Paper, role: str) -> bytes:
    """Of what is signed in a bin."""
    metadata: Metadata[Timestamp] = Metadata.from_bytes(paper.files[paper.newest(role)])
    return bytes.fromhex(sha256(metadata.signed_bytes))


def leaf_of(paper: Paper, sums: BinSums, **forged: object) -> leaves.Snapshot:
    """The leaf of the newest release, with what is ``forged`` in it."""
    data = paper.files[paper.newest(layout.SNAPSHOT)]
    snapshot, timestamp = Metadata.from_bytes(data), json.loads(paper.files["metadata/timestamp.json"])["signed"]
    said = {
        "generation": timestamp["version"], "version": snapshot.signed.version, "length": len(data),
        "sha256": sha256(data), "signed": sha256(snapshot.signed_bytes), "expires": timestamp["expires"],
        "signed_at": timestamp[layout.SIGNED_AT_FIELD], "timestamp_expires": timestamp["expires"],
        "bit_length": paper.bins.bit_length, "bins": sums.root.hex(), "layout": "full",
    }  # fmt: skip
    return leaves.Snapshot(**{**said, **forged})  # type: ignore[arg-type]  # a test's word


def _timestamp(paper: Paper) -> Timestamp:
    return Metadata[Timestamp].from_bytes(paper.files["metadata/timestamp.json"]).signed
