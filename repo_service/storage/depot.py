"""The depot: the only writer of public files. Files are added and never changed, and go only when they are purged for
ever or nothing signed reaches them any more; one pointer moves, forward only.

After ``add`` returns, its files survive a power cut; before, each is absent or whole, never half. There are two
depots, a folder (`local`) and a bucket (`s3`); one suite of tests holds both to what is said here.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Protocol

from keys import layout
from keys.tlog import proofs
from repo_service.build.growth import LOG
from repo_service.build.metadata import metadata_path

TIMESTAMP: Final = metadata_path(layout.TIMESTAMP, 0)
CHECKPOINT: Final = LOG + proofs.CHECKPOINT

_PART: Final = r"[A-Za-z0-9_+!-][A-Za-z0-9._+!-]{0,254}"
_PATH: Final = re.compile(rf"{_PART}(?:/{_PART}){{0,15}}", re.ASCII)


class DepotError(Exception):
    """What a depot can say instead of doing what it was asked."""


class Diverged(DepotError):
    """The depot holds other bytes under a name that is never reused. Nothing was overwritten: compare, then decide."""


class Behind(DepotError):
    """The depot's timestamp is newer than the journal's newest release: the journal is not the one that made it."""


class Unavailable(DepotError):
    """The depot cannot be reached or does not let us in. Each file of the call may be there or not; doing the same
    again is safe."""


class Unfit(DepotError):
    """The depot does not keep a promise that publishing rests on. It is refused before anything is published."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A public file to be sent on: ``size`` in bytes, a tag that is another when its bytes are others, when it was
    written, and a seekable file to read it from piece by piece. Whoever opens it closes it."""

    size: int
    etag: str
    modified: datetime
    file: IO[bytes]


class Depot(Protocol):
    """Where public files lie. Paths are relative, of ``A-Z a-z 0-9 . _ + ! - /``; no part of one begins with a dot or
    is longer than 255 characters.

    Every method can raise Unavailable.
    """

    def add(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Make immutable files durable, in any order; all are when it returns. The same bytes again are fine; others
        raise Diverged, and nothing is overwritten. Many files at once cost far less than one by one, and never more
        memory than a group of them."""

    def adopt(self, path: str, draft: Path) -> None:
        """``add`` for one file whose bytes are in a draft already (uploads, which may be large)."""

    def point(self, timestamp: bytes) -> bool:
        """Make this the public timestamp. False if the public one is of this version or a later one already; then
        nothing moved, and what is there is durable. Diverged if it is of this version and has other bytes."""

    def point_log(self, checkpoint: bytes) -> bool:
        """Make this the log's public checkpoint, as ``point`` does with the timestamp: by the size of the tree."""

    def pointer(self) -> bytes | None:
        """The public timestamp now, or None before the first."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None."""

    def open(self, path: str) -> Opened | None:
        """A file to be read piece by piece, or None."""

    def size(self, path: str) -> int | None:
        """A file's length in bytes, or None."""

    def drop(self, *paths: str) -> None:
        """Let go of files that nothing signed names any more and that never come back; gone already is fine."""

    def paths(self, folder: str) -> Iterator[str]:
        """Every file below a folder (``""`` is all), in no promised order. For fsck alone: no state is found by
        listing."""

    def incoming(self) -> AbstractContextManager[Path]:
        """An empty local file to write a draft into, gone afterwards whatever happens."""

    def date(self) -> datetime | None:
        """What the store's own clock says, to the second; None where it has no clock but ours."""


def is_path(path: str) -> bool:
    """Whether this can be the path of a public file."""
    return _PATH.fullmatch(path) is not None


def version_of(timestamp: bytes) -> int:
    """The version inside timestamp bytes that we signed ourselves."""
    version: int = json.loads(timestamp)["signed"]["version"]
    return version


def size_of(checkpoint: bytes) -> int:
    """The size of the tree in a checkpoint that we signed ourselves."""
    return int(checkpoint.split(b"\n", 2)[1])


def moves(path: str, public: bytes | None, new: bytes) -> bool:
    """Whether a pointer goes from what is public now to ``new``: forward only. Diverged if they are two of one version
    (the log's: of one size), or if what is public is no such thing at all."""
    if public is None:
        return True
    order = _ORDERS[path]
    wanted = order(new)
    try:
        found = order(public)
    except (ValueError, KeyError, TypeError, IndexError):
        raise Diverged(f"{path} holds something else than it should; nothing was overwritten") from None
    if found == wanted and public != new:
        raise Diverged(f"{path} is at {found} already, with other bytes; nothing was overwritten")
    return found < wanted


_ORDERS: Final[Mapping[str, Callable[[bytes], int]]] = {TIMESTAMP: version_of, CHECKPOINT: size_of}
"""What moves, and by what: all else never changes."""
