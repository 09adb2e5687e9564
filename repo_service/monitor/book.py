"""The monitor's own memory: a folder with one database, of which nothing is published and everything can be made again.

One transaction holds whole releases: what was read of them, and what was found. Whoever is killed goes on at the end of
a release, and nothing is lost or said twice.
"""

import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from keys import strict
from keys.encoding import compact_plain, read_plain
from repo_service.monitor.findings import Finding

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
FORM: Final = 1
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finding (number INTEGER PRIMARY KEY, code TEXT NOT NULL, said BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS name (
    name TEXT PRIMARY KEY, state BLOB NOT NULL, layout TEXT NOT NULL, length INTEGER NOT NULL, sha256 TEXT NOT NULL,
    is_whole INTEGER NOT NULL, generation INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS target (
    place INTEGER NOT NULL, path TEXT NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (place, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS role (role TEXT PRIMARY KEY, version INTEGER NOT NULL, length INTEGER, sha256 TEXT);
CREATE TABLE IF NOT EXISTS body (number INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, generation INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS document (
    path TEXT PRIMARY KEY, number INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS release (generation INTEGER PRIMARY KEY, place INTEGER NOT NULL, leaf BLOB NOT NULL);
"""


class BookInUse(Exception):
    """Another monitor has this folder open, or it was written by another version. Nothing was written."""


class Book:
    """The memory in a folder, which is made if it is not there. Watchers may keep tables of their own in ``db``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(folder / "monitor.sqlite", isolation_level=None, timeout=2)
        try:
            # The book is one monitor's from here on; what is lost in a power cut is read again from the log.
            self.db.executescript("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            self.db.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        except sqlite3.OperationalError as error:
            self.db.close()
            raise BookInUse(f"{folder}: {error}. Is another monitor at work? Nothing was written") from None
        if self.number("form", FORM) != FORM:
            self.db.close()
            raise BookInUse(f"{folder} was written by another version; give the monitor an empty folder")
        self.keep("form", str(FORM).encode())

    def close(self) -> None:
        """Let the next monitor have it. What no transaction wrote is not kept."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within it, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def value(self, key: str) -> bytes | None:
        """What is kept under a key."""
        row = self.db.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def number(self, key: str, otherwise: int) -> int:
        """A number that is kept under a key."""
        found = self.value(key)
        return otherwise if found is None else int(found)

    def keep(self, key: str, value: bytes) -> None:
        """Under a key, in place of what was there."""
        self.db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, value))

    def say(self, findings: Iterable[Finding]) -> None:
        """Keep findings, after those before."""
        rows = ((each.code, compact_plain(strict.dump(_in_one_line(each)))) for each in findings)
        self.db.executemany("INSERT INTO finding (code, said) VALUES (?, ?)", rows)

    def findings(self, after: int = 0) -> Iterator[tuple[int, Finding]]:
        """The findings after a number, each with its own."""
        rows = self.db.execute("SELECT number, said FROM finding WHERE number > ? ORDER BY number", (after,))
        yield from ((number, strict.load(Finding, read_plain(said))) for number, said in rows)


def _in_one_line(finding: Finding) -> Finding:
    """Without what moves a cursor. Sentences quote strangers, and what cannot be read back would be in the way of all
    that follows it.
    """
    name = finding.name if finding.name is None else _line(finding.name)
    return replace(finding, sentence=_line(finding.sentence), name=name)


def _line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    safe = ("\ufffd" if unicodedata.category(each) in _UNSAFE else each for each in text.replace("\n", " "))
    return "".join(safe)
