"""The public log read back: verified against a root, release by release, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from keys.tlog import leaves, merkle, tiles
from keys.tlog.merkle import NotProven
from repo_service.build.growth import LOG, LogFile, LogFiles
from repo_service.storage.depot import Depot
from repo_service.storage.spool import Spool

MANY: Final = 4096
"""With more leaves than this a release's wait on the disk, not in memory."""
_SPAN: Final = 1 << 18
"""Leaves after which a tree is begun anew, so that its checked tiles do not gather in memory."""


@dataclass(frozen=True, slots=True)
class LoggedRows:
    """A release's leaves as they stand in the log, but for the last, which is its snapshot's; size and root of the tree
    that they end.
    """

    files: LogFiles
    snapshot: leaves.Snapshot
    size: int
    root: bytes

    @property
    def raw(self) -> Iterator[bytes]:
        """Leaves as they were hashed, in order."""
        return (file.body for file in self.files)


@dataclass(slots=True)
class _Peaks:
    """The complete subtrees of a tree that grows, the largest first, each with its height."""

    of: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, hash_: bytes) -> None:
        height = 0
        while self.of and self.of[-1][0] == height:
            hash_ = merkle.node_hash(self.of.pop()[1], hash_)
            height += 1
        self.of.append((height, hash_))

    @property
    def root(self) -> bytes:
        return merkle.folded([hash_ for _, hash_ in self.of])


def tree_in(depot: Depot, size: int, root: bytes) -> tiles.Tree:
    """The tree of so many leaves as it lies in a depot. NotProven if it is not that one."""

    def fetched(path: str) -> bytes:
        if (data := depot.read(LOG + path)) is None:
            raise NotProven(f"{LOG}{path} is missing in the depot")
        return data

    return tiles.Tree(size, root, fetched)


def releases_in(depot: Depot, size: int, root: bytes, start: int = 0) -> Iterator[LoggedRows]:
    """Every release from the leaf ``start`` on, with which one begins. NotProven where the depot holds another tree, or
    leaves behind the last snapshot; BadLeaf for what is no leaf.
    """
    files, seen, peaks = _no_files(), start, _peaks(tree_in(depot, size, root), start)
    for leaf in _leaves(depot, size, root, start):
        seen += 1
        peaks.add(merkle.leaf_hash(leaf))
        if leaves.kind_of(leaf) == "snapshot":
            yield LoggedRows(files, leaves.read(leaves.Snapshot, leaf), seen, peaks.root)
            files = _no_files()
        else:
            files = _with(files, LogFile("", leaf))
    if any(True for _ in files):
        raise NotProven("the last leaves of the log are of no release: no snapshot follows them")


def _no_files() -> LogFiles:
    return []


def _with(files: LogFiles, file: LogFile) -> LogFiles:
    if isinstance(files, list) and len(files) == MANY:
        spool = Spool[LogFile]()
        spool.extend(files)
        files = spool
    files.append(file)
    return files


def _peaks(tree: tiles.Tree, size: int) -> _Peaks:
    return _Peaks([(height, tree.nodes(height, number)) for height, number in merkle.peaks_of(size)])


def _leaves(depot: Depot, size: int, root: bytes, start: int) -> Iterator[bytes]:
    for begin in range(start - start % _SPAN, size, _SPAN):
        tree = tree_in(depot, size, root)
        for number in range(max(begin, start) // tiles.WIDTH, -(-min(begin + _SPAN, size) // tiles.WIDTH)):
            yield from tree.leaves(number)[max(0, start - number * tiles.WIDTH) :]
