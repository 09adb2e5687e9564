"""What happened behind an installer's back in one run: every refusal and warning once, in order, and the exit code."""

import threading
from dataclasses import dataclass
from typing import Final

from client_verify.refusals import KINDS, Code

MAYBE_HARMLESS: Final[frozenset[Code]] = frozenset({"absent", "unknown-version", "unknown-file", "all-yanked"})
"""An installer may ask for what does not exist and go on without it; these count only if it failed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A refusal: of what, which kind, and the sentence with the values."""

    subject: str
    code: Code
    detail: str


class Report:
    """Collected by the threads of the index, read when the installer has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: dict[tuple[Code, str], Entry] = {}
        self._warnings: dict[str, None] = {}

    def refuse(self, subject: str, code: Code, detail: str) -> None:
        with self._lock:
            self._refused.setdefault((code, detail), Entry(subject, code, detail))

    def warn(self, sentence: str) -> None:
        with self._lock:
            self._warnings.setdefault(sentence)

    def refused(self, child: int) -> list[Entry]:
        """The refusals that count, where the installer ended with code ``child``."""
        with self._lock:
            return [entry for entry in self._refused.values() if child != 0 or entry.code not in MAYBE_HARMLESS]

    def warnings(self) -> list[str]:
        with self._lock:
            return list(self._warnings)

    def exit_code(self, child: int) -> int:
        """The installer's own code if nothing was refused; otherwise that of the gravest refusal, the lowest."""
        return min((KINDS[entry.code].exit for entry in self.refused(child)), default=child)


def sentence(entry: Entry, consequence: str) -> str:
    """A refusal as a person reads it at the terminal."""
    return (
        f"tallystick: REFUSED {entry.subject}: {KINDS[entry.code].title}\n"
        f"  {entry.detail}.\n"
        f"  {consequence} See: tallystick explain {entry.code}"
    )
