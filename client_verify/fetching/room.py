"""How much a cache may hold: what was not used for longest goes first, and what is being fetched stays."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

LIMIT: Final = 2 << 30
"""Bytes of verified files that are kept, where nobody says otherwise."""
_BLOB: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ABANDONED: Final = 86_400.0  # seconds after which what is still arriving is what a crash left


def kept(directory: Path) -> Iterator[os.DirEntry[str]]:
    """The files that may be deleted: verified ones, and what a crash left of others. Nothing if there is no cache."""
    if not directory.is_dir():
        return
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # another process deletes as well; once asked, an entry knows its facts
                if entry.stat().st_mtime < time.time() - _ABANDONED or _BLOB.fullmatch(entry.name):
                    yield entry


def used(path: Path) -> None:
    """Note that a file was used now. A cache that only others may write is used as it is."""
    with suppress(OSError):
        os.utime(path)


def make_room(directory: Path, limit: int) -> None:
    """Delete what was not used for longest until no more than ``limit`` bytes are left; the last used one stays."""
    newest_first = sorted(kept(directory), key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
    total = 0
    for place, entry in enumerate(newest_first):
        total += entry.stat().st_size
        if total > limit and place > 0:
            Path(entry.path).unlink(missing_ok=True)
