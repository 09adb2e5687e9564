"""The same log from elsewhere: of one size there must be one root, and the larger tree must begin with the smaller.

A vantage is an address or a folder: a witness's monitoring prefix (C2SP tlog-witness) or a mirror of the registry. What
it has is believed only as far as the log's own key signed it. Two trees of one log are kept, as the log signed them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from keys.encoding import compact_plain, read_plain
from keys.times import moment, stamp
from keys.tlog import notes, proofs
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote, Checkpoint
from keys.tlog.proofs import Policy, Witnessed
from keys.tlog.tiles import Tree
from repo_service.build.growth import LOG
from repo_service.monitor.alarms import finding
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.limits import Limits
from repo_service.monitor.reading import OutOfReach, Public, public_at

EVIDENCE: Final = "evidence"


@dataclass(frozen=True, slots=True)
class Vantage:
    """A place from which the log is looked at."""

    where: str
    public: Public

    @staticmethod
    def at(where: str) -> "Vantage":
        """A registry's address, or a folder of its public files."""
        return Vantage(where, public_at(where))


@dataclass(frozen=True, slots=True)
class Look:
    """What a vantage had: the checkpoint's note, if it has one that the log signed, or why not."""

    vantage: Vantage
    head: Witnessed | None
    why: str = ""


def look(vantage: Vantage, policy: Policy) -> Look:
    """Ask a vantage. To be done before the registry is asked, so that what it has is there too, if all is well."""
    try:
        for path in (f"{hashlib.sha256(policy.origin.encode()).hexdigest()}/checkpoint", f"{LOG}{proofs.CHECKPOINT}"):
            data = vantage.public.read(path, notes.MAX_NOTE)
            if data is not None:
                return Look(vantage, proofs.check_head(notes.read_note(data), policy))
        return Look(vantage, None, "it has no checkpoint of this log")
    except (OutOfReach, NotProven, BadNote) as error:
        return Look(vantage, None, str(error))


@dataclass(frozen=True, slots=True)
class Here:
    """What a vantage is compared with: the verified head that we have, and what it was verified by."""

    head: Witnessed
    policy: Policy
    public: Public
    folder: Path
    """The monitor's, where evidence goes."""


def compare(looked: Look, here: Here, book: Book, limits: Limits, now: datetime) -> Iterator[Finding]:
    """What a vantage has against what we have. A head that is newer than ours is remembered until ours is as new."""
    where, at = looked.vantage.where, stamp(now)
    if looked.head is None:
        yield finding("vantage-away", f"{where}: {looked.why}", at)
    ahead = _Ahead.read(book, where, here.policy)
    for theirs in (each for each in (looked.head, ahead and ahead.head) if each):
        agrees = agree(here.head.checkpoint, theirs.checkpoint, here.public, looked.vantage.public)
        if agrees is False:
            yield _split(where, here, theirs, at)
        elif agrees is None and theirs.checkpoint.size < here.head.checkpoint.size:
            yield finding("vantage-away", f"{where}: the registry's tiles do not say whether the trees agree", at)
    size = here.head.checkpoint.size
    if ahead and ahead.head.checkpoint.size <= size:
        ahead = None
    if ahead is None and looked.head and looked.head.checkpoint.size > size:
        ahead = _Ahead(looked.head, at)
    _Ahead.keep(book, where, ahead)
    if ahead and (moment(at) - moment(ahead.since)).total_seconds() > limits.held_back_s:
        sentence = f"{where} has had {ahead.head.checkpoint.size} leaves since {ahead.since}, and here are {size}"
        yield finding("held-back", sentence, at)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A head that a vantage had before us, and since when we know."""

    head: Witnessed
    since: str

    @staticmethod
    def read(book: Book, where: str, policy: Policy) -> "_Ahead | None":
        kept = book.value(f"ahead/{where}")
        if not kept:
            return None
        said = read_plain(kept)
        try:
            return _Ahead(proofs.check_head(notes.read_note(said["note"].encode()), policy), said["since"])
        except NotProven:  # of a key that the log had then
            return None

    @staticmethod
    def keep(book: Book, where: str, ahead: "_Ahead | None") -> None:
        said = compact_plain({"note": str(ahead.head.note), "since": ahead.since}) if ahead else b""
        if said != (book.value(f"ahead/{where}") or b""):
            book.keep(f"ahead/{where}", said)


def agree(here: Checkpoint, there: Checkpoint, here_public: Public, there_public: Public) -> bool | None:
    """Whether two trees of one log are one; None if the tiles that would tell are not there."""
    if here.size == there.size:
        return here.root == there.root
    if there.size < here.size:
        return _begins(here, there, here_public)
    return _begins(there, here, there_public)


def _begins(larger: Checkpoint, smaller: Checkpoint, public: Public) -> bool | None:
    """Whether the larger tree, whose tiles are read from there, begins with the smaller one."""

    def fetch(path: str) -> bytes:
        data = public.read(f"{LOG}{path}")
        if data is None:
            raise NotProven(f"{path} is not there")
        return data

    try:
        return Tree(larger.size, larger.root, fetch).root_at(smaller.size) == smaller.root
    except (NotProven, OutOfReach):
        return None


def _split(where: str, here: Here, theirs: Witnessed, at: str) -> Finding:
    keep(here.folder, str(here.head.note), str(theirs.note))
    there, ours = theirs.checkpoint, here.head.checkpoint
    sentence = (
        f"{where} has a tree of {there.size} leaves with the root {there.root.hex()[:16]}…, which does not go with the "
        f"{ours.size} leaves with the root {ours.root.hex()[:16]}… here; the log's key signed both"
    )
    return finding("split-view", sentence, at)


def keep(folder: Path, *found: str) -> None:
    """Write down what the log signed, each note once."""
    for note in found:
        checkpoint = notes.read_checkpoint(notes.read_note(note.encode()).text)
        file = folder / EVIDENCE / f"{checkpoint.size}-{checkpoint.root.hex()[:16]}.checkpoint"
        file.parent.mkdir(exist_ok=True)
        file.write_text(note, "utf-8")
