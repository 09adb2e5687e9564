"""What a witness cosigned, on disk: SQLite, and beside it one file for each log that shows whether it was set back.

The size is compared and the new head written in one transaction, which is durable before a cosignature leaves. A head
that was cosigned is then kept in ``heads/`` too. A database that is older than one of these files was restored, or lost
its last writes with its ``-wal``: nothing is signed by it ever again.
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Final

from keys.tlog import contradictions, notes
from keys.tlog.contradictions import Contradiction
from keys.tlog.notes import BadNote, VerifierKey
from repo_service.failpoint import failpoint
from repo_service.witness.deciding import Head, Log

FILE: Final = "witness.sqlite"
HEADS: Final = "heads"
EVIDENCE: Final = "evidence"
MOST_EVIDENCE: Final = 1000
"""Files of evidence. Who has a log's key can make any number, and the first say it all."""
SCHEMA: Final = 1
_TABLES: Final = f"""
CREATE TABLE own (vkey TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE logs (
  hash TEXT PRIMARY KEY, keys TEXT NOT NULL, retired TEXT NOT NULL, size INTEGER, at INTEGER, note TEXT
) WITHOUT ROWID;
CREATE TRIGGER forwards BEFORE UPDATE ON logs WHEN NEW.size < OLD.size OR (OLD.size IS NOT NULL AND NEW.size IS NULL)
BEGIN SELECT RAISE(ABORT, 'a log never shrinks'); END;
CREATE TRIGGER kept BEFORE DELETE ON logs WHEN OLD.size IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'what was cosigned is not forgotten'); END;
PRAGMA user_version = {SCHEMA};
"""


class BadStore(Exception):
    """The witness's memory cannot be used. Nothing was signed."""


class Store:
    """The memory of one witness, in its folder."""

    def __init__(self, folder: Path) -> None:
        file = folder / FILE
        if not file.exists():
            raise BadStore(
                f"{file} is missing, and without it nobody knows what this witness cosigned. If it never ran, begin in "
                "a new folder with `tallystick-service witness key`; if it did, that is a new witness, with a new name "
                "and a new key (docs/LOG.md)"
            )
        self._folder, self._turn = folder, RLock()
        (folder / HEADS).mkdir(mode=0o700, exist_ok=True)
        self._connection = _connected(file)
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA:
            raise BadStore(f"{file} is of another version of this program ({version}; this one writes {SCHEMA})")

    @staticmethod
    def create(folder: Path) -> "Store":
        """A memory of nothing, for a witness that has signed nothing."""
        with closing(_connected(folder / FILE)) as connection:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        return Store(folder)

    def close(self) -> None:
        """Let go of the file; every answer is on disk already."""
        self._connection.close()

    def adopt(self, key: VerifierKey) -> None:
        """Remember whatever this key of ours will sign, which has signed nothing yet."""
        self._connection.execute("INSERT INTO own VALUES (?)", (str(key),))

    def check_own(self, keys: Iterable[VerifierKey]) -> None:
        """BadStore unless this is the memory of these keys, and not an older one that was restored."""
        own = {vkey for (vkey,) in self._connection.execute("SELECT vkey FROM own")}
        for key in keys:
            if str(key) not in own:
                raise BadStore(f"{self._folder / FILE} is not the memory of {key.name}: nobody knows what it cosigned")
        for mark in sorted((self._folder / HEADS).glob("[0-9a-f]*")):
            self._check_mark(mark)

    def _check_mark(self, mark: Path) -> None:
        try:
            marked = notes.read_checkpoint(notes.read_note(mark.read_bytes()).text)
        except (OSError, BadNote) as error:
            raise BadStore(f"{mark}: {error}") from None
        log = self.log(marked.origin)
        known = log.cosigned if log else None
        if known is None or known.size < marked.size or (known.size == marked.size and known.root != marked.root):
            raise BadStore(
                f"{self._folder / FILE} is older than what was cosigned: {mark} has {marked.size} leaves of "
                f"{marked.origin}. It was restored, or copied while it was written. This witness must not sign again; "
                "begin another one, with a new name and a new key (docs/LOG.md)"
            )

    def logs(self) -> Sequence[Log]:
        """All logs that are known, by their names."""
        with self._turn:
            rows = self._connection.execute("SELECT keys, retired, at, note FROM logs").fetchall()
        return sorted((_log(*row) for row in rows), key=lambda log: log.origin)

    def log(self, origin: str) -> Log | None:
        """What is known of a log."""
        return self.by_hash(hash_of(origin))

    def by_hash(self, hash_: str) -> Log | None:
        """As ``log``, by what its address has for a name."""
        query = "SELECT keys, retired, at, note FROM logs WHERE hash = ?"
        with self._turn:  # a connection sees what it has not committed
            row = self._connection.execute(query, (hash_,)).fetchone()
        return None if row is None else _log(*row)

    def put(self, origin: str, change: Callable[[Log | None], Log]) -> None:
        """Know a log, or know it by other keys; whatever ``change`` raises passes through, and nothing is written."""
        with self._transaction():
            log = change(self.log(origin))
            self._connection.execute(
                "INSERT INTO logs (hash, keys, retired) VALUES (?, ?, ?) "
                "ON CONFLICT (hash) DO UPDATE SET keys = excluded.keys, retired = excluded.retired",
                (hash_of(origin), _lines(log.keys), _lines(log.retired)),
            )

    def advance(self, origin: str, decide: Callable[[Log | None], Head]) -> Head:
        """The new head that ``decide`` makes of what is known: durable when this returns, and not before may it be
        shown. Whatever ``decide`` raises passes through, and nothing is written.
        """
        with self._transaction():
            head = decide(self.log(origin))
            failpoint("witness.decided")
            self._connection.execute(
                "UPDATE logs SET size = ?, at = ?, note = ? WHERE hash = ?",
                (head.checkpoint.size, head.at, str(head.note), hash_of(origin)),
            )
            failpoint("witness.before_commit")
            self._connection.execute("COMMIT")
            failpoint("witness.committed")
            _replace(self._folder / HEADS / hash_of(origin), str(head.note).encode())
        failpoint("witness.marked")
        return head

    def keep(self, evidence: Contradiction) -> Path | None:
        """Keep what a log contradicted itself with, once; where it lies. None where there is too much of it."""
        folder = self._folder / EVIDENCE
        path = folder / f"{'fork' if evidence.is_fork else 'unproven'}-{evidence.id[:32]}.txt"
        with self._turn:
            folder.mkdir(mode=0o700, exist_ok=True)
            if not path.exists() and sum(1 for _ in folder.iterdir()) < MOST_EVIDENCE:
                _replace(path, str(evidence).encode())
        return path if path.exists() else None

    def evidence(self) -> Sequence[tuple[Path, Contradiction]]:
        """What was kept."""
        files = sorted((self._folder / EVIDENCE).glob("[fu]*.txt"))
        return [(path, contradictions.read(path.read_bytes())) for path in files]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One at a time, also among the threads of this process, which share the connection."""
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Two processes that sign with one key would need one memory at every moment. The lock goes with its process."""
    descriptor = os.open(folder / "witness.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadStore(f"another witness works in {folder}. Stop it first") from None
        yield
    finally:
        os.close(descriptor)


def hash_of(origin: str) -> str:
    """A log's name in an address (tlog-witness, "Monitor Retrieval Mechanism")."""
    return hashlib.sha256(origin.encode()).hexdigest()


def _connected(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _lines(keys: Iterable[VerifierKey]) -> str:
    return "".join(f"{key}\n" for key in keys)


def _log(keys: str, retired: str, at: int | None, note: str | None) -> Log:
    def read(lines: str) -> tuple[VerifierKey, ...]:
        return tuple(map(notes.read_key, lines.splitlines()))

    return Log(read(keys), read(retired), None if at is None or note is None else _head(at, note))


def _head(at: int, text: str) -> Head:
    note = notes.read_note(text.encode())
    return Head(notes.read_checkpoint(note.text), at, note)


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole, durable when this returns (as ceremony/directory.py does)."""
    draft = path.with_name(f".{path.name}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
