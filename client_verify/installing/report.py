"""What happened behind an installer's back in one run: every refusal and warning once, in order, and the exit code."""

import textwrap
import threading
from dataclasses import dataclass
from typing import Final

from client_verify.refusals import KINDS, Code

MAYBE_HARMLESS: Final[frozenset[Code]] = frozenset({"absent", "unknown-version", "unknown-file", "all-yanked"})
"""An installer may ask for what does not exist and go on without it; these count only if it failed."""

_REFUSED: Final = "tallystick: REFUSED"
_UNBROKEN: Final = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A refusal: of what, which kind, the sentence with the values, and which pinned repository answers for it."""

    subject: str
    code: Code
    detail: str
    repository: str | None = None


class Report:
    """Collected by the threads of the index, read when the installer has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: dict[tuple[Code, str], Entry] = {}
        self._warnings: dict[str, None] = {}
        self._notes: dict[str, None] = {}

    def refuse(self, entry: Entry) -> None:
        """Keep a refusal to be told at the end; the same one again counts once."""
        with self._lock:
            self._refused.setdefault((entry.code, entry.detail), entry)

    def warn(self, sentence: str) -> None:
        """Keep a warning to be told at the end, once."""
        with self._lock:
            self._warnings.setdefault(sentence)

    def note(self, sentence: str) -> None:
        """Keep a note to be told at the end, once."""
        with self._lock:
            self._notes.setdefault(sentence)

    def refused(self, child: int) -> list[Entry]:
        """The refusals that count, where the installer ended with code ``child``."""
        with self._lock:
            return [entry for entry in self._refused.values() if child != 0 or entry.code not in MAYBE_HARMLESS]

    def warnings(self) -> list[str]:
        """Each once, in the order in which they came."""
        with self._lock:
            return list(self._warnings)

    def notes(self) -> list[str]:
        """Each once, in the order in which they came."""
        with self._lock:
            return list(self._notes)

    def exit_code(self, child: int) -> int:
        """The installer's own code if nothing was refused; otherwise that of the gravest refusal, the lowest."""
        return min((KINDS[entry.code].exit for entry in self.refused(child)), default=child)


def sentence(entry: Entry, consequence: str) -> str:
    """A refusal as a person reads it at the terminal, once it is ``wrapped``."""
    see = f"See: tallystick explain {entry.code}".replace(" ", _UNBROKEN)
    return f"{_REFUSED} {entry.subject}: {KINDS[entry.code].title}\n  {entry.detail}.\n  {consequence} {see}"


def wrapped(text: str, width: int) -> str:
    """Text within so many columns, every line at its own indentation.

    What people search for stays in one piece: the line that says what was refused, and the command that explains it.
    """
    lines = (line if line.startswith(_REFUSED) else _filled(line, width) for line in text.split("\n"))
    return "\n".join(lines).replace(_UNBROKEN, " ")


def _filled(line: str, width: int) -> str:
    own = line[: len(line) - len(line.lstrip(" "))]
    return textwrap.fill(
        line.lstrip(" "),
        width,
        initial_indent=own,
        subsequent_indent=own or "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
