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

MOST: Final = 8192
"""Names in memory."""


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
        self._changed: set[str] = set()

    def get(self, name: str) -> Known | None:
        if name not in self._kept:
            self._kept[name] = self._read(name)
            self._make_room()
        self._kept.move_to_end(name)
        return self._kept[name]

    def put(self, name: str, known: Known) -> None:
        self._kept[name] = known
        self._kept.move_to_end(name)
        self._changed.add(name)
        self._make_room()

    def write(self) -> None:
        """Before the transaction ends."""
        self._write(self._changed)
        self._changed = set()

    def _make_room(self) -> None:
        if len(self._kept) > self._most:
            name = next(iter(self._kept))
            self._write({name} & self._changed)
            self._changed.discard(name)
            del self._kept[name]

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


def _row(known: Known) -> tuple[object, ...]:
    its = known.page
    return page.encode(known.state), known.layout, its.length, its.sha256, known.is_whole, known.generation
