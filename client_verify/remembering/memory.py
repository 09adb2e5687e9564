"""What this machine has verified: the last signed page of each name, so that it can never be taken back.

It lies beside python-tuf's metadata, never inside it. TUF protects the order of snapshots; this protects the promises
between the states of one name, also against a stolen online key (keys/succession.py). Beside each page are the signed
files that prove it, so that a contradiction can be shown to others, and what goes with a page but is not in it.

The file is SQLite with its rollback journal and ``synchronous=FULL``: what is remembered survives a kill at any time
and a loss of power, and a home directory on a network, where a write-ahead log would not do. It is never begun anew
where something was verified before: damaged or missing, it is refused (docs/adr/0031).
"""

import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from client_verify import withdrawals
from client_verify.answers import Past
from client_verify.refusals import Refused, Usage
from client_verify.remembering import evidence
from client_verify.remembering.evidence import Evidence
from client_verify.remembering.proofs import PAGE
from keys import page, strict
from keys.encoding import compact, sha256
from keys.state import NameState
from keys.times import moment

SCHEMA: Final = 3
_TABLES: Final = """
CREATE TABLE verified (
    name TEXT PRIMARY KEY, page BLOB NOT NULL, sha256 TEXT NOT NULL, snapshot INTEGER NOT NULL,
    verified_at TEXT NOT NULL, past TEXT NOT NULL
) STRICT;
CREATE TABLE proof (name TEXT NOT NULL, role TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (name, role)) STRICT;
CREATE INDEX proof_document ON proof (document);
CREATE TABLE document (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE timestamp (kept_for TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE evidence (
    id TEXT PRIMARY KEY, subject TEXT NOT NULL, before TEXT NOT NULL, seen_at TEXT NOT NULL, data BLOB NOT NULL
) STRICT;
"""
_HEADS: Final = """
CREATE TABLE head (
    origin TEXT NOT NULL, kept_for TEXT NOT NULL, note BLOB NOT NULL, at TEXT NOT NULL, PRIMARY KEY (origin, kept_for)
) STRICT;
"""
NEWEST: Final = "order"
"""For which the newest timestamp is kept: no older one may come, even if python-tuf's files are lost. Of a log it is
the newest checkpoint.
"""
CHECKED: Final = "growth"
"""For which the checkpoint of a log is kept of which this machine itself has checked that the log only grew."""
LATEST: Final = "time"
"""For which the timestamp that was signed last is kept: it is not earlier than that."""
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


@dataclass(frozen=True, slots=True)
class Remembered:
    """A page as it was signed, the version of the snapshot that listed it, when this machine verified it, and what is
    remembered beside it.
    """

    page: bytes
    snapshot: int
    verified_at: str
    past: Past = field(default=Past())

    @property
    def state(self) -> NameState:
        """What the page says."""
        return page.parse(self.page)


@dataclass(frozen=True, slots=True)
class Head:
    """A log's checkpoint as it was signed, and when this machine verified it."""

    note: bytes
    at: str


class Memory:
    """One SQLite file. Callers hold the repository's lock, so what they recall is what they replace."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            self._begin()
        with self._writing() as database:
            self._migrate(database)

    def recall(self, name: str) -> Remembered | None:
        """What was verified of a name last, None if nothing was. Refused if the page is not what was written."""
        with self._reading() as database:
            row = database.execute(
                "SELECT page, snapshot, verified_at, past, sha256 FROM verified WHERE name = ?", (name,)
            ).fetchone()
            if row is None:
                return None
            data, snapshot, verified_at, past, digest = row
            if sha256(data) != digest:
                raise self._damaged(f"the page of {name} is not the one that was written")
            return Remembered(data, snapshot, verified_at, _past(past))

    def remember(self, name: str, verified: Remembered, proof: Mapping[str, bytes]) -> None:
        """Keep a page with the signed files that prove it; without any, those that are kept already stay."""
        with self._writing() as database:
            _write(database, name, verified)
            if proof:
                _forget_proof(database, name)
                for role, data in proof.items():
                    document = (sha256(data), zlib.compress(data))
                    database.execute("INSERT OR IGNORE INTO document VALUES (?, ?)", document)
                    database.execute("INSERT INTO proof VALUES (?, ?, ?)", (name, role, document[0]))

    def proof(self, name: str) -> dict[str, bytes]:
        """The signed files that prove the page of a name, by their role; none where they were not kept."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT role, data, sha256 FROM proof JOIN document ON document = sha256 WHERE name = ?", (name,)
            ).fetchall()
            files = {str(role): zlib.decompress(data) for role, data, _ in rows}
            if any(sha256(files[role]) != digest for role, _, digest in rows):
                raise self._damaged(f"what proves the page of {name} is not what was written")
            return files

    def timestamp(self, kept_for: str) -> bytes | None:
        """A signed timestamp that was kept for a purpose."""
        with self._reading() as database:
            row = database.execute("SELECT data FROM timestamp WHERE kept_for = ?", (kept_for,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep_timestamp(self, kept_for: str, data: bytes) -> None:
        """Keep a signed timestamp for a purpose, in the place of the one before."""
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO timestamp VALUES (?, ?)", (kept_for, data))

    def head(self, origin: str, kept_for: str) -> "Head | None":
        """A checkpoint of a log that was kept for a purpose."""
        with self._reading() as database:
            row = database.execute(
                "SELECT note, at FROM head WHERE origin = ? AND kept_for = ?", (origin, kept_for)
            ).fetchone()
        return None if row is None else Head(bytes(row[0]), str(row[1]))

    def origins(self) -> list[str]:
        """The logs of which a checkpoint is kept."""
        with self._reading() as database:
            return [str(origin) for (origin,) in database.execute("SELECT DISTINCT origin FROM head ORDER BY origin")]

    def keep_head(self, origin: str, kept: Mapping[str, "Head"]) -> None:
        """Keep checkpoints of a log, each for its purpose."""
        with self._writing() as database:
            rows = [(origin, kept_for, head.note, head.at) for kept_for, head in kept.items()]
            database.executemany("INSERT OR REPLACE INTO head VALUES (?, ?, ?, ?)", rows)

    def keep_evidence(self, found: Evidence) -> None:
        """Keep two signed documents that contradict each other; the first time that they do."""
        with self._writing() as database:
            _write_evidence(database, found)

    def evidence(self) -> list[Evidence]:
        """All that was kept, the oldest first."""
        with self._reading() as database:
            rows = database.execute("SELECT data FROM evidence ORDER BY seen_at, id").fetchall()
            return [evidence.load(zlib.decompress(data)) for (data,) in rows]

    def contradictions(self) -> list[tuple[str, str]]:
        """What has kept evidence, names and roles, and when it was seen."""
        with self._reading() as database:
            return [(str(name), str(at)) for name, at in database.execute("SELECT subject, seen_at FROM evidence")]

    def forget(self, name: str) -> bool:
        """Begin again with a name whose page was contradicted; False if none was. The evidence stays."""
        with self._writing() as database:
            gone = database.execute(
                "DELETE FROM verified WHERE name = ? AND sha256 IN (SELECT before FROM evidence WHERE subject = ?)",
                (name, name),
            )
            if gone.rowcount > 0:
                _forget_proof(database, name)
        return gone.rowcount > 0

    def names(self) -> list[str]:
        """The names that this machine has verified."""
        with self._reading() as database:
            return [str(name) for (name,) in database.execute("SELECT name FROM verified ORDER BY name")]

    def count(self) -> int:
        """How many names this machine has verified."""
        return len(self.names())

    def _begin(self) -> None:
        self._check_first("missing")
        self._path.touch()

    def _check_first(self, what: str) -> None:
        if (self._path.parent / "metadata" / "timestamp.json").exists():
            raise self._damaged(f"it is {what}, although this repository was verified before")

    def _migrate(self, database: sqlite3.Connection) -> None:
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        if schema == SCHEMA:
            return
        if schema > SCHEMA:
            raise Usage(
                f"{self._path} was written by a newer tallystick (its schema is {schema}, this one knows {SCHEMA}). "
                "Update this one. Nothing was written."
            )
        if database.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:
            self._check_first("empty")
            _create(database)
        elif schema == 0:
            _from_first(database)
        else:
            _execute(database, _HEADS)
        database.execute(f"PRAGMA user_version = {SCHEMA}")

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._transaction("BEGIN")

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            uri = f"{self._path.absolute().as_uri()}?mode=rw"  # never made here: an empty one would look like the first
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
                connection.execute(begin)
                with connection:
                    yield connection
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "").startswith(_DAMAGED):
                raise self._damaged(str(error)) from error
            raise
        except (zlib.error, strict.Malformed) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> Refused:
        return Refused("memory-damaged", f"{self._path}: {why}. Nothing was written")


def begin_anew(path: Path) -> Path | None:
    """Forget everything but the evidence. A damaged file is put aside, with its evidence; gives where. Callers hold the
    repository's lock. Killed at any moment, it leaves the old memory, the new one, or none, which is refused.
    """
    try:
        kept, aside = (Memory(path).evidence() if path.exists() else []), None
    except Refused:
        kept, aside = [], _unused(path)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch()
    with closing(sqlite3.connect(new, isolation_level=None)) as database, database:
        database.execute("BEGIN")
        _create(database)
        for each in kept:
            _write_evidence(database, each)
        database.execute(f"PRAGMA user_version = {SCHEMA}")
    if aside is not None:
        path.rename(aside)
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)  # what it undoes is not in the new file
    new.replace(path)
    return aside


def _unused(path: Path) -> Path:
    numbered = (path.with_suffix(f".damaged-{number}") for number in count(1))
    return next(each for each in numbered if not each.exists())


def _create(database: sqlite3.Connection) -> None:
    _execute(database, _TABLES + _HEADS)


def _execute(database: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";")[:-1]:
        database.execute(statement)


def _from_first(database: sqlite3.Connection) -> None:
    """From schema 1, which had no number: pages without what proves them."""
    verified = database.execute("SELECT name, page, snapshot, verified_at FROM verified").fetchall()
    contradicted = database.execute("SELECT name, before, after, seen_at FROM evidence").fetchall()
    for table in ("verified", "evidence"):
        database.execute(f"DROP TABLE {table}")
    _create(database)
    for name, data, snapshot, at in verified:
        _write(database, name, Remembered(data, snapshot, at, _first_past(data, at)))
    for name, before, after, at in contradicted:
        sides = (evidence.statement({PAGE: data} if data else {}, at) for data in (before, after))
        _write_evidence(database, Evidence(evidence.FORM, "name", name, "", "", at, (), *sides))


def _first_past(data: bytes, at: str) -> Past:
    return withdrawals.followed(Past(), None, page.parse(data), moment(at))


def _write(database: sqlite3.Connection, name: str, verified: Remembered) -> None:
    kept = (verified.page, sha256(verified.page), verified.snapshot, verified.verified_at, _told(verified.past))
    database.execute("INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?, ?, ?)", (name, *kept))


def _write_evidence(database: sqlite3.Connection, found: Evidence) -> None:
    before = sha256(found.before.files.get(PAGE, b""))
    row = (found.id, found.subject, before, found.seen_at, zlib.compress(found.data))
    database.execute("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?, ?)", row)


def _forget_proof(database: sqlite3.Connection, name: str) -> None:
    kept = database.execute("SELECT document FROM proof WHERE name = ?", (name,)).fetchall()
    database.execute("DELETE FROM proof WHERE name = ?", (name,))
    database.executemany(
        "DELETE FROM document WHERE sha256 = ? AND NOT EXISTS (SELECT 1 FROM proof WHERE document = sha256)", kept
    )


def _told(past: Past) -> str:
    return compact(strict.dump(past)).decode()


def _past(told: str) -> Past:
    return strict.load(Past, strict.parse(told.encode()))
