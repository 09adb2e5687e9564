"""Deltas: how a client that has an older snapshot or bin gets a newer one in few bytes (docs/FORMAT.md, "Deltas").

Which deltas there are follows from versions alone, so nobody lists or announces them: client, producer and garbage
collection reckon the same names. Nothing here is trusted: what a delta gives is verified as any download is. How to
compress and decompress is handed in, so this needs no library for it.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from keys import layout
from keys.encoding import sha256

SPACING: Final = 1024
"""Every snapshot whose version is a multiple of this is an anchor; so is the first of all."""
REACH: Final = 96
"""A delta leads to an anchor from so many anchors before it, and so many snapshots later all of them are drawn."""
MOST_STEPS: Final = 16
"""Behind by more signings than this, a client takes the bin whole."""
MAX_DELTA: Final = 1 << 17
"""No delta is longer, in bytes. A snapshot of 16,384 bins from nothing takes 46 KB."""
MAX_FILE: Final = 5_000_000
"""No delta gives a longer file, in bytes: what python-tuf reads of a bin."""

_OLD: Final = bytes.fromhex("5e2a4d1820000000")
"""How RFC 9842's ``dcz`` begins: a frame that zstd skips, with the 32 bytes of the dictionary's sha256."""
_NEW: Final = bytes.fromhex("5d2a4d1820000000")
_FRAME: Final = bytes.fromhex("28b52ffd")
_ONE_SEGMENT: Final = 0b0010_0000
_HEADER: Final = 2 * (8 + 32)
_FILE: Final = re.compile(rf"metadata/([1-9][0-9]*)\.({layout.SNAPSHOT}|{layout.BIN_PREFIX}-[0-9a-f]+)\.json", re.ASCII)


class BadDelta(ValueError):
    """A delta is not of the form it must have, is for another file, or gives another file than it says.

    It costs the full download and nothing else: whoever sent it could as well have sent nothing.
    """


class Inflate(Protocol):
    """A zstd decoder as a client has one, or none: who applies a delta is handed it."""

    def __call__(self, frame: bytes, old: bytes, length: int) -> bytes:
        """One zstd frame that says it holds ``length`` bytes, with ``old`` (perhaps empty) as raw dictionary.

        Never gives more than ``length`` bytes; raises ValueError for a frame that is broken or goes on behind its end.
        """


@dataclass(frozen=True, slots=True)
class Step:
    """A delta by what it leads from and to, two versions of a role. Version 0 is the empty file."""

    role: str
    old: int
    new: int

    @property
    def path(self) -> str:
        """Where the delta lies, below ``U`` and in the depot."""
        return f"deltas/{self.old}.{self.new}.{self.role}.dcz"


def is_anchor(version: int) -> bool:
    """Whether a snapshot's version makes it one that deltas lead from."""
    return version == 1 or (version > 0 and version % SPACING == 0)


def anchor(version: int) -> int:
    """The anchor from which a delta leads to a snapshot: the newest that is REACH versions old."""
    return max(1, (version - REACH) // SPACING * SPACING)


def snapshot_steps(held: int, version: int) -> tuple[Step, ...]:
    """The deltas from an anchor that the client holds (0: none) to a snapshot, in order; two at most.

    From an anchor that is out of reach the way begins with nothing, as for a client that holds none.
    """
    last = anchor(version)
    near = is_anchor(held) and 0 <= _place(last) - _place(held) <= REACH
    ways = ((held if near else 0, last), (last, version))
    return tuple(Step(layout.SNAPSHOT, old, new) for old, new in ways if old != new)


def bin_steps(role: str, held: int, version: int) -> tuple[Step, ...]:
    """The deltas from a version of a bin to a later one, in order; none where the whole bin is the better way."""
    behind, rest = divmod(version - held, layout.BIN_STRIDE)
    if rest or behind > MOST_STEPS:
        return ()
    return tuple(Step(role, old, layout.next_version(old)) for old in range(held, version, layout.BIN_STRIDE))


def drawn_with(role: str, version: int) -> tuple[Step, ...]:
    """The deltas that the producer writes when a version of a snapshot or bin is published; two at most.

    Those that lead to an anchor from the anchors before it are spread over the publications after it.
    """
    if role != layout.SNAPSHOT:
        old = version - layout.BIN_STRIDE
        return (Step(role, old, version),) if old >= layout.BIN_STRIDE else ()
    ways = [(anchor(version), version)] if version > 1 else []
    if is_anchor(version):
        ways.append((0, version))
    last, behind = divmod(version, SPACING)
    if 0 < behind < min(REACH, last):
        ways.append((_anchor_at(last - behind - 1), _anchor_at(last)))
    return tuple(Step(role, old, new) for old, new in ways)


def leading_to(role: str, version: int) -> tuple[Step, ...]:
    """Every delta that leads to a file, whether it was drawn or not: they go when the file goes."""
    if role != layout.SNAPSHOT or not is_anchor(version):
        return tuple(step for step in drawn_with(role, version) if step.new == version)
    place = _place(version)
    older = map(_anchor_at, range(max(0, place - REACH), place))
    return tuple(Step(role, old, version) for old in (0, *older))


def reachable(path: str) -> tuple[str, int] | None:
    """Role and version of a public file that deltas may lead to; None where it is neither a snapshot nor a bin."""
    found = _FILE.fullmatch(path)
    return (found[2], int(found[1])) if found else None


def beside(path: str) -> tuple[str, ...]:
    """Where the deltas lie that lead to a public file; none where it is neither a snapshot nor a bin."""
    found = reachable(path)
    return tuple(step.path for step in leading_to(*found)) if found else ()


def is_needed(path: str, newest: int) -> bool:
    """Whether a superseded file must stay, because deltas to the snapshot of version ``newest``, or to what follows it,
    lead from it, and clients that have nothing begin with it.
    """
    found = reachable(path)
    if found is None or found[0] != layout.SNAPSHOT:
        return False
    version = found[1]
    return is_anchor(version) and version >= anchor(newest)


def sealed(old: str, new: str, frame: bytes) -> bytes:
    """A delta's bytes: the SHA-256 of the file that it is for and of the one that it gives, and a zstd frame as
    ``rebuild`` reads it.
    """
    return _OLD + bytes.fromhex(old) + _NEW + bytes.fromhex(new) + frame


def rebuild(delta: bytes, old: bytes, limit: int, inflate: Inflate) -> bytes:
    """The newer file, of at most ``limit`` bytes; BadDelta if it is not exactly the one that the delta names.

    Whoever sent the delta chose both hashes: the file is to be verified as any other download.
    """
    if len(delta) > MAX_DELTA:
        raise BadDelta(f"a delta of {len(delta)} bytes; {MAX_DELTA} are allowed")
    if len(delta) < _HEADER or delta[:8] != _OLD or delta[40:48] != _NEW:
        raise BadDelta("no delta: it does not begin with the two hashes")
    if bytes.fromhex(sha256(old)) != delta[8:40]:
        raise BadDelta("the delta is for another file than this one")
    frame = delta[_HEADER:]
    if (length := _content_size(frame)) > min(limit, MAX_FILE):
        raise BadDelta(f"the delta gives {length} bytes; {min(limit, MAX_FILE)} are allowed")
    try:
        new = inflate(frame, old, length)
    except ValueError as error:
        raise BadDelta(f"the delta cannot be read: {error}") from error
    if bytes.fromhex(sha256(new)) != delta[48:80]:
        raise BadDelta("the delta gives another file than it says")
    return new


def _content_size(frame: bytes) -> int:
    """How many bytes a frame says it gives (RFC 8878, 3.1.1.1). In one segment, so its window is no larger either."""
    width = 1 << (frame[4] >> 6) if len(frame) > 4 else 0
    if frame[:4] != _FRAME or not width or frame[4] & 0b0011_1111 != _ONE_SEGMENT:
        raise BadDelta("no zstd frame of one segment, with its size and without a checksum or dictionary id")
    return int.from_bytes(frame[5 : 5 + width], "little") + (256 if width == 2 else 0)


def _place(version: int) -> int:
    return version // SPACING


def _anchor_at(place: int) -> int:
    return max(1, place * SPACING)
