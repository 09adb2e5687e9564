"""The log's head, step by step: signed by the log, consistent with the last one, every leaf where the tree has it.

What is believed is one root file. The chain of roots from it says whose log it is (``x-log``); a head that the log's
key signed, and that goes on from the head before, says which leaves there are; a release of them is replayed at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keys.times import stamp
from keys.tlog import leaves, merkle, notes, proofs, tiles
from keys.tlog.leaves import BadLeaf
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote
from repo_service.build.growth import LOG
from repo_service.monitor import codes
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.reading import Public
from repo_service.monitor.replay import Replay
from repo_service.monitor.seen import Watch
from repo_service.monitor.trusting import roots

TOGETHER: Final = 4096
"""Leaves of one transaction, about: it ends with a release."""
MOST: Final = 1 << 22
"""Leaves of one release: an import of a whole registry has fewer."""
MAX_BUNDLE: Final = tiles.WIDTH * (tiles.MAX_LEAF + 2)
"""Bytes of a bundle of leaves."""
Release = tuple[int, list[bytes] | None]
"""The index of its first leaf, and its leaves; None where the log ends before the snapshot's."""
_SPAN: Final = 1 << 18
"""Leaves after which a tree is begun anew, so that its checked tiles do not gather in memory."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last head that was verified, as its note, and how many of its leaves were taken in."""

    size: int
    root: bytes
    done: int = 0


NOTHING: Final = Head(0, merkle.EMPTY)


def follow(public: Public, book: Book, pin: bytes, now: datetime, watches: Sequence[Watch] = ()) -> Iterator[Finding]:
    """Take in what the log has grown by since the last time, and give what is found, each kept in the book before.
    ``pin`` is the root file that is believed. Raises OutOfReach and NotTrusted.
    """
    at, before = stamp(now), head_of(book)
    try:
        after = _head(public, pin)
        problems = [*_inconsistent(public, before, after, at)]
    except NotProven as error:
        problems, after = [codes.found("log-broken", str(error), at)], before
    with book.transaction():
        book.say(problems)
        if not problems:
            _keep(book, Head(after.size, after.root, before.done))
    yield from problems
    if not problems:
        yield from _taken_in(public, book, at, watches)


def head_of(book: Book) -> Head:
    """The head that a book holds."""
    root = book.value("root")
    return Head(book.number("size", 0), root, book.number("done", 0)) if root is not None else NOTHING


def _keep(book: Book, head: Head) -> None:
    book.keep("size", str(head.size).encode())
    book.keep("root", head.root)
    book.keep("done", str(head.done).encode())


def _head(public: Public, pin: bytes) -> Head:
    """The head that is served, which the log's key signed. Raises NotProven."""
    policy = roots(public, pin).policy
    data = public.read(LOG + proofs.CHECKPOINT, notes.MAX_NOTE)
    if data is None:
        raise NotProven("the root names a log, and there is no checkpoint")
    try:
        checkpoint = proofs.check_head(notes.read_note(data), policy).checkpoint
    except BadNote as error:
        raise NotProven(f"the checkpoint: {error}") from None
    return Head(checkpoint.size, checkpoint.root)


def _inconsistent(public: Public, before: Head, after: Head, at: str) -> Iterator[Finding]:
    """Why a head does not go on from the one before. Where it is smaller, the files of the larger tree may not be there
    to compare with: a mirror that is behind looks like that.
    """
    behind = codes.found("log-behind", f"a head of {after.size} leaves is served; {before.size} were seen", at)
    small, large = (before, after) if before.size <= after.size else (after, before)
    try:
        same = tree_of(public, large).root_at(small.size) == small.root
    except NotProven as error:
        yield behind if after.size < before.size else codes.found("log-broken", str(error), at)
        return
    if not same:
        sentence = (
            f"the log of {after.size} leaves, root {after.root.hex():.16}…, does not go on from the one of "
            f"{before.size}, root {before.root.hex():.16}…: keep both heads, they prove it"
        )
        yield codes.found("log-forked", sentence, at)
    elif after.size < before.size:
        yield behind


def tree_of(public: Public, head: Head) -> tiles.Tree:
    """The log's tree at a head; nothing of it is used before it is checked."""

    def fetched(path: str) -> bytes:
        if (data := public.read(LOG + path, (MAX_BUNDLE if "entries" in path else tiles.WIDTH * 32))) is None:
            raise NotProven(f"{path} is not there")
        return data

    return tiles.Tree(head.size, head.root, fetched)


def _taken_in(public: Public, book: Book, at: str, watches: Sequence[Watch]) -> Iterator[Finding]:
    """Every release that the book has not, one after the other, some in one transaction."""
    replay = Replay(book, public, watches)
    coming = _releases(public, head_of(book))
    ended = False
    while not ended:
        found: list[Finding] = []
        with book.transaction():
            try:
                ended = _some(book, replay, coming, found)
            except NotProven as error:
                found.append(codes.found("log-broken", str(error), at))
                ended = True
            replay.write()
            book.say(found)
        yield from found


def _some(book: Book, replay: Replay, coming: Iterator[Release], found: list[Finding]) -> bool:
    """As many releases as go into one transaction; whether there are no more."""
    begun = book.number("done", 0)
    for first, raw in coming:
        if raw is None:
            sentence = f"the log's last {head_of(book).size - first} leaves are of no release: no snapshot follows"
            found.append(codes.found("log-open", sentence, replay.last.signed_at if replay.last else ""))
            return True
        found += replay.release(first, raw)
        book.keep("done", str(first + len(raw)).encode())
        if first + len(raw) - begun >= TOGETHER:
            return False
    return True


def _releases(public: Public, head: Head) -> Iterator[Release]:
    """Releases as they stand in the log. Raises NotProven."""
    first, raw = head.done, list[bytes]()
    for leaf in _leaves(public, head):
        raw.append(leaf)
        if _ends_a_release(leaf):
            yield first, raw
            first, raw = first + len(raw), []
        elif len(raw) > MOST:
            raise NotProven(f"from leaf {first} on, {MOST} leaves have no snapshot behind them")
    if raw:
        yield first, None


def _ends_a_release(leaf: bytes) -> bool:
    if b'"kind":"snapshot"' not in leaf:
        return False
    try:
        leaves.read(leaves.Snapshot, leaf)
    except BadLeaf:
        return False
    return True


def _leaves(public: Public, head: Head) -> Iterator[bytes]:
    """The leaves that were not taken in yet."""
    for start in range(head.done - head.done % _SPAN, head.size, _SPAN):
        tree = tree_of(public, head)
        for number in range(max(start, head.done) // tiles.WIDTH, -(-min(start + _SPAN, head.size) // tiles.WIDTH)):
            skipped = max(0, head.done - number * tiles.WIDTH)
            yield from tree.leaves(number)[skipped:]
