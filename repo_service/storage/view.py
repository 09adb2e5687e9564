"""What can be read of the journal, at one moment: plain values, never rows."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, select, tuple_

from keys import layout, strict
from keys.state import NameState, Reason
from keys.times import moment, stamp
from repo_service.build.assemble import Base
from repo_service.build.due import Signed
from repo_service.build.pages import Target
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published, in_force
from repo_service.domain.policy import Policy, Warned
from repo_service.storage import tables as t
from repo_service.storage.tokens import Scope, Token

BATCH: Final = 500
"""Values in one IN clause; SQLite's limit is 32,766 variables a statement."""


class KeyReused(Exception):
    """An idempotency key came back with another request. Nothing was written."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """An accepted request: ``serial`` is the name's afterwards, ``events`` how many it made (0: nothing changed).
    ``warnings`` are what a later policy would refuse it for.
    """

    id: str
    client: str
    key: str
    digest: str
    name: str
    serial: int | None
    events: int
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Where a change is signed. Visible to clients once ``published``."""

    snapshot: int
    timestamp: int
    published: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """A committed release, perhaps not copied out yet: its immutable files in order, its timestamp, its new roots."""

    generation: int
    files: Sequence[tuple[str, bytes]]
    timestamp: bytes
    roots: Sequence[tuple[str, bytes]]


class View:
    """Everything that is only read. Names of methods say what comes back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def base(self) -> Base:
        """The newest committed release, as the next one needs it."""
        newest = self._one(select(t.releases).order_by(t.releases.c.generation.desc()).limit(1))
        if newest is None:
            return Base(0, None, {}, {})
        body = self.file(f"metadata/{newest['snapshot']}.snapshot.json")
        assert body is not None, "a release without its snapshot"
        return Base(newest["generation"], (newest["snapshot"], body), self.roles(), self.offline())

    def last_signed_at(self) -> datetime | None:
        """When the newest release was signed."""
        latest = self._connection.scalar(select(func.max(t.releases.c.signed_at)))
        return moment(latest) if latest else None

    def roles(self) -> dict[str, Signed]:
        """The newest version of every role."""
        rows = self._connection.execute(select(t.roles)).mappings()
        return {row["role"]: Signed(row["role"], row["version"], moment(row["expires"])) for row in rows}

    def offline(self) -> dict[str, bytes]:
        """The newest file of every offline role; empty before the first ceremony was taken in."""
        known = self._connection.scalars(select(t.roles.c.role).where(t.roles.c.role.in_(layout.OFFLINE)))
        return {role: self.newest(role) for role in known.all()}

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
        return {row["name"]: name_state(row["name"], row["state"]) for row in rows}

    def name(self, name: str) -> c.Name:
        """A name with its accepted state and holder."""
        row = self._one(select(t.names).where(t.names.c.name == name))
        return c.Name(name, name_state(name, row["state"]), row["holder"]) if row else c.Name(name, None, None)

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
        roots = [file for file in found if file[0].endswith(".root.json")]
        files = [file for file in found if file not in roots]
        return Staged(generation, files, self._connection.scalar(timestamp) or b"", roots)

    def signed_in(self, change: str) -> SignedIn | None:
        """The release that holds all of a change's events, once there is one."""
        joined = select(t.releases).join(t.events, t.events.c.release == t.releases.c.generation)
        row = self._one(joined.where(t.events.c.change == change).limit(1))
        return SignedIn(row["snapshot"], row["generation"], bool(row["published"])) if row else None

    def change(self, identifier: str) -> ChangeRecord | None:
        """An accepted request by its id."""
        row = self._one(select(t.changes).where(t.changes.c.id == identifier))
        return _change(row) if row else None

    def answered(self, client: str, key: str, digest: str) -> ChangeRecord | None:
        """What this client was answered under this idempotency key. KeyReused if it asked for something else."""
        row = self._one(select(t.changes).where(t.changes.c.client == client, t.changes.c.key == key))
        if row is not None and row["digest"] != digest:
            raise KeyReused(f"Idempotency-Key {key!r:.80} was used for another request")
        return _change(row) if row else None

    def policies(self) -> tuple[Published, ...]:
        """Every policy that was ever published, in order."""
        return tuple(map(_policy, self._connection.scalars(select(t.policies.c.body).order_by(t.policies.c.seq))))

    def policy(self, now: datetime) -> Policy:
        """The policy that judges at ``now``."""
        return in_force(self.policies(), now)

    def unsigned_policies(self) -> tuple[Published, ...]:
        """Policies that no release holds yet."""
        query = select(t.policies.c.body).where(t.policies.c.release.is_(None)).order_by(t.policies.c.seq)
        return tuple(map(_policy, self._connection.scalars(query)))

    def events(self, name: str | None = None, after: int = 0, limit: int = 1000) -> list[c.Event]:
        """Events in order of their number, of one name or of all."""
        query = select(t.events).where(t.events.c.seq > after).order_by(t.events.c.seq).limit(limit)
        if name is not None:
            query = query.where(t.events.c.name == name)
        return [_event(row) for row in self._connection.execute(query).mappings()]

    def signing(self, events: Iterable[int]) -> dict[int, int]:
        """Event numbers to the generation that signs them; events that no release holds yet are left out."""
        wanted, found = list(events), {}
        for start in range(0, len(wanted), BATCH):
            query = select(t.events.c.seq, t.events.c.release).where(t.events.c.seq.in_(wanted[start : start + BATCH]))
            found.update({row.seq: row.release for row in self._connection.execute(query) if row.release is not None})
        return found

    def signed_events(self, after: tuple[int, int], limit: int) -> list[tuple[int, c.Event]]:
        """Signed events with their generation, in order of both, after a generation and number.

        Numbers alone are no cursor (they commit out of order), but a release becomes true with all of its events.
        """
        place = tuple_(t.events.c.release, t.events.c.seq)
        query = (
            select(t.events).where(t.events.c.release.is_not(None), place > after).order_by(*place.clauses).limit(limit)
        )
        return [(row["release"], _event(row)) for row in self._connection.execute(query).mappings()]

    def due(self, now: datetime) -> list[str]:
        """Names whose deadline has passed, the longest due first."""
        query = select(t.names.c.name).where(t.names.c.due_at <= stamp(now)).order_by(t.names.c.due_at, t.names.c.name)
        return list(self._connection.scalars(query))

    def token(self, identifier: str) -> Token | None:
        """A token's record by its public id."""
        row = self._one(select(t.tokens).where(t.tokens.c.id == identifier))
        return _token(row) if row else None

    def tokens(self) -> list[Token]:
        """Every token's record, by client, the one that expires first before the others."""
        query = select(t.tokens).order_by(t.tokens.c.client, t.tokens.c.expires, t.tokens.c.id)
        return [_token(row) for row in self._connection.execute(query).mappings()]

    def live_tokens(self, client: str, now: datetime) -> list[Token]:
        """A client's tokens that open the door at this time, the one that expires first before the other."""
        return [token for token in self.tokens() if token.client == client and token.is_live(now)]

    def has_pending_beyond(self, mark: int) -> bool:
        """Whether more events than ``mark`` wait for a release."""
        query = select(t.events.c.seq).where(t.events.c.release.is_(None)).order_by(t.events.c.seq)
        return self._connection.scalar(query.offset(mark).limit(1)) is not None

    def counts(self) -> dict[str, int]:
        """How many names, events and pending events there are."""
        pending = select(func.count()).select_from(t.events).where(t.events.c.release.is_(None))
        return {
            "names": self._connection.scalar(select(func.count()).select_from(t.names)) or 0,
            "events": self._connection.scalar(select(func.count()).select_from(t.events)) or 0,
            "pending": self._connection.scalar(pending) or 0,
        }

    def _one(self, query: Select[Any]) -> RowMapping | None:
        return self._connection.execute(query).mappings().first()

    def _in(self, query: Select[Any], column: ColumnElement[str], values: Iterable[str]) -> Iterator[RowMapping]:
        wanted = list(values)
        for start in range(0, len(wanted), BATCH):
            chunk = wanted[start : start + BATCH]
            yield from self._connection.execute(query.where(column.in_(chunk))).mappings()


def name_state(name: str, text: str) -> NameState:
    body: Mapping[str, object] = json.loads(text)
    return strict.load(NameState, body, f"names.{name}")


def _token(row: RowMapping) -> Token:
    return Token(**{**row, "scope": strict.load(Scope, json.loads(row["scope"]), f"tokens.{row['id']}")})


def _target(row: RowMapping) -> Target:
    return Target(row["path"], row["length"], row["sha256"], tuple(sorted(json.loads(row["custom"]).items())))


def _change(row: RowMapping) -> ChangeRecord:
    return strict.load(ChangeRecord, {**row, "warnings": json.loads(row["warnings"])}, f"changes.{row['id']}")


@lru_cache(maxsize=128)  # a policy never changes, and every request is judged by one
def _policy(body: str) -> Published:
    return strict.load(Published, json.loads(body), "policies")


def _event(row: RowMapping) -> c.Event:
    change = strict.load(c.TYPES[row["type"]], json.loads(row["body"]), f"events.{row['seq']}")
    reason = strict.load(Reason, raw) if (raw := json.loads(row["reason"])) else None
    return c.Event(
        row["seq"], row["name"], row["at"], row["by"], reason, row["policy"], change, row["actor"], row["holder"],
        row["approver"],
    )  # fmt: skip
