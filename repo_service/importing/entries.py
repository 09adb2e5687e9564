"""What sources give: one project after the other, or why one is left out."""

from dataclasses import dataclass
from typing import Final

from keys import strict
from repo_service.domain.bringing import Brought

MAX_LINE: Final = 64 << 20
"""Bytes of one project: some hundred thousand files."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One project. ``key`` is the SHA-256 of what its source says: what was taken whole under it is not asked again
    (None: it is, each time).

    ``said`` is a line that nobody has read yet (docs/FORMAT.md, "Import"), or what a source has read of its own form.
    """

    where: str
    key: str | None
    said: bytes | Brought

    def read(self) -> Brought:
        """The project. Malformed says what is wrong with the line."""
        return strict.load(Brought, strict.parse(self.said)) if isinstance(self.said, bytes) else self.said


@dataclass(frozen=True, slots=True)
class Problem:
    """What was left out, where it stood, and why: a line of ``import-problems.ndjson``."""

    where: str
    why: str
    name: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        about = " ".join(each for each in (self.name, self.version) if each)
        return f"{self.where}: {about}{': ' if about else ''}{self.why}"
