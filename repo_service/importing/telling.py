"""What a person reads while an import runs, and what is kept of what was left out."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Final

from repo_service.importing.entries import Problem
from repo_service.importing.preparing import Counted

SHOWN: Final = 20
"""Problems that are shown; if there are more, all of them are in the file as well."""
PROBLEMS: Final = "import-problems.ndjson"
_PLAIN_S: Final = 30.0
_LIVE_S: Final = 0.2
_WIDTH: Final = 79


@dataclass
class Telling:
    """Counts, and a line about it: over and over the same line on a terminal, else one in half a minute."""

    out: IO[str]
    problems_file: Path
    total: int | None = None
    """Bytes or projects that the source has, if it is known, and ``done`` how many of them are read."""
    done: Callable[[], int] | None = None
    entries: int = 0
    counted: Counted = field(default_factory=Counted)
    problems: list[Problem] = field(default_factory=list)
    left: int = 0
    _began: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)

    def recorded(self, entries: int, counted: Counted) -> None:
        """So many more entries were recorded. Says so on a line, if the last one is a while ago."""
        self.entries += entries
        self.counted += counted
        live = self.out.isatty()
        if time.monotonic() - self._said >= (_LIVE_S if live else _PLAIN_S):
            self._said = time.monotonic()
            self.out.write(f"\r{self.line():{_WIDTH}.{_WIDTH}}" if live else f"{self.line()}\n")
            self.out.flush()

    def left_out(self, problem: Problem) -> None:
        """Every problem is kept in the file; only the first ones in memory."""
        mode = "a" if self.left else "w"
        with self.problems_file.open(mode, encoding="utf-8") as file:
            file.write(json.dumps(asdict(problem)) + "\n")
        self.left += 1
        if len(self.problems) < SHOWN:
            self.problems.append(problem)

    def line(self) -> str:
        """How far it is, at most 79 characters."""
        passed = max(time.monotonic() - self._began, 0.001)
        its, rate = self.counted, self.counted.files / passed
        said = f"{self.entries} projects, {its.files} files new, {rate:.0f} files/s"
        if self.left:
            said += f", {self.left} left out"
        if self.total and self.done and (done := self.done()):
            share = min(done / self.total, 1.0)
            said += f", {share:.0%}, {_span(passed * (1 - share) / share)} left"
        return said

    def end(self) -> None:
        """Leave the line, so that what follows begins on a new one."""
        if self.out.isatty():
            self.out.write("\r" + " " * _WIDTH + "\r")


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
