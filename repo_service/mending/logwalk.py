"""The public log read back: verified against a root, release by release, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from keys.tlog import leaves, merkle, tiles
from keys.tlog.merkle import NotProven
from repo_service.build.growth import LOG
from repo_service.storage.depot import Depot

_SPAN = 1 << 18
"""Leaves after which a tree is begun anew, so that its checked tiles do not gather in memory."""


@dataclass(frozen=True, slots=True)
class LoggedRows:
    """A release's leaves as they stand in the log: the index of the first one, their bytes, and the root of the tree
    that they end.
    """

    first: int
    raw: tuple[bytes, ...]
    root: bytes

    @property
    def size(self) -> int:
        return self.first + len(self.raw)

    @property
    def snapshot(self) -> leaves.Snapshot:
        """What the last one says. Raises BadLeaf."""
        return leaves.read(leaves.Snapshot, self.raw[-1])


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
    first, raw, peaks = start, list[bytes](), _peaks(tree_in(depot, size, root), start)
    for leaf in _leaves(depot, size, root, start):
        raw.append(leaf)
        peaks.add(merkle.leaf_hash(leaf))
        if leaves.kind_of(leaf) == "snapshot":
            yield LoggedRows(first, tuple(raw), peaks.root)
            first, raw = first + len(raw), []
    if raw:
        raise NotProven(f"the last {len(raw)} leaves of the log are of no release: no snapshot follows them")


def _peaks(tree: tiles.Tree, size: int) -> _Peaks:
    return _Peaks([(height, tree.nodes(height, number)) for height, number in merkle.peaks_of(size)])


def _leaves(depot: Depot, size: int, root: bytes, start: int) -> Iterator[bytes]:
    for begin in range(start - start % _SPAN, size, _SPAN):
        tree = tree_in(depot, size, root)
        for number in range(max(begin, start) // tiles.WIDTH, -(-min(begin + _SPAN, size) // tiles.WIDTH)):
            yield from tree.leaves(number)[max(0, start - number * tiles.WIDTH) :]

