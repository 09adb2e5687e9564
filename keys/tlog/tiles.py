"""Where a tree's hashes and leaves lie as files (C2SP tlog-tiles), and how they are read without being believed.

A tile is 256 hashes of one level, eight heights above the level before; at the right edge of the tree it is partial.
The partial tiles of a size fold to its root, and every full tile to one hash of the tile above it. So each tile is
checked against the root before a hash of it is used: also against its parent, which copies of x/mod older than Go
1.27.3 forgot (CVE-2026-56865).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from keys.tlog import merkle
from keys.tlog.merkle import HASH_BYTES, NotProven

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
MAX_LEAF: Final = (1 << 16) - 1
"""Bytes of a leaf: its length is two bytes in a bundle."""
Fetch = Callable[[str], bytes]
"""The bytes at a path below the log; whatever it raises passes through."""

_TILE: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Where a tile lies below the log's address."""
    return f"tile/{level}/{_spelled(number, width)}"


def bundle_path(number: int, width: int = WIDTH) -> str:
    """Where the leaves below a tile of level 0 lie."""
    return f"tile/entries/{_spelled(number, width)}"


def _spelled(number: int, width: int) -> str:
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]]) + (f".p/{width}" if width < WIDTH else "")


def full_at(path: str) -> int | None:
    """How many leaves a tree has once the full tile, or bundle, is there in the place of this partial one, which must
    be served until then; None for what is no partial one.
    """
    if (match := _TILE.search(path)) is None or match[3] is None:
        return None
    level = 0 if match[1] == "entries" else int(match[1])
    number = int(match[2].replace("x", "").replace("/", ""))
    return (number + 1) << HEIGHT * (level + 1)


def levels(size: int) -> Iterator[tuple[int, int]]:
    """Of each level of a tree its number and how many hashes it has there, from the leaves up."""
    level = 0
    while size:
        yield level, size
        level, size = level + 1, size >> HEIGHT


def width_of(level: int, number: int, size: int) -> int:
    """How many hashes a tile has in a tree of ``size`` leaves; 0 if it is not there."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - number * WIDTH))


def bundle(leaves: Iterable[bytes]) -> bytes:
    """Leaves as a bundle holds them."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def unbundled(data: bytes, width: int) -> list[bytes]:
    """The leaves of a bundle of ``width``. NotProven if it is none."""
    leaves, at = list[bytes](), 0
    while at < len(data) and len(leaves) < width:
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        leaves.append(data[start:at])
    if at != len(data) or len(leaves) != width:
        raise NotProven(f"a bundle of {width} leaves does not hold as many")
    return leaves


class Tree:
    """The tree of ``size`` leaves with this ``root``, read tile by tile; nothing is used before it is checked against
    the root. Tiles that were checked are kept in ``known``. NotProven for a tile that is another's.
    """

    def __init__(self, size: int, root: bytes, fetch: Fetch) -> None:
        self.size = size
        self.root = root
        self._fetch = fetch
        self._known: dict[tuple[int, int], bytes] = {}
        self._subtrees: dict[tuple[int, int], list[list[bytes]]] = {}
        self._check_edge()

    def nodes(self, height: int, number: int) -> bytes:
        """The hash of a complete subtree (``merkle.Nodes``)."""
        if number < 0 or number + 1 << height > self.size:
            raise NotProven(f"leaf {(number + 1 << height) - 1} is not in a tree of {self.size}")
        level, above = divmod(height, HEIGHT)
        place = level, (number << above) // WIDTH
        if place not in self._subtrees:
            self._subtrees[place] = subtrees(self.tile(*place))
        return self._subtrees[place][above][number % (WIDTH >> above)]

    def tile(self, level: int, number: int) -> bytes:
        """A tile's hashes, checked."""
        if (level, number) not in self._known:
            if number < 0 or width_of(level, number, self.size) < WIDTH:
                raise NotProven(f"a tree of {self.size} leaves has no {tile_path(level, number)}")
            data = self._fetched(level, number, WIDTH)
            above, at = divmod(number, WIDTH)
            if merkle.root_of(hashes(data)) != hashes(self.tile(level + 1, above))[at]:
                raise NotProven(f"{tile_path(level, number)} is not the tile that the tree has there")
            self._known[level, number] = data
        return self._known[level, number]

    def leaves(self, number: int) -> list[bytes]:
        """The leaves of a bundle, each checked against its hash."""
        tile = self.tile(0, number)
        width = len(tile) // HASH_BYTES
        path = bundle_path(number, width)
        found = unbundled(self._fetch(path), width)
        if b"".join(map(merkle.leaf_hash, found)) != tile:
            raise NotProven(f"{path} does not hold the leaves that the tree has there")
        return found

    def leaf(self, index: int) -> bytes:
        """One leaf, checked."""
        if not 0 <= index < self.size:
            raise NotProven(f"leaf {index} is not in a tree of {self.size}")
        number, at = divmod(index, WIDTH)
        return self.leaves(number)[at]

    def root_at(self, size: int) -> bytes:
        """The root that the first ``size`` leaves had."""
        return merkle.root_at(self.nodes, size)

    def _check_edge(self) -> None:
        """The partial tiles, which fold to the root."""
        edge = [(level, count) for level, count in levels(self.size) if count % WIDTH]
        tiles = {level: self._fetched(level, count // WIDTH, count % WIDTH) for level, count in edge}
        within = {level: subtrees(tile) for level, tile in tiles.items()}
        if merkle.folded([peak for level, _ in reversed(edge) for peak in peaks(within[level])]) != self.root:
            raise NotProven(f"the tiles at the edge of a tree of {self.size} leaves do not lead to its root")
        self._known |= {(level, count // WIDTH): tiles[level] for level, count in edge}
        self._subtrees |= {(level, count // WIDTH): within[level] for level, count in edge}

    def _fetched(self, level: int, number: int, width: int) -> bytes:
        path = tile_path(level, number, width)
        data = self._fetch(path)
        if len(data) != width * HASH_BYTES:
            raise NotProven(f"{path} has {len(data)} bytes, not {width * HASH_BYTES}")
        return data


def hashes(tile: bytes | bytearray) -> list[bytes]:
    """The hashes in a tile."""
    return [bytes(tile[at : at + HASH_BYTES]) for at in range(0, len(tile), HASH_BYTES)]


def subtrees(tile: bytes) -> list[list[bytes]]:
    """The hashes of all complete subtrees in a tile, by their height in it."""
    found = [hashes(tile)]
    while len(below := found[-1]) > 1:
        found.append([merkle.node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return found


def peaks(within: list[list[bytes]]) -> list[bytes]:
    """Of a tile's complete subtrees those that are in no larger one, the largest first."""
    return [within[height][number] for height, number in merkle.peaks_of(len(within[0]))]
