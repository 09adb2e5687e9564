"""A disk that can lose its power. It does what the real one does, remembers the order, and says what may be left.

What POSIX promises is what it keeps: a file's bytes from the file's own sync on, a name from the sync of its folder
on, both from a sync of the whole file system on. Of everything else any part may be left, in any mixture: a name
without its bytes, a file cut in half, the second of two names and not the first.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from repo_service.storage.disk import Disk


@dataclass(frozen=True)
class Wrote:
    """A file's bytes."""

    file: int
    data: bytes


@dataclass(frozen=True)
class Named:
    """A name in a folder, for a file, for a folder (True), or for nothing any more (None)."""

    folder: Path
    name: str
    of: int | bool | None


@dataclass(frozen=True)
class Synced:
    """A file, a folder, or everything (None) survives from here on."""

    what: int | Path | None


Deed = Wrote | Named | Synced
Image = dict[Path, bytes]
"""What is to be seen after a cut: files that can be reached by their names, and their bytes."""


class FragileDisk(Disk):
    """``top`` is there and durable. ``lose`` is the number of the one sync that does nothing: a bug to be found."""

    def __init__(self, top: Path, lose: int | None = None) -> None:
        super().__init__()
        self.top = top
        self.deeds: list[Deed] = []
        self.syncs: list[Path | None] = []
        self._lose = lose
        self._files: dict[tuple[int, int], int] = {}
        self._folders: set[Path] = set()

    def create(self, path: Path, data: bytes) -> None:
        super().create(path, data)
        self._files.pop(self._key(path), None)
        self.deeds.append(Named(path.parent, path.name, self._file(path)))

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        if path not in self._folders:  # also if it is there: whoever made it has not synced its name
            self._folders.add(path)
            self.deeds.append(Named(path.parent, path.name, True))

    def link(self, draft: Path, final: Path) -> None:
        super().link(draft, final)
        self.deeds.append(Named(final.parent, final.name, self._file(final)))

    def replace(self, draft: Path, final: Path) -> None:
        super().replace(draft, final)
        self.deeds.append(Named(final.parent, final.name, self._file(final)))

    def remove(self, path: Path) -> None:
        if path.exists():
            self.deeds.append(Named(path.parent, path.name, None))
        super().remove(path)

    def sync(self, path: Path) -> None:
        self._synced(path, path if path.is_dir() else self._file(path))

    def sync_each(self, paths: Iterable[Path]) -> None:
        for path in paths:  # one after the other, so that there are moments between them
            self.sync(path)

    @contextmanager
    def syncing_all(self, path: Path) -> Iterator[Callable[[], None]]:
        yield lambda: self._synced(None, None)

    def _synced(self, path: Path | None, what: int | Path | None) -> None:
        if len(self.syncs) != self._lose:
            self.deeds.append(Synced(what))
        self.syncs.append(path)

    def _key(self, path: Path) -> tuple[int, int]:
        stat = path.stat()
        return stat.st_ino, stat.st_mtime_ns

    def _file(self, path: Path) -> int:
        """The file of a name; its bytes are remembered when it is met first."""
        key = self._key(path)
        if key not in self._files:
            self._files[key] = len(self.deeds)
            self.deeds.append(Wrote(self._files[key], path.read_bytes()))
        return self._files[key]

    def images(self, cut: int) -> Iterator[Image]:
        """What may be left if the power goes after the first ``cut`` deeds: everything, only what must be, and each
        that need not be alone or alone missing; bytes that need not be are missing, cut in half, or there."""
        before = self.deeds[:cut]
        loose = [number for number, deed in enumerate(before) if not _must_stay(deed, before[number + 1 :])]
        names = [number for number in loose if isinstance(before[number], Named)]
        every, torn = set(names), set(loose) - set(names)
        kept_with_their_bytes = [every, *(every - {each} for each in names)]
        kept_without = [every, set[int](), *({each} for each in names)] if torn else []
        for keeping in kept_with_their_bytes:
            yield self._image(before, every - keeping, torn, 1.0)
        for keeping, share in itertools.product(kept_without, (0.0, 0.5)):
            yield self._image(before, every - keeping, torn, share)
        yield self._image(before, every, torn, 1.0)

    def _image(self, before: list[Deed], lost: set[int], torn: set[int], share: float) -> Image:
        data: dict[int, bytes] = {}
        entries: dict[Path, int | bool | None] = {}
        for number, deed in enumerate(before):
            if isinstance(deed, Wrote):
                data[deed.file] = deed.data[: int(len(deed.data) * share)] if number in torn else deed.data
            elif isinstance(deed, Named) and number not in lost:
                entries[deed.folder / deed.name] = deed.of
        return {
            path: data[of]
            for path, of in entries.items()
            if type(of) is int and all(entries.get(above) is True for above in self._between(path))
        }

    def _between(self, path: Path) -> Iterator[Path]:
        """The folders that lead to a name, without ``top``."""
        return itertools.takewhile(lambda above: above != self.top, path.parents)


def _must_stay(deed: Deed, after: list[Deed]) -> bool:
    mine = deed.file if isinstance(deed, Wrote) else deed.folder if isinstance(deed, Named) else None
    return isinstance(deed, Synced) or any(
        isinstance(each, Synced) and (each.what is None or each.what == mine) for each in after
    )
