"""A depot in a folder of a local file system (not NFS: it needs link, rename, flock and fsync to mean what POSIX says).

A file is written beside, synced, linked (which fails if the name exists), and its folder is synced. Files that come
together share their folders' syncs; hundreds share one sync of the whole file system instead of one each.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from repo_service.failpoint import failpoint
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP, Diverged, Opened, Unavailable, Unfit, is_path, moves
from repo_service.storage.disk import Disk
from repo_service.storage.drafts import FOLDER, Drafts

_LOCK: Final = ".pointer"
_CHUNK: Final = 1 << 20
_GROUP: Final = 1024
_GROUP_BYTES: Final = 16 << 20
_FEW: Final = 64
"""Up to so many files are synced one by one. Syncing the file system is quicker from about ten on where nothing else
is being written (benchmarks/depot.py), but it also waits for whatever else is."""
_MAX_SETTLED: Final = 1 << 16


class LocalDepot:
    """A depot in the folder ``root``. ``patience_s`` is how long another process may hold the pointer."""

    def __init__(self, root: Path, disk: Disk | None = None, patience_s: float = 10.0) -> None:
        self.root = root
        self.drafts = Drafts(root / FOLDER)  # on the same file system, so that a draft can be linked
        self._disk = disk or Disk()
        self._patience_s = patience_s
        self._above = frozenset(folder for folder in root.parents if folder.exists())
        self._settled: set[Path] = set()
        """Folders whose own names this process has seen synced. A folder that is merely there may be from somebody
        who died before that."""

    def add(self, files: Iterable[tuple[str, bytes]]) -> None:
        """As ``Depot``: synced drafts that are linked to their names, a group at a time."""
        for group in _groups(files):
            with self._syncing(len(group)) as sync, self.drafts.naming() as new_draft:
                new, old = [], []
                for path, data in group:
                    final = self._inside(path)
                    if self._holds(path, final, data):
                        old.append(final)
                        continue
                    draft = new_draft()
                    self._disk.create(draft, data)
                    failpoint("depot.drafted")
                    new.append((path, final, draft))
                self._place(new, old, sync)

    def adopt(self, path: str, draft: Path) -> None:
        """As ``Depot``. The draft is linked to its name, and not copied."""
        draft.chmod(0o644)
        with self._syncing(1) as sync:
            self._place([(path, self._inside(path), draft)], [], sync)

    def _place(
        self, new: list[tuple[str, Path, Path]], old: list[Path], sync: Callable[[Iterable[Path]], None]
    ) -> None:
        """Drafts become public and durable. What lies there already may be from somebody who died before it was."""
        sync(draft for _, _, draft in new)
        folders, fresh = dict[Path, None](), set[Path]()
        for folder in dict.fromkeys(final.parent for final in (*(final for _, final, _ in new), *old)):
            folders[folder] = None
            self._make_folder(folder, folders, fresh)
        for path, final, draft in new:
            failpoint("depot.written")
            try:
                self._disk.link(draft, final)
            except FileExistsError:
                if not _same(draft, final):
                    raise _diverged(path) from None
            failpoint("depot.linked")
        sync((*old, *folders))
        self._settle(fresh)

    def point(self, timestamp: bytes) -> bool:
        """As ``Depot``: renamed over the last one, under a lock that processes share."""
        return self._move(TIMESTAMP, timestamp)

    def point_log(self, checkpoint: bytes) -> bool:
        """As ``Depot``, in the same way as ``point``."""
        return self._move(CHECKPOINT, checkpoint)

    def _move(self, path: str, new: bytes) -> bool:
        final = self._inside(path)
        folders, fresh = dict[Path, None]({final.parent: None}), set[Path]()
        self._make_folder(final.parent, folders, fresh)
        with self._alone(), self.drafts.naming() as new_draft:
            moved = moves(path, self.read(path), new)
            if moved:
                draft = new_draft()
                self._disk.create(draft, new)
                self._disk.sync(draft)
                failpoint("depot.pointer_written")
                self._disk.replace(draft, final)
                failpoint("depot.pointed")
            # Also where it did not move: whoever moved it here may have died before it was durable.
            self._disk.sync_each(folders)
        self._settle(fresh)
        return moved

    def pointer(self) -> bytes | None:
        """As ``Depot``."""
        return self.read(TIMESTAMP)

    def read(self, path: str) -> bytes | None:
        """As ``Depot``."""
        opened = self.open(path)
        if opened is None:
            return None
        with opened.file:
            return opened.file.read()

    def open(self, path: str) -> Opened | None:
        """As ``Depot``. The tag is of the file's time, size and inode."""
        try:
            file = self._inside(path).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        stat = os.fstat(file.fileno())
        etag = f"{stat.st_mtime_ns:x}-{stat.st_size:x}-{stat.st_ino:x}"
        return Opened(stat.st_size, etag, datetime.fromtimestamp(stat.st_mtime, UTC), file)

    def size(self, path: str) -> int | None:
        """As ``Depot``."""
        file = self._inside(path)
        return file.stat().st_size if file.is_file() else None

    def drop(self, *paths: str) -> None:
        """As ``Depot``. The folders stay."""
        finals = [self._inside(path) for path in paths]
        folders = {final.parent: None for final in finals if final.parent.is_dir()}
        for final in finals:
            if final.parent in folders:
                self._disk.remove(final)
                failpoint("depot.dropped")
        self._disk.sync_each(folders)

    def paths(self, folder: str) -> Iterator[str]:
        """As ``Depot``, without drafts and whatever else begins with a dot."""
        for above, folders, files in os.walk(self._inside(folder) if folder else self.root):
            folders[:] = [each for each in folders if not each.startswith(".")]
            for file in files:
                if not file.startswith("."):
                    yield (Path(above) / file).relative_to(self.root).as_posix()

    def incoming(self) -> AbstractContextManager[Path]:
        """As ``Depot``, on the same disk, so that ``adopt`` can link it."""
        return self.drafts.incoming()

    def date(self) -> None:
        """None: a folder has no clock of its own."""

    def probe(self) -> None:
        """Try on a draft whether the folder can hold a depot. Unfit, with what to do, if it cannot."""
        with self.drafts.naming() as new_draft:
            draft, other = new_draft(), new_draft()
            try:
                self._disk.create(draft, b"")
                self._disk.link(draft, other)
                why = self._why_unfit(draft, other)
            except OSError as error:
                why = error.strerror
        if why:
            raise Unfit(
                f"{self.root} cannot hold a depot: {why}. It must be a folder on a local file system that has hard "
                "links (not NFS, not exFAT) and that the service may write to. Nothing was published there"
            )

    def _why_unfit(self, draft: Path, taken: Path) -> str | None:
        try:
            self._disk.link(draft, taken)
        except FileExistsError:
            return None
        return "a name that is taken is given away"

    @contextmanager
    def _syncing(self, count: int) -> Iterator[Callable[[Iterable[Path]], None]]:
        """How ``count`` files written inside the block are synced: one by one, or with the whole file system."""

        if count <= _FEW:
            yield self._disk.sync_each
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with self._disk.syncing_all(self.root) as everything:
            yield self._disk.sync_each if everything is None else lambda _: everything()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else moves the pointer inside the block. Unavailable if somebody holds it for too long."""
        deadline = time.monotonic() + self._patience_s
        with (self.root / _LOCK).open("a+") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise self._held(lock.name) from None
                    time.sleep(0.01)
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield

    def _held(self, lock: str) -> Unavailable:
        holder = Path(lock).read_text().strip() or "unknown"
        return Unavailable(
            f"{lock} has been locked for {self._patience_s:.0f} s by process {holder}, which may be stopped; end it, "
            "or let it go on, and publishing continues by itself. The pointer was not moved"
        )

    def _holds(self, path: str, final: Path, data: bytes) -> bool:
        """Whether exactly this is there already. Diverged if something else is."""
        try:
            with final.open("rb") as file:
                if os.fstat(file.fileno()).st_size == len(data) and file.read() == data:
                    return True
        except FileNotFoundError:
            return False
        raise _diverged(path)

    def _make_folder(self, folder: Path, to_sync: dict[Path, None], fresh: set[Path]) -> None:
        """Make a folder, and those above it, where they are missing; gather what must be synced for them to last."""
        if folder in self._settled or folder in self._above or folder in fresh:
            return
        self._make_folder(folder.parent, to_sync, fresh)
        self._disk.make_folder(folder)
        to_sync[folder.parent] = None
        fresh.add(folder)

    def _settle(self, fresh: set[Path]) -> None:
        if len(self._settled) + len(fresh) > _MAX_SETTLED:
            self._settled.clear()
        self._settled |= fresh

    def _inside(self, path: str) -> Path:
        assert is_path(path), f"{path!r} leaves the depot"
        return self.root / path


def _groups(files: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """Files in groups that are small enough to be held in memory."""
    group: list[tuple[str, bytes]] = []
    held = 0
    for path, data in files:
        group.append((path, data))
        held += len(data)
        if len(group) == _GROUP or held >= _GROUP_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while chunk := left.read(_CHUNK):
            if chunk != right.read(_CHUNK):
                return False
    return True


def _diverged(path: str) -> Diverged:
    return Diverged(f"{path} exists with other bytes; nothing was overwritten")
