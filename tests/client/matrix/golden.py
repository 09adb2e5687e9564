"""What people read after an attack: ``python -m tests.client.matrix.golden`` writes it anew where a change is meant.

A file for each attack: a heading for those installers with which the same comes of it, and below it what tallystick
says when the installer has ended, as a terminal of 80 columns shows it. Ports and dates are replaced, and the
installer's name.
"""

import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.client.matrix.stage import Outcome

FOLDER: Final = Path(__file__).parent / "golden"
WRITING: Final = "TALLYSTICK_WRITES_GOLDEN"
_HEADING: Final = re.compile(r"^== (.+?): (.+)\n", re.MULTILINE)


def shown(outcome: Outcome) -> str:
    """An outcome as it stands below a heading."""
    return f"{outcome.told.strip()}\n"


def summary(outcome: Outcome) -> str:
    """An outcome as its heading says it, without the installers."""
    return f"exit code {outcome.code}, {', '.join(outcome.installed) or 'nothing'} installed"


def check(attack: str, installer: str, outcome: Outcome) -> None:
    """This outcome is what somebody has read and found right."""
    if WRITING in os.environ:
        _write(attack, installer, outcome)
    reviewed = _read(attack).get(installer)
    assert (summary(outcome), shown(outcome)) == reviewed, "if a change is meant: python -m tests.client.matrix.golden"


def _write(attack: str, installer: str, outcome: Outcome) -> None:
    """Put a cell into its file."""
    cells = _read(attack)
    cells[installer] = summary(outcome), shown(outcome)
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, cell in cells.items():
        grouped.setdefault(cell, []).append(name)
    sections = (f"== {', '.join(who)}: {line}\n{text}" for (line, text), who in grouped.items())
    (FOLDER / f"{attack}.txt").write_text("\n".join(sections))


def _read(attack: str) -> dict[str, tuple[str, str]]:
    path = FOLDER / f"{attack}.txt"
    parts = _HEADING.split(path.read_text() if path.exists() else "")[1:]
    sections = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return {name: (line, f"{text.strip()}\n") for who, line, text in sections for name in who.split(", ")}


if __name__ == "__main__":
    for old in () if sys.argv[1:] else FOLDER.glob("*.txt"):  # all are made again, unless pytest is told which
        old.unlink()
    os.environ[WRITING] = "1"
    sys.exit(pytest.main([str(Path(__file__).parent), "-n0", *sys.argv[1:]]))
