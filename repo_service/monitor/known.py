"""What a monitor knows of each name: on the disk, and the names in use in memory."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from keys import page, strict
from keys.encoding import read_plain
from keys.state import NameState
from repo_service.build.pages import Layout
from repo_service.domain.logged import PageSum
from repo_service.monitor.book import Book

MOST: Final = 8_192
"""Releases and acts of all names that are kept in memory: some kilobytes each, with what is made of them."""


@dataclass(frozen=True, slots=True)
class Known:
    """A name's state after its last release, its page as the log says it, and the layout by which it was rendered.
    ``is_whole`` unless a text of it was taken back, and its page cannot be made again. ``generation`` is the release.
    """

    state: NameState
    layout: Layout
    page: PageSum
    generation: int
    is_whole: bool = True


class Names:
    """All names of a book. What changes is written when it leaves the memory, or with ``write``."""

    def __init__(self, book: Book, most: int = MOST) -> None:
        self._db = book.db
        self._most = most
        self._kept: OrderedDict[str, Known | None] = OrderedDict()
        self._weight = 0
        self._changed: set[str] = set()

    def get(self, name: str) -> Known | None:
        """What is known of a name; None if it was never seen."""
        if name not in self._kept:
            self._keep(name, self._read(name))
        self._kept.move_to_end(name)
        return self._kept[name]

    def put(self, name: str, known: Known) -> None:
        """Know this of a name from here on."""
        self._changed.add(name)
        self._keep(name, known)

    def write(self) -> None:
        """Before the transaction ends."""
        self._write(self._changed)
        self._changed = set()

    def _keep(self, name: str, known: Known | None) -> None:
        self._weight += _weight(known) - (_weight(self._kept[name]) if name in self._kept else 0)
        self._kept[name] = known
        self._kept.move_to_end(name)
        while self._weight > self._most and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._write({oldest} & self._changed)
            self._changed.discard(oldest)
            self._weight -= _weight(self._kept.pop(oldest))

    def _write(self, names: set[str]) -> None:
        found = ((name, known) for name in names if (known := self._kept[name]) is not None)
        self._db.executemany(
            "INSERT OR REPLACE INTO name VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((name, *_row(known)) for name, known in found),
        )

    def _read(self, name: str) -> Known | None:
        query = "SELECT state, layout, length, sha256, is_whole, generation FROM name WHERE name = ?"
        if (row := self._db.execute(query, (name,)).fetchone()) is None:
            return None
        said, layout, length, sha256, is_whole, generation = row
        state = strict.load(NameState, read_plain(said))
        return Known(state, layout, PageSum(length, sha256), generation, bool(is_whole))


def _weight(known: Known | None) -> int:
    return 1 + (len(known.state.releases) + len(known.state.history) if known else 0)


def _row(known: Known) -> tuple[object, ...]:
    its = known.page
    return page.encode(known.state), known.layout, its.length, its.sha256, known.is_whole, known.generation
