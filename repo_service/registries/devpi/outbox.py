"""What happened in devpi's indexes and waits for its service: durable rows in an SQLite file of the plugin's own.

A row says how one version of a project stood after one commit of devpi (its *serial*): all its files, or none where it
is gone. A project's rows go out in the order of their numbers, one after the other; where one is refused, those behind
it wait for a person. The last row of each version stays, done, so that a commit that devpi tells twice is one row.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from keys import strict
from keys.times import stamp

Standing = Literal["waiting", "refused", "done", "skipped"]
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, index_name TEXT NOT NULL, project TEXT NOT NULL,
    version TEXT NOT NULL, serial INTEGER NOT NULL, display TEXT NOT NULL, files TEXT NOT NULL, at TEXT NOT NULL,
    standing TEXT NOT NULL DEFAULT 'waiting', why TEXT
);
CREATE INDEX IF NOT EXISTS of_version ON rows (index_name, project, version, serial);
CREATE INDEX IF NOT EXISTS open ON rows (index_name, standing, number) WHERE standing IN ('waiting', 'refused');
CREATE TABLE IF NOT EXISTS notes (index_name TEXT, name TEXT, text TEXT NOT NULL, PRIMARY KEY (index_name, name));
"""
_OPEN: Final = "standing IN ('waiting', 'refused') AND index_name = ?"
_FIRST: Final = f"standing = 'waiting' AND number IN (SELECT min(number) FROM rows WHERE {_OPEN} GROUP BY project)"  # noqa: S608 - our own
_FORGET: Final = """DELETE FROM rows WHERE standing IN ('done', 'skipped') AND number < ?
    AND (index_name, project, version) = (SELECT index_name, project, version FROM rows WHERE number = ?)"""
_INSERT: Final = """INSERT INTO rows (key, index_name, project, version, serial, display, files, at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_LAST: Final = """SELECT standing, files FROM rows WHERE index_name = ? AND project = ? AND version = ?
    ORDER BY number DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file as devpi has it."""

    filename: str
    sha256: str
    size: int
    url: str
    requires_python: str | None


@dataclass(frozen=True, slots=True)
class Stood:
    """How a version of a project stood after a commit of devpi. No ``files``: it was gone. ``project`` is normalised,
    ``display`` the spelling that its owner chose.
    """

    project: str
    version: str
    serial: int
    display: str
    files: tuple[IndexFile, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the outbox. ``key`` is the first part of its idempotency keys; ``why`` says why it was refused."""

    number: int
    key: str
    stood: Stood
    at: str
    standing: Standing
    why: str | None


class Outbox:
    """The file. Each call opens it anew: any thread and process may use it at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._writing() as db:
            db.executescript(_SCHEMA)

    def add(self, index: str, stood: Stood, now: datetime) -> None:
        """Keep what devpi told. It is durable when this returns. What was kept before, or something later of the same
        version, makes it no row.
        """
        later = "SELECT 1 FROM rows WHERE index_name = ? AND project = ? AND version = ? AND serial >= ?"
        with self._writing() as db:
            if not db.execute(later, (index, stood.project, stood.version, stood.serial)).fetchone():
                _insert(db, index, stood, now)

    def add_found(self, index: str, found: Sequence[Stood], now: datetime) -> int:
        """Keep what a comparison found, and how many rows that is. What waits already will say it, or something newer;
        and what a person skipped is skipped until devpi has it otherwise.
        """
        with self._writing() as db:
            new = [each for each in found if not _settled(db, index, each)]
            for each in new:
                _insert(db, index, each, now)
        return len(new)

    def next_rows(self, index: str) -> list[Row]:
        """The first row of each project that waits, where none before it was refused."""
        return self._rows(_FIRST, index)

    def open_rows(self, index: str) -> list[Row]:
        """Every row that waits or was refused, in order."""
        return self._rows(_OPEN, index)

    def row(self, number: int) -> Row | None:
        """The row of a number."""
        return next(iter(self._rows("number = ?", number)), None)

    def done(self, row: Row) -> None:
        """It is signed, or will be. Earlier rows of the version are forgotten: this one says all that they could."""
        self._stands(row, "done", None)
        with self._writing() as db:
            db.execute(_FORGET, (row.number, row.number))

    def refuse(self, row: Row, why: str) -> None:
        """The service will not have it: from here on the project waits for a person."""
        self._stands(row, "refused", why)

    def retry(self, row: Row) -> None:
        """Send it again, as something new: what was answered under its key does not count."""
        with self._writing() as db:
            db.execute("UPDATE rows SET key = ? WHERE number = ?", (secrets.token_hex(16), row.number))
        self._stands(row, "waiting", None)

    def skip(self, row: Row) -> None:
        """Never send it: the project goes on with the next row."""
        self._stands(row, "skipped", row.why)

    def rewind(self, serial: int) -> int:
        """Forget what devpi does not know of: how many rows stood at a later serial than its newest. They are of a past
        that a backup has taken back, and the same numbers will be used again.
        """
        with self._writing() as db:
            return db.execute("DELETE FROM rows WHERE serial > ?", (serial,)).rowcount

    def projects(self, index: str) -> set[str]:
        """Every project that has a row."""
        with self._reading() as db:
            return {name for (name,) in db.execute("SELECT DISTINCT project FROM rows WHERE index_name = ?", (index,))}

    def note(self, index: str, name: str, text: str) -> None:
        """Write down something about an index, over what was there under this name; an empty text is nothing."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (index, name, text))

    def noted(self, index: str, name: str) -> str:
        """What was written down last; empty if nothing was."""
        with self._reading() as db:
            found = db.execute("SELECT text FROM notes WHERE index_name = ? AND name = ?", (index, name)).fetchone()
        return found[0] if found else ""

    def _stands(self, row: Row, standing: Standing, why: str | None) -> None:
        with self._writing() as db:
            db.execute("UPDATE rows SET standing = ?, why = ? WHERE number = ?", (standing, why, row.number))

    def _rows(self, where: str, parameter: object) -> list[Row]:
        columns = "number, key, project, version, serial, display, files, at, standing, why"
        with self._reading() as db:
            found = db.execute(f"SELECT {columns} FROM rows WHERE {where} ORDER BY number", (parameter,))  # noqa: S608 - our own
            return [_row(*each) for each in found]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            yield db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            with db:
                yield db


def _insert(db: sqlite3.Connection, index: str, stood: Stood, now: datetime) -> None:
    about = index, stood.project, stood.version, stood.serial, stood.display
    db.execute(_INSERT, (secrets.token_hex(16), *about, _text(stood), stamp(now)))


def _settled(db: sqlite3.Connection, index: str, stood: Stood) -> bool:
    last = db.execute(_LAST, (index, stood.project, stood.version)).fetchone()
    return last is not None and (last[0] in ("waiting", "refused") or last == ("skipped", _text(stood)))


def _text(stood: Stood) -> str:
    return json.dumps(strict.dump(stood.files))


def _row(
    number: int, key: str, project: str, version: str, serial: int, display: str, files: str, at: str,
    standing: Standing, why: str | None,
) -> Row:  # fmt: skip
    loaded = strict.load(tuple[IndexFile, ...], json.loads(files))
    return Row(number, key, Stood(project, version, serial, display, loaded), at, standing, why)
