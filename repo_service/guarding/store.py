"""The guard's memory on disk: SQLite, every commit durable before a signature leaves."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from keys import trust
from keys.encoding import compact
from keys.times import moment, stamp
from keys.trust import RootOfTrust
from repo_service.guarding.facts import (
    HOUR,
    Bin,
    BinSigned,
    Content,
    Counted,
    Counts,
    Fact,
    Jumped,
    Published,
    Sealed,
    SnapshotSigned,
    State,
    TakenIn,
    TimestampSigned,
    Top,
    Waived,
    content_of,
    replaced_count,
)

SCHEMA: Final = 1
_TABLES: Final = f"""
CREATE TABLE sealed (path TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE tops (role TEXT PRIMARY KEY, version INTEGER NOT NULL, payload TEXT NOT NULL, file TEXT, signatures TEXT);
CREATE TABLE bins (
  role TEXT PRIMARY KEY, listed INTEGER, listed_payload TEXT, listed_targets TEXT,
  signed INTEGER, signed_payload TEXT, signed_targets TEXT
) WITHOUT ROWID;
CREATE TABLE offline (file TEXT PRIMARY KEY, meta TEXT NOT NULL);
CREATE TABLE known (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE counted (
  role TEXT, version INTEGER, at TEXT, yanks INTEGER, removals INTEGER, files INTEGER, PRIMARY KEY (role, version)
);
CREATE TABLE jumped (role TEXT, at TEXT, versions INTEGER);
CREATE TABLE kept (
  digest TEXT, role TEXT, version INTEGER, body BLOB NOT NULL, PRIMARY KEY (digest, role, version)
);
CREATE INDEX kept_of ON kept (role, version);
CREATE TABLE waived (
  number INTEGER, rule TEXT, digest TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (number, rule)
);
PRAGMA user_version = {SCHEMA};
"""


class BadStore(Exception):
    """The guard's database cannot be used. Nothing was signed."""


class Store:
    """One database. ``commit`` is all or nothing, and durable when it returns."""

    def __init__(self, file: Path) -> None:
        self._lock = _locked(file.with_suffix(".lock"))
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA):
            raise BadStore(f"{file} is of another version of this program ({version}; this one writes {SCHEMA})")
        if version == 0:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")

    @staticmethod
    def pinned(file: Path) -> RootOfTrust:
        """What ceremonies sealed, for who looks beside a guard that runs. Raises BadStore."""
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                files = dict(connection.execute("SELECT path, body FROM sealed"))
        except sqlite3.Error as error:
            raise BadStore(f"{file}: {error}; `guard DIR init` makes it") from None
        if not files:
            raise BadStore(f"{file}: no root of trust is pinned yet; `guard DIR init` does that")
        return trust.read(files)

    def close(self) -> None:
        """Let go of the database, and then of the lock that keeps a second guard out."""
        self._connection.close()
        os.close(self._lock)

    def sealed(self) -> RootOfTrust | None:
        """What ceremonies sealed, read again from its files; None before the first."""
        files = dict(self._connection.execute("SELECT path, body FROM sealed"))
        return trust.read(files) if files else None

    def state(self, sealed: RootOfTrust) -> State:
        """Everything that is known."""
        its = State(Sealed(sealed))
        for role, *values in self._connection.execute("SELECT * FROM bins"):
            its.bins[role] = Bin(_content(*values[:3]), _content(*values[3:]))
            if values[0] is not None:
                its.listing[f"{role}.json"] = {"version": values[0]}
                its.highest = max(its.highest, values[0])
        for file, meta in self._connection.execute("SELECT * FROM offline"):
            its.listing[file] = json.loads(meta)
        tops = {role: _top(*values) for role, *values in self._connection.execute("SELECT * FROM tops")}
        its.snapshot, its.timestamp = tops.get("snapshot"), tops.get("timestamp")
        known = dict(self._connection.execute("SELECT * FROM known"))
        its.bits = int(known["bits"]) if "bits" in known else None
        its.clock = moment(known["clock"]) if "clock" in known else None
        rows = self._connection.execute("SELECT role, version, at, yanks, removals, files FROM counted")
        its.counted = tuple(Counted(role, version, moment(at), Counts(*counts)) for role, version, at, *counts in rows)
        rows = self._connection.execute("SELECT role, at, versions FROM jumped")
        its.jumped = tuple(Jumped(role, moment(at), versions) for role, at, versions in rows)
        return its

    def kept(self, digest: str) -> bytes | None:
        """What was kept under a SHA-256."""
        row = self._connection.execute("SELECT body FROM kept WHERE digest = ? LIMIT 1", (digest,)).fetchone()
        return row[0] if row else None

    def forget_kept(self) -> None:
        """What is in the newest snapshot is safe with the service."""
        self._connection.execute(
            "DELETE FROM kept WHERE NOT EXISTS (SELECT 1 FROM bins WHERE bins.role = kept.role "
            "AND bins.signed = kept.version AND bins.signed > coalesce(bins.listed, 0))"
        )

    def has_kept(self) -> bool:
        """Whether there are bins that were signed and that no snapshot lists yet."""
        return self._connection.execute("SELECT 1 FROM kept LIMIT 1").fetchone() is not None

    def used(self, number: int, digest: str) -> Mapping[str, int] | None:
        """How much of a waiver is used, by rule; None if another waiver of this number was used."""
        rows = self._connection.execute("SELECT rule, digest, used FROM waived WHERE number = ?", (number,)).fetchall()
        if any(other != digest for _, other, _ in rows):
            return None
        return {rule: used for rule, _, used in rows}

    def commit(self, state: State, facts: Iterable[Fact], waivers: Iterable[tuple[int, str, str, int]] = ()) -> None:
        """Make these true; ``state`` is as it was before them. ``waivers`` are number, digest, rule and amount used."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._write(state, list(facts))
            self._connection.executemany(
                "INSERT INTO waived (number, digest, rule, used) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (number, rule) DO UPDATE SET used = used + excluded.used",
                list(waivers),
            )
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def _write(self, state: State, facts: list[Fact]) -> None:
        bins = [fact for fact in facts if isinstance(fact, BinSigned)]
        self._bins_signed(state, bins)
        for fact in facts:
            match fact:
                case BinSigned() | Waived():
                    pass
                case SnapshotSigned():
                    self._top("snapshot", fact.top)
                    self._listed(state, fact.listing, fact.bits)
                    self._clock(fact.at)
                case TimestampSigned():
                    self._top("timestamp", fact.top)
                    self._clock(fact.at)
                case Published():
                    for role, top in (("snapshot", fact.snapshot), ("timestamp", fact.timestamp)):
                        if top:
                            self._top(role, top)
                    self._listed(state, fact.listing, fact.bits)
                case Jumped():
                    self._connection.execute("DELETE FROM jumped WHERE at <= ?", (stamp(fact.at - HOUR),))
                    row = (fact.role, stamp(fact.at), fact.versions)
                    self._connection.execute("INSERT INTO jumped VALUES (?, ?, ?)", row)
                case TakenIn():
                    rows = fact.sealed.trust.files().items()
                    self._connection.execute("DELETE FROM sealed")
                    self._connection.executemany("INSERT INTO sealed VALUES (?, ?)", rows)

    def _bins_signed(self, state: State, facts: list[BinSigned]) -> None:
        if not facts:
            return
        gone = [(each.role, replaced_count(state.bins.get(each.role, Bin()))) for each in facts]
        for table in ("kept", "counted"):
            self._connection.executemany(f"DELETE FROM {table} WHERE role = ? AND version = ?", gone)  # noqa: S608 - two names of ours
        self._connection.executemany(
            "INSERT INTO bins (role, signed, signed_payload, signed_targets) VALUES (?, ?, ?, ?) ON CONFLICT (role) "
            "DO UPDATE SET signed = excluded.signed, signed_payload = excluded.signed_payload, "
            "signed_targets = excluded.signed_targets",
            [(each.role, each.content.version, each.content.payload, each.content.targets) for each in facts],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)",
            [(key, each.role, each.content.version, body) for each in facts for key, body in each.kept.items()],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO counted VALUES (?, ?, ?, ?, ?, ?)",
            [
                (each.role, each.content.version, stamp(each.at), its.yanks, its.removals, its.files)
                for each in facts
                if (its := each.counts) != Counts()
            ],
        )
        self._clock(max(each.at for each in facts))

    def _top(self, role: str, top: Top) -> None:
        file, signatures = compact(top.file).decode(), compact(top.signatures).decode()
        self._connection.execute(
            "INSERT OR REPLACE INTO tops VALUES (?, ?, ?, ?, ?)", (role, top.version, top.payload, file, signatures)
        )

    def _listed(self, state: State, listing: Mapping[str, Mapping[str, Any]], bits: int | None) -> None:
        bins = {
            file.removesuffix(".json"): meta["version"] for file, meta in listing.items() if meta.keys() == {"version"}
        }
        found = ((role, content_of(state.bins.get(role, Bin()), version)) for role, version in bins.items())
        self._connection.executemany(
            "INSERT INTO bins (role, listed, listed_payload, listed_targets) VALUES (?, ?, ?, ?) ON CONFLICT (role) "
            "DO UPDATE SET listed = excluded.listed, listed_payload = excluded.listed_payload, "
            "listed_targets = excluded.listed_targets",
            [(role, content.version, content.payload, content.targets) for role, content in found],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO offline VALUES (?, ?)",
            [(file, compact(dict(meta)).decode()) for file, meta in listing.items() if meta.keys() != {"version"}],
        )
        if bits is not None:
            self._connection.execute("INSERT OR REPLACE INTO known VALUES ('bits', ?)", (str(bits),))

    def _clock(self, at: datetime) -> None:
        self._connection.execute(
            "INSERT INTO known VALUES ('clock', ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (stamp(at),),
        )


def _locked(file: Path) -> int:
    """Two guards that remember apart would sign two contents for one version. The lock goes with its process."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise BadStore(f"another guard works in {file.parent}. Stop it first") from None
    return descriptor


def _content(version: int | None, payload: str | None, targets: str | None) -> Content | None:
    return None if version is None else Content(version, payload, targets)


def _top(version: int, payload: str, file: str, signatures: str) -> Top:
    listed = tuple((keyid, signature) for keyid, signature in json.loads(signatures))
    return Top(version, payload, json.loads(file), listed)
