"""What was refused on this machine, one JSON object a line, for whoever asks later what happened."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from client_verify.installing.report import Entry
from client_verify.refusals import Code
from keys import strict
from keys.encoding import compact
from keys.times import stamp

MOST: Final = 1 << 20
"""Bytes of a record; then it becomes the one before, ``refusals.jsonl.1``, and a new one begins."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line: when, which pinned repository (None if no one could be told), of what, which kind, why, for whom."""

    at: str
    repository: str | None
    subject: str
    code: Code
    detail: str
    program: str


def refusal(entry: Entry, program: str, now: datetime) -> Refusal:
    """An entry of a report as it is kept."""
    return Refusal(stamp(now), entry.repository, entry.subject, entry.code, entry.detail, program)


def append(path: Path, kept: Refusal) -> None:
    """Add a line. Several processes may: each line is one write to the end of the file. OSError if it cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MOST:
        path.replace(path.with_name(f"{path.name}.1"))
    line = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(line, compact(strict.dump(kept)) + b"\n")
    finally:
        os.close(line)
