"""What a snapshot's leaf says of all bins in 32 bytes, and how one bin is shown to be among them.

A snapshot lists bins by version alone, so whoever holds the online key could sign two bins of one version. Therefore
the leaf of each snapshot holds the root of a tree over the digests of what is signed in each bin (RFC 6962, over 2^k
leaves). It is cut in two at half its height: the upper half goes with the proof of the snapshot (``tops``), and each
lower part, a row of digests, is a file of its own that does not change until one of its bins does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from keys.layout import Bins
from keys.tlog import merkle
from keys.tlog.merkle import HASH_BYTES, NotProven


@dataclass(frozen=True, slots=True)
class BinSums:
    """The digests of all bins, in rows, with the root of each row. Immutable."""

    shape: Bins
    rows: tuple[bytes, ...]
    tops: tuple[bytes, ...]

    @staticmethod
    def of(shape: Bins, digests: Mapping[int, bytes]) -> "BinSums":
        """Of every bin's digest by its number."""
        width = row_width(shape)
        rows = tuple(
            b"".join(digests[number] for number in range(start, start + width)) for start in range(0, len(shape), width)
        )
        return BinSums(shape, rows, tuple(map(_row_root, rows)))

    def amended(self, digests: Mapping[int, bytes]) -> "BinSums":
        """With these digests of these bins."""
        rows, tops, width = list(self.rows), list(self.tops), row_width(self.shape)
        for number, digest in digests.items():
            row, at = divmod(number, width)
            rows[row] = rows[row][: at * HASH_BYTES] + digest + rows[row][(at + 1) * HASH_BYTES :]
        for row in {number // width for number in digests}:
            tops[row] = _row_root(rows[row])
        return BinSums(self.shape, tuple(rows), tuple(tops))

    @property
    def root(self) -> bytes:
        """The root over the rows, which a snapshot's leaf names."""
        return merkle.root_of(self.tops)

    def fresh(self, before: "BinSums | None") -> Iterator[tuple[str, bytes]]:
        """The rows that ``before`` has not, with their paths below the log."""
        known = set(before.tops) if before else set()
        yield from ((row_path(top), row) for top, row in zip(self.tops, self.rows, strict=True) if top not in known)

    def gone(self, before: "BinSums | None") -> Iterator[str]:
        """The paths of the rows that only ``before`` has."""
        known = set(self.tops)
        yield from (row_path(top) for top in (before.tops if before else ()) if top not in known)


def row_width(shape: Bins) -> int:
    """How many bins a row has."""
    return 1 << shape.bit_length // 2


def row_path(top: bytes) -> str:
    """Where a row lies below the log's address, by its root."""
    return f"bins/{top.hex()}"


def check_tops(shape: Bins, tops: tuple[bytes, ...], root: bytes) -> None:
    """NotProven unless these are the roots of all rows."""
    if len(tops) * row_width(shape) != len(shape) or merkle.root_of(tops) != root:
        raise NotProven("the digests of bins are not those that the snapshot's leaf names")


def digest_in(shape: Bins, number: int, row: bytes, tops: tuple[bytes, ...]) -> bytes:
    """The digest of a bin out of its row. NotProven if the row is another."""
    width = row_width(shape)
    if len(row) != width * HASH_BYTES or _row_root(row) != tops[number // width]:
        raise NotProven(f"{shape.role(number)}: the row of digests is not the one that the snapshot's leaf names")
    at = number % width * HASH_BYTES
    return row[at : at + HASH_BYTES]


@lru_cache(maxsize=1 << 8)
def _row_root(row: bytes) -> bytes:
    return merkle.root_of([merkle.leaf_hash(row[at : at + HASH_BYTES]) for at in range(0, len(row), HASH_BYTES)])
