"""Two checkpoints of one log that it should never both have signed, in one text file that anybody can check.

The file is a head of lines, an empty line, one checkpoint's note, an empty line and the other's, each note with the
log's signatures alone::

    tallystick-log-contradiction-1
    log registry.example/log+1b2c3d4e+AQ…
    proof PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=

    registry.example/log
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — registry.example/log Az3grlgtzPICa5OS8npVmf…

    registry.example/log
    20852163
    …

A ``log`` line names a key that the log's signatures verify with (at least one); whoever checks compares it with the one
that they know, and believes nothing else of the file. ``proof`` lines, if any, are the consistency proof that was given
for the second checkpoint and did not lead to it. Two roots of one size prove that the log lied. Two sizes prove nothing
alone, for anybody can give a wrong proof: who suspects the log asks it for a right one.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from keys.tlog import notes
from keys.tlog.merkle import HASH_BYTES, NotProven
from keys.tlog.notes import BadNote, Note, VerifierKey

FIRST: Final = "tallystick-log-contradiction-1"
MAX_BYTES: Final = 2 * notes.MAX_NOTE + (1 << 14)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What was signed ``before`` and ``after``, as it was seen, with the keys that are said to be the log's."""

    keys: tuple[VerifierKey, ...]
    before: Note
    after: Note
    proof: tuple[bytes, ...] = ()

    @property
    def id(self) -> str:
        """The same two checkpoints have the same id, whatever proof was given."""
        return hashlib.sha256(f"{self.before.text}\n{self.after.text}".encode()).hexdigest()

    @property
    def is_fork(self) -> bool:
        """Whether it proves by itself, once it is checked, that the log signed two trees of one size."""
        before, after = (notes.read_checkpoint(note.text) for note in (self.before, self.after))
        return (before.origin, before.size) == (after.origin, after.size) and before.root != after.root

    def __str__(self) -> str:
        lines = [f"log {key}\n" for key in self.keys] + [f"proof {notes.encoded(hash_)}\n" for hash_ in self.proof]
        return f"{FIRST}\n{''.join(lines)}\n{self.before}\n{self.after}"


def read(data: bytes) -> Contradiction:
    """The inverse of ``str``, with nothing believed. Raises BadNote."""
    try:
        head, *parts = data.decode().split("\n\n")
    except UnicodeDecodeError:
        raise BadNote("a contradiction is UTF-8") from None
    first, *lines = head.split("\n")
    if len(data) > MAX_BYTES or first != FIRST or len(parts) != 4:
        raise BadNote("it is no contradiction: a head and two signed checkpoints")
    before, after = (notes.read_note(note.encode()) for note in ("\n\n".join(parts[:2]) + "\n", "\n\n".join(parts[2:])))
    for note in (before, after):
        notes.read_checkpoint(note.text)
    logs, proof = _said(lines)
    found = Contradiction(logs, before, after, proof)
    if str(found).encode() != data:
        raise BadNote("its log lines come before its proof lines")
    return found


def check(said: Contradiction, keys: Iterable[VerifierKey]) -> None:
    """NotProven unless a log of these keys signed both checkpoints, and there is no tree with both."""
    known = tuple(keys)
    for note in (said.before, said.after):
        try:
            signed = [key for key in known if notes.verified(note, key)]
        except BadNote as error:
            raise NotProven(str(error)) from None
        if notes.read_checkpoint(note.text).origin not in {key.name for key in signed}:
            raise NotProven("no key of this log signed both checkpoints")
    if not said.is_fork:
        raise NotProven("the two checkpoints are not two trees of one size: alone they prove nothing")


def _said(lines: list[str]) -> tuple[tuple[VerifierKey, ...], tuple[bytes, ...]]:
    logs = tuple(notes.read_key(line[4:]) for line in lines if line.startswith("log "))
    proof = tuple(notes.decoded(line[6:]) for line in lines if line.startswith("proof "))
    if not logs or len(logs) + len(proof) != len(lines) or any(len(hash_) != HASH_BYTES for hash_ in proof):
        raise BadNote("its head is made of log lines and proof lines")
    return logs, proof
