"""Who watches while the log is followed: a release is judged when it is whole."""

from collections.abc import Iterable
from typing import Final

from tuf.api.metadata import Metadata, Root

from keys import strict
from keys.encoding import compact_plain, read_plain
from repo_service.monitor import alarms
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.limits import Limits
from repo_service.monitor.seen import SealedFile, Seen
from repo_service.monitor.tallies import Memory
from repo_service.monitor.whole import Gathering, Rooted, Whole

_MEMORY: Final = "alarms"
_ROOT: Final = "alarms/root"


class Alarms:
    """A watch (``seen.Watch``) over what the rules know. Its memory goes into the book with each release, so it is
    made anew wherever following begins anew.
    """

    def __init__(self, book: Book, limits: Limits) -> None:
        self._book = book
        self._limits = limits
        self._gathering = Gathering()
        kept = book.value(_MEMORY)
        self._memory = strict.load(Memory, read_plain(kept)) if kept else Memory()

    def __call__(self, seen: Seen) -> Iterable[Finding]:
        """The alarms of a release, once it is whole; nothing before."""
        whole = self._gathering.add(seen)
        return self._judged(whole) if whole else ()

    def _judged(self, whole: Whole) -> list[Finding]:
        found, after = alarms.of_release(self._with_roots(whole), self._memory, self._limits)
        if after != self._memory:
            self._book.keep(_MEMORY, compact_plain(strict.dump(after)))
            self._memory = after
        return found

    def _with_roots(self, whole: Whole) -> Whole:
        """With each root compared to the one before it. Who replays has verified them."""
        others = [self._rooted(each) if isinstance(each, SealedFile) else each for each in whole.others]
        return Whole(whole.released, whole.touched, tuple(others))

    def _rooted(self, seen: SealedFile) -> Rooted | SealedFile:
        if seen.leaf.role != "root" or seen.data is None:
            return seen
        known = self._book.value(_ROOT)
        self._book.keep(_ROOT, seen.data)
        return Rooted(seen.index, _root(known) if known else None, _root(seen.data))


def _root(data: bytes) -> Root:
    signed = Metadata[Root].from_bytes(data).signed
    assert isinstance(signed, Root), "a sealed root is a root"
    return signed
