"""A log as the service grows it, in batches of any size, in a folder: what strangers are given to read."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from keys.tlog import notes
from keys.tlog.notes import Checkpoint, HeldNoteKey, HeldWitnessKey, NoteSigner
from keys.tlog.tiles import Tree
from repo_service.build.growth import LOG, Edge, LogFile, grown

ORIGIN: Final = "registry.example/log"
KEY: Final = HeldNoteKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
WITNESSES: Final = (
    HeldWitnessKey("witness.example/w1", Ed25519PrivateKey.from_private_bytes(b"\2" * 32)),
    HeldWitnessKey("witness.example/w2", MLDSA44PrivateKey.from_seed_bytes(b"\3" * 32)),
)


@dataclass(frozen=True)
class Ours:
    """A log of these leaves. No file of an older size goes."""

    path: Path
    leaves: Sequence[bytes]
    edge: Edge

    @property
    def head(self) -> Checkpoint:
        return Checkpoint(ORIGIN, self.edge.size, self.edge.root)

    @property
    def tree(self) -> Tree:
        return Tree(self.edge.size, self.edge.root, lambda path: (self.path / path).read_bytes())

    def sign(self, signers: Iterable[NoteSigner], at: int) -> str:
        """Write its checkpoint, signed and cosigned."""
        note = str(notes.signed(self.head, (KEY, *signers), at))
        (self.path / "checkpoint").write_text(note)
        return note

    def more(self, leaves: Sequence[bytes]) -> "Ours":
        """The log with these leaves added."""
        files = list[LogFile]()
        edge = grown(self.edge, leaves, files)
        for file in files:
            path = self.path / file.path.removeprefix(LOG)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.body)
        return Ours(self.path, [*self.leaves, *leaves], edge)


def empty(path: Path) -> Ours:
    return Ours(path, [], Edge())


def grow(path: Path, leaves: Sequence[bytes]) -> Ours:
    """A log of these leaves, which came in releases of one to some thousand."""
    rng, log, at = random.Random(len(leaves)), empty(path), 0
    while at < len(leaves):
        count = int(10 ** rng.uniform(0, 4))
        log, at = log.more(leaves[at : at + count]), at + count
    return log
