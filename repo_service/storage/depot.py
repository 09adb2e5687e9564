"""The depot: the only writer of public files. Files are added and never changed, and go only when they are purged for
ever; one pointer moves, forward only.

On a local disk ``add`` is: write beside, fsync, link (which fails if the name exists), fsync the folder. After ``add``
returns, the file survives a power cut; before, it is absent or whole, never half.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from repo_service.failpoint import failpoint

TIMESTAMP: Final = "metadata/timestamp.json"


class Diverged(Exception):
    """The depot holds other bytes under a name that is never reused. Nothing was overwritten: compare, then decide."""


class Depot(Protocol):
    """Where public files lie. Paths are relative, of ``A-Z a-z 0-9 . _ + ! - /``."""

    def add(self, path: str, data: bytes) -> None:
        """Make an immutable file durable; the same bytes again are fine, others raise Diverged."""

    def point(self, timestamp: bytes) -> None:
        """Make this the public timestamp, unless a newer one is there already."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None."""

    def drop(self, path: str) -> None:
        """Let go of a file that nothing signed names any more and that never comes back; gone already is fine."""


class LocalDepot:
    """A folder on a local file system (not NFS: it needs link, rename, flock and fsync to mean what POSIX says)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, path: str, data: bytes) -> None:
        with self.incoming() as draft:
            draft.write_bytes(data)
            self.adopt(path, draft)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty file on the same file system, gone afterwards whatever happens."""
        folder = self.root / ".incoming"
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def adopt(self, path: str, draft: Path) -> None:
        """``add`` for bytes that are in a file already (uploads, which may be large)."""
        final = self._inside(path)
        draft.chmod(0o644)
        _sync(draft)
        _make_folder(final.parent)
        failpoint("depot.written")
        try:
            os.link(draft, final)
        except FileExistsError:
            if not _same(draft, final):
                raise Diverged(f"{path} exists with other bytes; nothing was overwritten") from None
        failpoint("depot.linked")
        _sync(final.parent)

    def point(self, timestamp: bytes) -> None:
        final = self._inside(TIMESTAMP)
        _make_folder(final.parent)
        with (self.root / ".pointer").open("w") as lock, self.incoming() as draft:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if final.exists() and version_of(final.read_bytes()) >= version_of(timestamp):
                return  # a slow publisher woke up late
            draft.write_bytes(timestamp)
            draft.chmod(0o644)
            _sync(draft)
            failpoint("depot.pointer_written")
            draft.replace(final)
            failpoint("depot.pointed")
            _sync(final.parent)

    def read(self, path: str) -> bytes | None:
        try:
            return self._inside(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def drop(self, path: str) -> None:
        self._inside(path).unlink(missing_ok=True)

    def _inside(self, path: str) -> Path:
        parts = path.split("/")
        assert all(part and not part.startswith(".") for part in parts), f"{path!r} leaves the depot"
        return self.root.joinpath(*parts)


def version_of(timestamp: bytes) -> int:
    """The version inside timestamp bytes that we signed ourselves."""
    version: int = json.loads(timestamp)["signed"]["version"]
    return version


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while chunk := left.read(1 << 20):
            if chunk != right.read(1 << 20):
                return False
    return True


def _make_folder(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        _sync(each.parent)


def _sync(path: Path) -> None:
    # An error here means that the kernel may have dropped the data: let it end the process, never retry.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
