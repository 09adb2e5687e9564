"""Whether a checkpoint is cosigned: what is asked, what was cosigned before, and the answer. Pure.

The statuses are those of C2SP tlog-witness, "add-checkpoint", in the order in which it demands them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from keys.tlog import merkle, notes
from keys.tlog.contradictions import Contradiction
from keys.tlog.merkle import EMPTY, HASH_BYTES, MAX_PROOF, NotProven
from keys.tlog.notes import BadNote, Checkpoint, Note, NoteSigner, VerifierKey, WrongEmptyRoot

MAX_BODY: Final = notes.MAX_NOTE + (1 << 12)
"""Bytes of a question: a note, 63 hashes and a line."""
ASTRAY_S: Final = 60
"""How far the clock may be behind the last cosignature's time; within it that time is said again."""
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Question:
    """That ``note`` be cosigned, with the proof that it goes on from the tree of ``old`` leaves."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    @property
    def origin(self) -> str:
        """The log that it says it is of: the note's first line, which nothing proves yet."""
        return self.note.text.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest checkpoint that was cosigned, when, and its note: signed by the log, cosigned by us."""

    checkpoint: Checkpoint
    at: int
    note: Note


@dataclass(frozen=True, slots=True)
class Log:
    """A log that the witness knows. It has two keys while one takes the other's place; what ``retired`` ones sign is no
    longer cosigned, and what they signed may be evidence.
    """

    keys: tuple[VerifierKey, ...]
    retired: tuple[VerifierKey, ...] = ()
    head: Head | None = None

    @property
    def origin(self) -> str:
        """Which log it is: its keys all bear this name."""
        return self.keys[0].name

    @property
    def cosigned(self) -> Checkpoint:
        """What was cosigned last; of the empty tree nothing need be."""
        return self.head.checkpoint if self.head else Checkpoint(self.origin, 0, EMPTY)


class Refused(Exception):
    """The checkpoint is not cosigned: the status, and for a person why. What contradicts it goes beside."""

    def __init__(self, status: int, why: str, evidence: Contradiction | None = None) -> None:
        super().__init__(why)
        self.status, self.evidence = status, evidence


class OtherSize(Refused):
    """The proof is not from the size that was cosigned last."""

    def __init__(self, size: int, evidence: Contradiction | None) -> None:
        super().__init__(409, f"{size} leaves were cosigned last", evidence)
        self.size = size


def read(body: bytes) -> Question:
    """What is asked. Refused with 400."""
    try:
        head, blank, note = body.partition(b"\n\n")
        old, *proof = head.decode("ascii").split("\n")
        found = _OLD.fullmatch(old)
        if not blank or not found or len(proof) > MAX_PROOF:
            raise BadNote("a question is an old size, at most 63 hashes, an empty line and a checkpoint")
        return Question(int(found[1]), tuple(map(_hash, proof)), notes.read_note(note))
    except (BadNote, UnicodeDecodeError) as error:
        raise Refused(400, str(error)) from None


def decide(log: Log | None, asked: Question, signers: Sequence[NoteSigner], now: int) -> Head:
    """The new head of the log, cosigned with every one of our keys. Raises Refused."""
    if log is None:
        raise Refused(404, "this log is not known here")
    by_log = _signed_by(log, asked.note)
    head, before = _checkpoint(asked.note), log.cosigned
    if asked.old > head.size:
        raise Refused(400, f"the old size is {asked.old}, and the checkpoint has {head.size} leaves")
    contradicted = _contradiction(log, by_log, asked)
    if asked.old != before.size:
        raise OtherSize(before.size, contradicted if contradicted and contradicted.is_fork else None)
    try:
        merkle.check_consistency(before.size, head.size, asked.proof, before.root, head.root)
    except NotProven as error:
        raise Refused(422, str(error), contradicted) from None
    at = _time(log, now)
    return Head(head, at, replace(by_log, signatures=by_log.signatures + notes.signed(head, signers, at).signatures))


def _signed_by(log: Log, note: Note) -> Note:
    """The note with the log's own signatures alone: anybody may have added lines to it."""
    try:
        found = [signature for key in log.keys if (signature := notes.verified(note, key))]
    except BadNote as error:
        raise Refused(403, str(error)) from None
    if not found:
        raise Refused(403, f"no key of {log.origin} that is known here signed it")
    return replace(note, signatures=tuple(found))


def _checkpoint(note: Note) -> Checkpoint:
    try:
        return notes.read_checkpoint(note.text)
    except WrongEmptyRoot as error:
        raise Refused(422, str(error)) from None
    except BadNote as error:
        raise Refused(400, str(error)) from None


def _contradiction(log: Log, note: Note, asked: Question) -> Contradiction | None:
    """The checkpoint beside the one that was cosigned before it, should they not fit together."""
    if log.head is None:
        return None
    signed = tuple(each for each in log.head.note.signatures if each.name == log.origin)
    return Contradiction((*log.keys, *log.retired), replace(log.head.note, signatures=signed), note, asked.proof)


def _time(log: Log, now: int) -> int:
    """A later head is cosigned no earlier: a cosignature says that nothing larger was seen until then."""
    last = log.head.at if log.head else 0
    if now < last - ASTRAY_S:
        raise Refused(503, f"the clock here went back: the last cosignature is of {last}, and now it is {now}")
    return max(now, last)


def _hash(text: str) -> bytes:
    if len(data := notes.decoded(text)) != HASH_BYTES:
        raise BadNote("a hash is 32 bytes")
    return data
