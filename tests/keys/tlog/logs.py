"""Trees as RFC 6962 and C2SP define them, made in the plainest way: what keys/tlog is held against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from keys.tlog.tiles import Tree

WIDTH: Final = 256


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def leaves_of(size: int) -> list[bytes]:
    """Leaves that cost little and are all different."""
    return [b"leaf %d" % at for at in range(size)]


class Reference:
    """RFC 6962, sections 2.1 to 2.1.2, word for word, over the hashes of leaves D[0:n]."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        self.hashes: Final = [leaf_hash(data) for data in leaves]
        self.mth = lru_cache(maxsize=None)(self._mth)

    def root(self, size: int) -> bytes:
        return self.mth(0, size)

    def _mth(self, begin: int, end: int) -> bytes:
        if begin == end:
            return sha256(b"").digest()
        if end - begin == 1:
            return self.hashes[begin]
        k = _split(end - begin)
        return sha256(b"\x01" + self.mth(begin, begin + k) + self.mth(begin + k, end)).digest()

    def path(self, m: int, begin: int, end: int) -> list[bytes]:
        """PATH(m, D[begin:end])."""
        if end - begin == 1:
            return []
        k = _split(end - begin)
        if m < k:
            return [*self.path(m, begin, begin + k), self.mth(begin + k, end)]
        return [*self.path(m - k, begin + k, end), self.mth(begin, begin + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        """PROOF(m, D[n])."""
        return self._subproof(m, 0, n, True)

    def _subproof(self, m: int, begin: int, end: int, b: bool) -> list[bytes]:
        if m == end - begin:
            return [] if b else [self.mth(begin, end)]
        k = _split(end - begin)
        if m <= k:
            return [*self._subproof(m, begin, begin + k, b), self.mth(begin + k, end)]
        return [*self._subproof(m - k, begin + k, end, False), self.mth(begin, begin + k)]

    def node(self, height: int, number: int) -> bytes:
        """``merkle.Nodes``."""
        return self.mth(number << height, (number + 1) << height)


def _split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


@dataclass(frozen=True)
class Folder:
    """A log as files below a folder (C2SP tlog-tiles), and the root of its tree."""

    path: Path
    leaves: Sequence[bytes]

    @property
    def size(self) -> int:
        return len(self.leaves)

    @cached_property
    def reference(self) -> Reference:
        return Reference(self.leaves)

    @property
    def root(self) -> bytes:
        return self.reference.root(self.size)

    @property
    def tree(self) -> Tree:
        """It, read by somebody who knows its size and root alone."""
        return Tree(self.size, self.root, self.fetch)

    def fetch(self, path: str) -> bytes:
        return (self.path / path).read_bytes()

    def files(self) -> list[Path]:
        return sorted(each for each in self.path.rglob("*") if each.is_file())


def lay(path: Path, leaves: Sequence[bytes]) -> Folder:
    """Write tiles and bundles of a tree of these leaves, those alone that it has at this size."""
    folder = Folder(path, leaves)
    bundled = [len(data).to_bytes(2, "big") + data for data in leaves]
    _lay_level(path / "tile/entries", bundled)
    level, span = 0, 1
    while count := folder.size // span:
        hashes = [folder.reference.mth(at * span, (at + 1) * span) for at in range(count)]
        _lay_level(path / f"tile/{level}", hashes)
        level, span = level + 1, span * WIDTH
    return folder


def _lay_level(path: Path, items: Sequence[bytes]) -> None:
    for number, start in enumerate(range(0, len(items), WIDTH)):
        part = items[start : start + WIDTH]
        name = "".join(f"x{digits:03d}/" for digits in _thousands(number // 1000)) + f"{number % 1000:03d}"
        file = path / (name if len(part) == WIDTH else f"{name}.p/{len(part)}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(part))


def _thousands(number: int) -> list[int]:
    return [*_thousands(number // 1000), number % 1000] if number else []
