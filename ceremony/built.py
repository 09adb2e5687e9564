"""From what this tool was built: docs/bundle/build.py writes it into the bundle, and nothing else has it."""

import hashlib
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from keys import strict
from keys.times import Instant, moment

FILE: Final = "built.json"


@dataclass(frozen=True, slots=True)
class Built:
    """What a bundle says of itself. ``date`` is the date of its ``commit``; ``python`` is 3.11 or so."""

    version: str
    commit: str
    date: Instant
    python: str
    machine: str

    @property
    def at(self) -> datetime:
        """``date`` as a time, for dates to be compared with."""
        return moment(self.date)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The one file that is running, and its SHA-256."""

    path: Path
    sha256: str


def read() -> Built | None:
    """What this bundle was built from; None where the tool was installed, or runs from a checkout."""
    path = Path(__file__).with_name(FILE)
    return strict.load(Built, strict.parse(path.read_bytes())) if path.exists() else None


def bundle(program: Path) -> Bundle | None:
    """The bundle that ``program`` (``sys.argv[0]``) is; None if it is none."""
    if not zipfile.is_zipfile(program):
        return None
    with program.open("rb") as file:
        return Bundle(program, hashlib.file_digest(file, "sha256").hexdigest())
