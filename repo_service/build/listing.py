"""What a snapshot lists, kept encoded, so that a change of one role of sixteen thousand patches one line.

A snapshot of 16,384 bins is 620 KB of JSON; encoding it anew costs more than all else that one change needs. Here its
lines are kept in order, joined in chunks, and a successor shares every chunk in which nothing changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from keys.encoding import compact_plain, sha256

_CHUNK: Final = 128


@dataclass(frozen=True, slots=True)
class Meta:
    """What a snapshot or timestamp says of a file: its version and, where its bytes are pinned, length and sha256
    (TUF specification section 4.4).
    """

    version: int
    length: int | None = None
    sha256: str | None = None

    @staticmethod
    def pinning(version: int, data: bytes) -> "Meta":
        """Of a file whose bytes are pinned."""
        return Meta(version, len(data), sha256(data))

    def described(self) -> dict[str, object]:
        """The object that the metadata holds."""
        pinned = {} if self.sha256 is None else {"hashes": {"sha256": self.sha256}, "length": self.length}
        return {"version": self.version, **pinned}


@dataclass(frozen=True, slots=True)
class Listing:
    """The ``meta`` of a snapshot: its roles in order, their lines in chunks, and each chunk joined. Immutable."""

    places: Mapping[str, int]
    lines: tuple[tuple[bytes, ...], ...]
    chunks: tuple[bytes, ...]

    @staticmethod
    def of(metas: Mapping[str, Meta]) -> "Listing":
        """The listing of these roles."""
        return _arranged({role: line(role, meta) for role, meta in metas.items()})

    def amended(self, metas: Mapping[str, Meta]) -> "Listing":
        """Another listing, with these metas of these roles; it shares what is the same."""
        if not metas.keys() <= self.places.keys():
            known = dict(zip(self.places, chain.from_iterable(self.lines), strict=True))
            return _arranged(known | {role: line(role, meta) for role, meta in metas.items()})
        lines, chunks = list(self.lines), list(self.chunks)
        for role, meta in metas.items():
            number, place = divmod(self.places[role], _CHUNK)
            lines[number] = (*lines[number][:place], line(role, meta), *lines[number][place + 1 :])
        for number in {self.places[role] // _CHUNK for role in metas}:
            chunks[number] = b",".join(lines[number])
        return Listing(self.places, tuple(lines), tuple(chunks))

    def encoded(self) -> list[bytes]:
        """``meta`` as canonical JSON has it, in pieces."""
        return [b"{", *[piece for chunk in self.chunks for piece in (chunk, b",")][:-1], b"}"]


def line(role: str, meta: Meta) -> bytes:
    """One member of ``meta``."""
    return compact_plain({_file(role): meta.described()})[1:-1]


def _arranged(lines: Mapping[str, bytes]) -> Listing:
    roles = sorted(lines, key=_file)
    groups = tuple(tuple(lines[role] for role in roles[at : at + _CHUNK]) for at in range(0, len(roles), _CHUNK))
    return Listing({role: place for place, role in enumerate(roles)}, groups, tuple(map(b",".join, groups)))


def _file(role: str) -> str:
    return f"{role}.json"
