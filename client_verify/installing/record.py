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
from keys.times import moment, stamp

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

    def __post_init__(self) -> None:
        moment(self.at)


def refusal(entry: Entry, program: str, now: datetime) -> Refusal:
    """An entry of a report as it is kept."""
    return Refusal(stamp(now), entry.repository, entry.subject, entry.code, entry.detail, program)


@dataclass(frozen=True, slots=True)
class Record:
    """What was refused, in the order in which it came, and how many lines cannot be read."""

    refusals: list[Refusal]
    unreadable: int


def read(path: Path) -> Record:
    """The record and the one before it; empty if nothing was ever refused."""
    files = (_before(path), path)
    lines = [line for file in files if file.exists() for line in file.read_bytes().splitlines()]
    refusals = [refusal for line in lines if (refusal := _read(line)) is not None]
    return Record(refusals, len(lines) - len(refusals))


def append(path: Path, kept: Refusal) -> None:
    """Add a line. Several processes may: each line is one write to the end of the file. OSError if it cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MOST:
        path.replace(_before(path))
    line = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(line, compact(strict.dump(kept)) + b"\n")
    finally:
        os.close(line)


def _before(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _read(line: bytes) -> Refusal | None:
    # A server chose some of these words: strict.load lets none through that would move a cursor.
    try:
        return strict.load(Refusal, strict.parse(line))
    except ValueError:
        return None
