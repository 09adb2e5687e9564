"""The journal: the only SQL. What it says is the truth; everything else can be made from it again."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from keys import layout, strict
from keys.encoding import compact
from keys.state import ActorClass, NameState, Reason
from keys.times import moment, stamp
from repo_service.build.assemble import Base, Release
from repo_service.build.due import Signed
from repo_service.build.pages import Target
from repo_service.domain import changes as c
from repo_service.storage import tables as t

_BATCH: Final = 500
"""Values in one IN clause; SQLite's limit is 32,766 variables a statement."""


class Overtaken(Exception):
    """Another publisher committed this generation first. Nothing was written; begin again from what it left."""


class KeyReused(Exception):
    """An idempotency key came back with another request. Nothing was written."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """An accepted request: ``serial`` is the name's afterwards, ``events`` how many it made (0: nothing changed)."""

    id: str
    client: str
    key: str
    digest: str
    name: str
    serial: int | None
    events: int


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Where a change is signed. Visible to clients once ``published``."""

    snapshot: int
    timestamp: int
    published: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """A committed release that may not be copied out yet: its immutable files in order, then its timestamp."""

    generation: int
    files: Sequence[tuple[str, bytes]]
    timestamp: bytes


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token's record: the secret itself is nowhere, only its SHA-256."""

    id: str
    sha256: str
    role: str
    label: str
    expires: str


class Journal:
    """Opened on one database. ``reading`` sees one moment; ``writing`` is one transaction, all or nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self) -> None:
        """Make the tables that are missing."""
        t.metadata.create_all(self._engine)

    @contextmanager
    def reading(self) -> Iterator["View"]:
        """A consistent view that never blocks a writer."""
        with self._engine.connect().execution_options(reading=True) as connection, connection.begin():
            yield View(connection)

    @contextmanager
    def writing(self) -> Iterator["Pen"]:
        """One write transaction; an exception leaves nothing behind."""
        with self._engine.begin() as connection:
            yield Pen(connection)

    def commit(self, release: Release, events: Collection[int], bin_of: layout.Bins, now: datetime) -> None:
        """THE MOMENT A RELEASE BECOMES TRUE. Before it nothing happened; after it, it will, whoever dies.

        The generation is the compare-and-swap: two publishers cannot both insert it. Raises Overtaken.
        """
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(t.releases), _release_row(release, now))
                _store_files(connection, release)
                _store_roles(connection, release)
                _store_targets(connection, release, bin_of)
                if _mark_events(connection, events, release.generation) != len(events):
                    raise Overtaken(f"generation {release.generation}: some of its events are signed already")
        except IntegrityError as error:
            raise Overtaken(f"generation {release.generation} was committed by another publisher") from error

    def mark_published(self, generation: int) -> None:
        """Every file of this release is in the depot and the pointer is at it or past it."""
        with self._engine.begin() as connection:
            connection.execute(update(t.releases).where(t.releases.c.generation == generation).values(published=1))


class View:
    """Everything that is only read. Names of methods say what comes back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def base(self) -> Base:
        """The newest committed release, as the next one needs it."""
        newest = self._one(select(t.releases).order_by(t.releases.c.generation.desc()).limit(1))
        if newest is None:
            return Base(0, None, {})
        body = self.file(f"metadata/{newest['snapshot']}.snapshot.json")
        assert body is not None, "a release without its snapshot"
        return Base(newest["generation"], (newest["snapshot"], body), self.roles())

    def last_signed_at(self) -> datetime | None:
        """When the newest release was signed."""
        latest = self._connection.scalar(select(func.max(t.releases.c.signed_at)))
        return moment(latest) if latest else None

    def roles(self) -> dict[str, Signed]:
        """The newest version of every role."""
        rows = self._connection.execute(select(t.roles)).mappings()
        return {row["role"]: Signed(row["role"], row["version"], moment(row["expires"])) for row in rows}

    def newest(self, role: str) -> bytes:
        """The newest signed file of an offline role."""
        version = self._connection.scalar(select(t.roles.c.version).where(t.roles.c.role == role))
        body = self.file(f"metadata/{version}.{role}.json")
        assert body is not None, f"no {role} was taken in"
        return body

    def file(self, path: str) -> bytes | None:
        """A signed public file, as it was signed."""
        body: bytes | None = self._connection.scalar(select(t.files.c.body).where(t.files.c.path == path))
        return body

    def pending(self) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Events that no release holds yet, and the names they are about."""
        query = select(t.events.c.seq, t.events.c.name).where(t.events.c.release.is_(None)).order_by(t.events.c.seq)
        rows = self._connection.execute(query).all()
        return tuple(row.seq for row in rows), tuple(dict.fromkeys(row.name for row in rows))

    def states(self, names: Iterable[str]) -> dict[str, NameState]:
        """The accepted state of each of these names that was ever touched."""
        rows = self._in(select(t.names), t.names.c.name, names)
        return {row["name"]: _state(row["name"], row["state"]) for row in rows}

    def name(self, name: str) -> c.Name:
        """A name with its accepted state and holder."""
        row = self._one(select(t.names).where(t.names.c.name == name))
        return c.Name(name, _state(name, row["state"]), row["holder"]) if row else c.Name(name, None, None)

    def targets_of(self, names: Iterable[str]) -> list[tuple[str, Target]]:
        """The signed targets of these names, each with its name."""
        return [(row["name"], _target(row)) for row in self._in(select(t.targets), t.targets.c.name, names)]

    def target(self, path: str) -> Target | None:
        """A target as the newest release signs it."""
        row = self._one(select(t.targets).where(t.targets.c.path == path))
        return _target(row) if row else None

    def bin(self, number: int) -> list[tuple[str, Target]]:
        """The whole signed content of a bin, each target with its name."""
        rows = self._connection.execute(select(t.targets).where(t.targets.c.bin == number)).mappings()
        return [(row["name"], _target(row)) for row in rows]

    def staged(self) -> list[int]:
        """Generations that are committed and not known to be copied out, in order."""
        query = select(t.releases.c.generation).where(t.releases.c.published == 0).order_by(t.releases.c.generation)
        return list(self._connection.scalars(query))

    def stage(self, generation: int) -> Staged:
        """A release's signed bytes, in the order of copy-out."""
        query = select(t.files).where(t.files.c.release == generation).order_by(t.files.c.position)
        found = [(row["path"], row["body"]) for row in self._connection.execute(query).mappings()]
        timestamp = select(t.releases.c.timestamp).where(t.releases.c.generation == generation)
        return Staged(generation, found, self._connection.scalar(timestamp) or b"")

    def signed_in(self, change: str) -> SignedIn | None:
        """The release that holds all of a change's events, once there is one."""
        joined = select(t.releases).join(t.events, t.events.c.release == t.releases.c.generation)
        row = self._one(joined.where(t.events.c.change == change).limit(1))
        return SignedIn(row["snapshot"], row["generation"], bool(row["published"])) if row else None

    def change(self, identifier: str) -> ChangeRecord | None:
        """An accepted request by its id."""
        row = self._one(select(t.changes).where(t.changes.c.id == identifier))
        return ChangeRecord(**row) if row else None

    def answered(self, client: str, key: str, digest: str) -> ChangeRecord | None:
        """What this client was answered under this idempotency key. KeyReused if it asked for something else."""
        row = self._one(select(t.changes).where(t.changes.c.client == client, t.changes.c.key == key))
        if row is not None and row["digest"] != digest:
            raise KeyReused(f"Idempotency-Key {key!r:.80} was used for another request; nothing was written")
        return ChangeRecord(**row) if row else None

    def events(self, name: str | None = None, after: int = 0, limit: int = 1000) -> list[c.Event]:
        """Events in order of their number, of one name or of all."""
        query = select(t.events).where(t.events.c.seq > after).order_by(t.events.c.seq).limit(limit)
        if name is not None:
            query = query.where(t.events.c.name == name)
        return [_event(row) for row in self._connection.execute(query).mappings()]

    def due(self, now: datetime) -> list[str]:
        """Names whose deadline has passed, the longest due first."""
        query = select(t.names.c.name).where(t.names.c.due_at <= stamp(now)).order_by(t.names.c.due_at, t.names.c.name)
        return list(self._connection.scalars(query))

    def token(self, identifier: str) -> Token | None:
        """A token's record by its public id."""
        row = self._one(select(t.tokens).where(t.tokens.c.id == identifier))
        return Token(**row) if row else None

    def counts(self) -> dict[str, int]:
        """How many names, events and pending events there are."""
        pending = select(func.count()).select_from(t.events).where(t.events.c.release.is_(None))
        return {
            "names": self._connection.scalar(select(func.count()).select_from(t.names)) or 0,
            "events": self._connection.scalar(select(func.count()).select_from(t.events)) or 0,
            "pending": self._connection.scalar(pending) or 0,
        }

    def _one(self, query: object) -> RowMapping | None:
        return self._connection.execute(query).mappings().first()  # type: ignore[call-overload, no-any-return]

    def _in(self, query: object, column: object, values: Iterable[str]) -> Iterator[RowMapping]:
        wanted = list(values)
        for start in range(0, len(wanted), _BATCH):
            chunk = wanted[start : start + _BATCH]
            yield from self._connection.execute(query.where(column.in_(chunk))).mappings()  # type: ignore[attr-defined]


class Pen(View):
    """A view that also writes: what one accepted request leaves behind."""

    def locked_name(self, name: str) -> c.Name:
        """As ``name``, holding its row until the transaction ends, so that decisions about it are in one order."""
        row = self._one(select(t.names).where(t.names.c.name == name).with_for_update())
        return c.Name(name, _state(name, row["state"]), row["holder"]) if row else c.Name(name, None, None)

    def append(
        self, name: c.Name, change: c.Change, at: datetime, by: ActorClass, reason: Reason | None, policy: str,
        actor: str | None, holder: str | None, change_id: str,
    ) -> c.Event:  # fmt: skip
        """Write one event and give it its number."""
        serial = 1 if name.state is None else name.state.serial + 1
        row = {
            "name": name.name, "serial": serial, "at": stamp(at), "by": by, "type": c.type_of(change),
            "body": _text(strict.dump(change)), "reason": _text(strict.dump(reason)), "policy": policy,
            "actor": actor, "holder": holder, "change": change_id,
        }  # fmt: skip
        result = self._connection.execute(insert(t.events), row)
        assert result.inserted_primary_key is not None, "an event without a number"
        return c.Event(result.inserted_primary_key[0], name.name, stamp(at), by, reason, policy, change, actor, holder)

    def keep(self, name: c.Name) -> None:
        """Write a name's state after its events."""
        assert name.state is not None, "a name is kept after an event"
        reservation = name.state.reservation
        row = {
            "state": _text(strict.dump(name.state)),
            "holder": name.holder,
            "due_at": reservation.grace_until if reservation else None,
        }
        known = self._connection.execute(update(t.names).where(t.names.c.name == name.name).values(row)).rowcount
        if not known:
            self._connection.execute(insert(t.names), {"name": name.name, **row})

    def answer(self, record: ChangeRecord) -> None:
        """Remember what was answered, for a client that asks again."""
        self._connection.execute(insert(t.changes), strict.dump(record))

    def add_token(self, token: Token) -> None:
        """Keep a new token's record."""
        self._connection.execute(insert(t.tokens), strict.dump(token))


def _release_row(release: Release, now: datetime) -> dict[str, object]:
    return {
        "generation": release.generation,
        "snapshot": release.snapshot_version,
        "signed_at": stamp(now),
        "timestamp": release.timestamp.body,
        "published": 0,
    }


def _store_files(connection: Connection, release: Release) -> None:
    rows = [
        {"path": path, "release": release.generation, "position": position, "body": body}
        for position, (path, body) in enumerate(release.immutable)
    ]
    if rows:
        connection.execute(insert(t.files), rows)


def _store_roles(connection: Connection, release: Release) -> None:
    newest = {role.name: role for role in release.roles}  # of several new roots the last
    rows = [{"role": r.name, "version": r.version, "expires": stamp(r.expires)} for r in newest.values()]
    for start in range(0, len(rows), _BATCH):
        chunk = rows[start : start + _BATCH]
        connection.execute(delete(t.roles).where(t.roles.c.role.in_([row["role"] for row in chunk])))
        connection.execute(insert(t.roles), chunk)


def _store_targets(connection: Connection, release: Release, bins: layout.Bins) -> None:
    pages = release.pages
    for start in range(0, len(pages), _BATCH):
        named = [page.name for page in pages[start : start + _BATCH]]
        connection.execute(delete(t.targets).where(t.targets.c.name.in_(named)))
    rows = [
        {
            "path": target.path, "name": page.name, "bin": bins.number(target.path), "length": target.length,
            "sha256": target.sha256, "custom": _text(dict(target.custom)),
        }
        for page in pages
        for target in page.targets
    ]  # fmt: skip
    if rows:
        connection.execute(insert(t.targets), rows)


def _mark_events(connection: Connection, events: Collection[int], generation: int) -> int:
    wanted, marked = list(events), 0
    for start in range(0, len(wanted), _BATCH):
        chunk = wanted[start : start + _BATCH]
        pending = t.events.c.seq.in_(chunk) & t.events.c.release.is_(None)
        marked += connection.execute(update(t.events).where(pending).values(release=generation)).rowcount
    return marked


def _text(value: object) -> str:
    return compact(value).decode()


def _state(name: str, text: str) -> NameState:
    body: Mapping[str, object] = json.loads(text)
    return strict.load(NameState, body, f"names.{name}")


def _target(row: RowMapping) -> Target:
    return Target(row["path"], row["length"], row["sha256"], tuple(sorted(json.loads(row["custom"]).items())))


def _event(row: RowMapping) -> c.Event:
    change = strict.load(c.TYPES[row["type"]], json.loads(row["body"]), f"events.{row['seq']}")
    reason = strict.load(Reason, raw) if (raw := json.loads(row["reason"])) else None
    return c.Event(
        row["seq"], row["name"], row["at"], row["by"], reason, row["policy"], change, row["actor"], row["holder"]
    )
