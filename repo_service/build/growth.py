"""The log's tree, grown at its right edge (C2SP tlog-tiles): leaves in, the files that come and those that go out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from keys.kept import kept
from keys.tlog import merkle, tiles
from keys.tlog.merkle import HASH_BYTES
from keys.tlog.tiles import HEIGHT, WIDTH

LOG: Final = "log/"
"""Where the log lies below the repository's address."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of the log that never changes, by its path in the depot."""

    path: str
    body: bytes


class LogFiles(Protocol):
    """A list of files, wherever their bytes lie."""

    def append(self, file: LogFile, /) -> None:
        """Put one more at the end."""

    def __iter__(self) -> Iterator[LogFile]: ...


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Edge:
    """The partial tiles of a tree of ``size`` leaves by their levels (empty where a level ends in a full one), and the
    leaves below the lowest. It is all that the next leaves need.
    """

    size: int = 0
    tails: tuple[bytes, ...] = ()
    leaves: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The hash of the tree (RFC 9162, section 2.1)."""
        return _root(self)

    @property
    def files(self) -> Iterator[tuple[str, bytes]]:
        """Its partial tiles and their leaves, as they lie in the depot until larger ones are there."""
        for (level, count), tail in zip(tiles.levels(self.size), self.tails, strict=True):
            if tail:
                yield LOG + tiles.tile_path(level, count // WIDTH, count % WIDTH), tail
        if self.leaves:
            yield LOG + tiles.bundle_path(self.size // WIDTH, len(self.leaves)), tiles.bundle(self.leaves)

    @property
    def paths(self) -> list[str]:
        """Where the files lie that an edge of this size is read from; see ``of``."""
        return edge_paths(self.size)

    @staticmethod
    def of(size: int, files: Mapping[str, bytes]) -> "Edge":
        """The edge of so many leaves, in the files at its ``paths``."""
        tails, leaves = [], list[bytes]()
        for level, count in tiles.levels(size):
            number, width = divmod(count, WIDTH)
            tails.append(files[LOG + tiles.tile_path(level, number, width)] if width else b"")
            if level == 0 and width:
                leaves = tiles.unbundled(files[LOG + tiles.bundle_path(number, width)], width)
        return Edge(size, tuple(tails), tuple(leaves))


@kept
def _root(edge: Edge) -> bytes:
    return merkle.folded([peak for tail in reversed(edge.tails) for peak in tiles.peaks(tiles.subtrees(tail))])


def edge_paths(size: int) -> list[str]:
    """Where the partial tiles of a tree of ``size`` leaves lie in the depot, and the leaves below the lowest."""
    partial = [(level, *divmod(count, WIDTH)) for level, count in tiles.levels(size) if count % WIDTH]
    bundle = [LOG + tiles.bundle_path(number, width) for level, number, width in partial if level == 0]
    return [*(LOG + tiles.tile_path(*each) for each in partial), *bundle]


def grown(edge: Edge, leaves: Iterable[bytes], files: LogFiles) -> Edge:
    """The edge after these leaves; what comes with them is appended to ``files``."""
    growing = _Growing(edge, files)
    for leaf in leaves:
        growing.add(leaf)
    return growing.ended()


class _Growing:
    def __init__(self, edge: Edge, files: LogFiles) -> None:
        self._before = edge
        self._files = files
        self._size = edge.size
        self._tails = [bytearray(tail) for tail in edge.tails]
        self._leaves = list(edge.leaves)

    def add(self, leaf: bytes) -> None:
        assert len(leaf) <= tiles.MAX_LEAF, "a leaf is too long"
        self._size += 1
        self._leaves.append(leaf)
        if len(self._leaves) == WIDTH:
            self._keep(tiles.bundle_path(self._size // WIDTH - 1), tiles.bundle(self._leaves))
            self._leaves.clear()
        self._push(0, merkle.leaf_hash(leaf))

    def _push(self, level: int, hash_: bytes) -> None:
        if level == len(self._tails):
            self._tails.append(bytearray())
        tail = self._tails[level]
        tail += hash_
        if len(tail) == WIDTH * HASH_BYTES:
            self._keep(tiles.tile_path(level, (self._size >> HEIGHT * (level + 1)) - 1), bytes(tail))
            self._push(level + 1, merkle.root_of(tiles.hashes(tail)))
            tail.clear()

    def ended(self) -> Edge:
        edge, known = Edge(self._size, tuple(map(bytes, self._tails)), tuple(self._leaves)), {*self._before.paths}
        for path, body in edge.files:
            if path not in known:
                self._files.append(LogFile(path, body))
        return edge

    def _keep(self, path: str, body: bytes) -> None:
        self._files.append(LogFile(LOG + path, body))
