"""Drafts: local files that are being written and are nobody's to read. What a killed process leaves is swept."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FOLDER: Final = ".incoming"
_OLD_S: Final = 86400.0


class Drafts:
    """A folder for drafts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def naming(self) -> Iterator[Callable[[], Path]]:
        """Names for drafts, each of them new; whatever has one is gone after the block."""
        self._folder.mkdir(parents=True, exist_ok=True)
        named: list[Path] = []

        def name() -> Path:
            named.append(self._folder / secrets.token_hex(16))
            return named[-1]

        try:
            yield name
        finally:
            for draft in named:
                draft.unlink(missing_ok=True)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty draft, gone after the block."""
        with self.naming() as name:
            draft = name()
            draft.touch(0o600, exist_ok=False)
            yield draft

    def sweep(self) -> int:
        """Remove drafts that nobody has written to for a day; how many. Nothing that is alive takes so long."""
        swept = 0
        with self.incoming() as fresh:
            newest = fresh.stat().st_mtime  # the file system's clock, which wrote the others' times too
            for draft in self._folder.iterdir():
                try:
                    if draft.stat().st_mtime < newest - _OLD_S:
                        draft.unlink()
                        swept += 1
                except FileNotFoundError:
                    continue  # its writer has done with it, or somebody else sweeps too
        return swept
