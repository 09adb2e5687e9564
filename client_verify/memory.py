"""What this machine has verified about each name: the last signed page, kept so that it can never be taken back.

It lies beside python-tuf's metadata, never inside it. TUF protects the order of snapshots; this protects the promises
between the states of one name, also against a stolen online key (keys/succession.py).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from keys import page
from keys.state import NameState

_SCHEMA = """
CREATE TABLE IF NOT EXISTS verified (
    name TEXT PRIMARY KEY, page BLOB NOT NULL, snapshot INTEGER NOT NULL, verified_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS evidence (
    name TEXT NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL, snapshot INTEGER NOT NULL, seen_at TEXT NOT NULL,
    UNIQUE (name, before, after)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A page as it was signed, the version of the snapshot that listed it, and when this machine verified it."""

    page: bytes
    snapshot: int
    verified_at: str

    @property
    def state(self) -> NameState:
        return page.parse(self.page)


class Memory:
    """One SQLite file. Callers hold the repository's lock, so what they recall is what they replace."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._database() as database:
            database.executescript(_SCHEMA)

    def recall(self, name: str) -> Remembered | None:
        with self._database() as database:
            row = database.execute(
                "SELECT page, snapshot, verified_at FROM verified WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else Remembered(*row)

    def remember(self, name: str, verified: Remembered) -> None:
        with self._database() as database:
            database.execute(
                "INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?)",
                (name, verified.page, verified.snapshot, verified.verified_at),
            )

    def keep_evidence(self, name: str, before: bytes, after: bytes, snapshot: int, seen_at: str) -> None:
        """Keep two signed documents that contradict each other; ``after`` is empty where a page vanished."""
        with self._database() as database:
            database.execute(
                "INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?, ?)", (name, before, after, snapshot, seen_at)
            )

    def forget(self, name: str) -> bool:
        """Begin again with a name whose page was contradicted; False if none was. The evidence stays."""
        with self._database() as database:
            gone = database.execute(
                "DELETE FROM verified WHERE name = ? AND page IN (SELECT before FROM evidence WHERE name = ?)",
                (name, name),
            )
        return gone.rowcount > 0

    def count(self) -> int:
        """How many names this machine has verified."""
        with self._database() as database:
            (total,) = database.execute("SELECT count(*) FROM verified").fetchone()
        return int(total)

    def contradictions(self) -> list[tuple[str, str]]:
        """Names with kept evidence, and when it was seen."""
        with self._database() as database:
            return [(str(name), str(at)) for name, at in database.execute("SELECT name, seen_at FROM evidence")]

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            yield connection
