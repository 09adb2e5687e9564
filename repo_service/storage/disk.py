"""The few things that a local depot does to a disk, in one place, so that a test can be a disk that loses its power.

Nothing here is durable but what was synced: a file's bytes by its own sync, its name by the sync of its folder.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from repo_service.storage.depot import Unavailable

_SIDE_BY_SIDE: Final = 8


class Disk:
    """Writes, names and syncs.

    After one failed sync every other one raises Unavailable too: the kernel may have dropped what was written and does
    not say so twice, so trying again would seem to work. A restarted process writes everything unpublished anew.
    """

    def __init__(self) -> None:
        self._failed: Unavailable | None = None
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def create(self, path: Path, data: bytes) -> None:
        """A new file, readable for everyone."""
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        try:
            os.fchmod(descriptor, 0o644)  # whatever the umask is
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)

    def make_folder(self, path: Path) -> None:
        """A folder, if it is not there yet."""
        path.mkdir(exist_ok=True)

    def link(self, draft: Path, final: Path) -> None:
        """A second name for a file. FileExistsError if it is taken."""
        os.link(draft, final)

    def replace(self, draft: Path, final: Path) -> None:
        """Another name for a file, which takes it from whatever has it."""
        draft.replace(final)

    def remove(self, path: Path) -> None:
        """A name less, if it is there."""
        path.unlink(missing_ok=True)

    def sync(self, path: Path) -> None:
        """A file's bytes, or a folder's names, survive a power cut from here on. Unavailable if they may not."""
        with _opened(path) as descriptor:
            self._sure(path, lambda: os.fsync(descriptor))

    def sync_each(self, paths: Iterable[Path]) -> None:
        """``sync`` of several, side by side: so they share the file system's commits instead of waiting for one each
        (benchmarks/depot.py)."""
        wanted = list(paths)
        if len(wanted) < 2:
            for path in wanted:
                self.sync(path)
        else:
            for _ in self._threads().map(self.sync, wanted):
                pass

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None or self._pool[0] != os.getpid():  # a fork takes no threads along
            self._pool = os.getpid(), ThreadPoolExecutor(_SIDE_BY_SIDE, "sync")
        return self._pool[1]

    @contextmanager
    def syncing_all(self, path: Path) -> Iterator[Callable[[], None] | None]:
        """Inside the block: a function that syncs the whole file system of ``path`` at once, or None where that is
        not to be relied on. It reports errors from the block's beginning on, so what it is to sync is written inside.
        """
        if _syncfs is None:
            yield None
            return
        with _opened(path) as descriptor:
            yield lambda: self._sure(path, lambda: _sync_file_system(descriptor))

    def _sure(self, path: Path, sync: Callable[[], None]) -> None:
        if self._failed:
            raise self._failed
        try:
            sync()
        except OSError as error:
            self._failed = Unavailable(
                f"{path}: {error.strerror} while it was made durable. Nothing that rests on it was published, and this "
                "process writes no more: check the disk, then restart; what is not published is written again"
            )
            raise self._failed from error


def fsync(path: Path) -> None:
    """A file's bytes, or a folder's names, survive a power cut from here on. Raises OSError."""
    with _opened(path) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _find_syncfs() -> Callable[[int], int] | None:
    """syncfs(2), where it reports errors of writing back: Linux 5.8 or newer."""
    if sys.platform != "linux":
        return None
    release = os.uname().release.split(".")
    if (int(release[0]), int(release[1].split("-")[0])) < (5, 8):
        return None
    try:
        found = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None
    found.argtypes, found.restype = [ctypes.c_int], ctypes.c_int
    return found


_syncfs: Final = _find_syncfs()


def _sync_file_system(descriptor: int) -> None:
    assert _syncfs is not None
    if _syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
