"""Every target in its bin, as the lines that a bin is joined from: on the disk, and those in use in memory.

A target lies at the place that the first bits of its path's hash give it, in the largest number of bins there can be;
a bin of fewer is a run of places. So another number of bins moves nothing.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from keys.layout import MAX_BIT_LENGTH, Bins
from keys.tlog import merkle
from repo_service.build.metadata import joined_bin, target_line
from repo_service.monitor.book import Book

MOST_BYTES: Final = 96 << 20
"""Of all bins that are kept in memory, about."""
_BESIDE: Final = 64
"""Bytes that a line takes beside its text."""
_FINEST: Final = Bins(MAX_BIT_LENGTH)


def bin_at(place: int, shape: Bins) -> int:
    """The bin in which a place is."""
    return place >> MAX_BIT_LENGTH - shape.bit_length


class Shelves:
    """The content of all bins of a book, for one number of bins."""

    def __init__(self, book: Book, shape: Bins, most: int = MOST_BYTES) -> None:
        self.shape = shape
        self._db = book.db
        self._most = most
        self._bytes = 0
        self._kept: OrderedDict[int, _Shelf] = OrderedDict()
        self._unwritten: dict[str, tuple[int, str | None]] = {}

    def put(self, path: str, entry: str) -> int:
        """A target comes, or changes; the bin that it is in."""
        place = _FINEST.number(path)
        self._unwritten[path] = place, entry
        if shelf := self._kept.get(number := bin_at(place, self.shape)):
            self._bytes += shelf.put(path, target_line(path, entry))
        return number

    def drop(self, path: str) -> int:
        """A target goes; the bin that it was in."""
        place = _FINEST.number(path)
        self._unwritten[path] = place, None
        if shelf := self._kept.get(number := bin_at(place, self.shape)):
            self._bytes -= shelf.drop(path)
        return number

    def payload(self, number: int, version: int, expires: datetime) -> bytes:
        """What is signed in a bin."""
        return joined_bin(self.shape.role(number), version, self._shelf(number).lines, expires).payload

    def write(self) -> None:
        """Before the transaction ends."""
        changed = [(place, path, entry) for path, (place, entry) in self._unwritten.items()]
        there, gone = ([each for each in changed if (each[2] is None) == is_gone] for is_gone in (False, True))
        self._db.executemany("INSERT OR REPLACE INTO target VALUES (?, ?, ?)", there)
        self._db.executemany("DELETE FROM target WHERE place = ? AND path = ?", (each[:2] for each in gone))
        self._unwritten = {}

    def _shelf(self, number: int) -> "_Shelf":
        shelf = self._kept.get(number)
        if shelf is None:
            shelf = self._kept[number] = self._read(number)
            self._bytes += shelf.size
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].size
        self._kept.move_to_end(number)
        return shelf

    def _read(self, number: int) -> "_Shelf":
        self.write()
        deeper = MAX_BIT_LENGTH - self.shape.bit_length
        places = (number << deeper, (number + 1 << deeper) - 1)
        rows = self._db.execute("SELECT path, entry FROM target WHERE place BETWEEN ? AND ?", places).fetchall()
        return _Shelf([target_line(path, entry) for path, entry in sorted(rows)])


class _Shelf:
    """One bin's lines, in the order of their paths."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.size = sum(map(_size, lines))

    def put(self, path: str, line: str) -> int:
        """By how much the size grows."""
        at, there = self._find(path)
        before = _size(self.lines[at]) if there else 0
        self.lines[at : at + there] = [line]
        self.size += (grown := _size(line) - before)
        return grown

    def drop(self, path: str) -> int:
        """By how much the size shrinks."""
        at, there = self._find(path)
        gone = sum(map(_size, self.lines[at : at + there]))
        del self.lines[at : at + there]
        self.size -= gone
        return gone

    def _find(self, path: str) -> tuple[int, bool]:
        at = bisect_left(self.lines, path, key=_path)
        return at, at < len(self.lines) and _path(self.lines[at]) == path


class Sums:
    """The digests of all bins, and the root over them (keys/tlog/binsums.py): of one bin that changes only its path to
    the root is made again.
    """

    def __init__(self, shape: Bins, digests: Mapping[int, bytes]) -> None:
        blank = bytes(merkle.HASH_BYTES)
        self._levels = [[merkle.leaf_hash(digests.get(number, blank)) for number in range(len(shape))]]
        while len(below := self._levels[-1]) > 1:
            pairs = range(0, len(below), 2)
            self._levels.append([merkle.node_hash(below[at], below[at + 1]) for at in pairs])

    @property
    def root(self) -> bytes:
        """The root of the tree over all bins, as a snapshot's leaf says it."""
        return self._levels[-1][0]

    def put(self, number: int, digest: bytes) -> None:
        """What is signed in a bin has this digest from here on."""
        self._levels[0][number] = merkle.leaf_hash(digest)
        for below, above in zip(self._levels, self._levels[1:], strict=False):
            number >>= 1
            above[number] = merkle.node_hash(below[2 * number], below[2 * number + 1])


def _path(line: str) -> str:
    return line[1 : line.index('"', 1)]


def _size(line: str) -> int:
    return len(line) + _BESIDE
