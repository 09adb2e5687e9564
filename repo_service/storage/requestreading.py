"""What can be read of who asked for what, and what they were told: requests, states, deliveries, refusals, tokens."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select

from keys import strict
from keys.times import stamp
from repo_service.domain.case import Why
from repo_service.domain.notices import Notice
from repo_service.domain.policy import Warned
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.deliveries import Delivery, Gap
from repo_service.storage.reading import Reading
from repo_service.storage.refusals import Attempt
from repo_service.storage.tokens import Scope, Token


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
class Done:
    """A request that a full state led to (its class, and what it was about), and its change."""

    request: str
    version: str | None
    filename: str | None
    change: str


@dataclass(frozen=True, slots=True)
class RegistryState:
    """A full state that was taken: the registry's serial of it, its digest, and what it led to, in order."""

    name: str
    registry_serial: int
    digest: str
    done: tuple[Done, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the registry said of a notice: it was sent, or nobody could be reached. Never published."""

    id: str
    outcome: Literal["sent", "failed"]
    at: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Where a change is signed. Visible to clients once ``published``."""

    snapshot: int
    timestamp: int
    published: bool


class RequestReading(Reading):
    """Reading of accepted and of refused requests, and of who may make them."""

    def answered_keys(self, client: str, keys: Iterable[str]) -> set[str]:
        """Under which of these idempotency keys a client was answered."""
        return {row["key"] for row in self._each(s.ANSWERED_KEYS, keys, client=client)}

    def signed_in(self, changes: Iterable[str]) -> dict[str, SignedIn]:
        """The release that holds a change's events, for each of these changes that one holds."""
        return {
            row["change"]: SignedIn(row["snapshot"], row["generation"], bool(row["published"]))
            for row in self._each(s.SIGNED_IN, changes)
        }

    def change(self, identifier: str) -> ChangeRecord | None:
        """An accepted request by its id."""
        row = self._one(select(t.changes).where(t.changes.c.id == identifier))
        return _change(row) if row else None

    def answered(self, client: str, key: str, digest: str) -> ChangeRecord | None:
        """What this client was answered under this idempotency key. KeyReused if it asked for something else."""
        (row,) = self._direct.mappings(s.ANSWERED, client=client, key=key)
        numbered = row.pop("numbered")
        if row["digest"] not in (None, digest):
            raise KeyReused(f"Idempotency-Key {key!r:.80} was used for another request")
        if numbered not in (None, digest):
            raise KeyReused(f"Idempotency-Key {key!r:.80} was used for a numbered request")
        return _change(row) if row["id"] else None

    def registry_state(self, name: str) -> RegistryState | None:
        """The newest full state that the registry sent of a project, and what was done for it."""
        row = self._one(select(t.registry_states).where(t.registry_states.c.name == name))
        return strict.load(RegistryState, {**row, "done": json.loads(row["done"])}) if row else None

    def sequence(self, name: str) -> int | None:
        """The last number of a project's sequence that is used or given up; None if its requests carry none."""
        last: int | None = self._direct.scalar(s.SEQUENCE, name=name)
        return last

    def delivery(self, name: str, source_seq: int) -> Delivery | None:
        """The request of this number, if it has come."""
        numbered = t.deliveries.c.name == name, t.deliveries.c.source_seq == source_seq
        row = self._one(select(t.deliveries).where(*numbered))
        return Delivery(**row) if row else None

    def delivery_by_id(self, identifier: str) -> Delivery | None:
        """The numbered request of this change."""
        row = self._one(select(t.deliveries).where(t.deliveries.c.id == identifier))
        return Delivery(**row) if row else None

    def next_held(self, name: str) -> Delivery | None:
        """Of a project's requests that wait the one with the lowest number."""
        waiting = t.deliveries.c.name == name, t.IS_HELD
        row = self._one(select(t.deliveries).where(*waiting).order_by(t.deliveries.c.source_seq).limit(1))
        return Delivery(**row) if row else None

    def gaps(self) -> list[Gap]:
        """Every project whose numbered requests wait, the one that has waited longest first."""
        held, last = t.deliveries.c, t.sequences.c
        oldest = func.min(held.at)
        query = (
            select(held.name, last.last + 1, func.count(), oldest)
            .join(t.sequences, last.name == held.name)
            .where(t.IS_HELD)
            .group_by(held.name, last.last)
            .order_by(oldest, held.name)
        )
        return [Gap(*row) for row in self._connection.execute(query)]

    def answered_all(self, client: str, key: str, digest: str) -> list[ChangeRecord]:
        """What this client was answered to a list of changes under this key, in order."""
        found: list[ChangeRecord] = []
        while record := self.answered(client, f"{key}#{len(found)}" if found else key, digest):
            found.append(record)
        return found

    def escalations(self) -> list[Notice]:
        """What waits for an admin."""
        rows = self._connection.execute(select(t.escalations).order_by(t.escalations.c.at)).mappings()
        return [
            Notice(f"{row['name']}/escalation/{row['change']}", row["name"], "admins", row["at"], None, row["sentence"])
            for row in rows
        ]

    def acknowledged(self, notices: Iterable[str]) -> dict[str, Acknowledged]:
        """What the registry said of these notices, by their ids."""
        rows = self._in(select(t.notices), t.notices.c.id, notices)
        return {row["id"]: Acknowledged(**row) for row in rows}

    def token(self, identifier: str) -> Token | None:
        """A token's record by its public id."""
        row = self._first(s.TOKEN, id=identifier)
        return _token(row) if row else None

    def tokens(self) -> list[Token]:
        """Every token's record, by client, the one that expires first before the others."""
        query = select(t.tokens).order_by(t.tokens.c.client, t.tokens.c.expires, t.tokens.c.id)
        return [_token(row) for row in self._connection.execute(query).mappings()]

    def live_tokens(self, client: str, now: datetime) -> list[Token]:
        """A client's tokens that open the door at this time, the one that expires first before the other."""
        return [token for token in self.tokens() if token.client == client and token.is_live(now)]

    def refusals(self, name: str | None, after: str | None, limit: int) -> list[Attempt]:
        """Refused attempts, the newest first, of one name or of all; ``after`` goes on below the one with this id."""
        query = select(t.refusals).order_by(t.refusals.c.seq.desc()).limit(limit)
        if name is not None:
            query = query.where(t.refusals.c.name == name)
        if after is not None:
            place = select(t.refusals.c.seq).where(t.refusals.c.id == after).scalar_subquery()
            query = query.where(t.refusals.c.seq < place)
        return [_attempt(row) for row in self._connection.execute(query).mappings()]

    def has_refusals(self, before: datetime) -> bool:
        """Whether an attempt is remembered that was refused before this time."""
        query = select(t.refusals.c.seq).where(t.refusals.c.at < stamp(before)).limit(1)
        return self._connection.scalar(query) is not None


def _token(row: Mapping[Any, Any]) -> Token:
    return Token(**{**row, "scope": strict.load(Scope, json.loads(row["scope"]), f"tokens.{row['id']}")})


def _change(row: Mapping[Any, Any]) -> ChangeRecord:
    return strict.load(ChangeRecord, {**row, "warnings": json.loads(row["warnings"])}, f"changes.{row['id']}")


def _attempt(row: Mapping[Any, Any]) -> Attempt:
    reasons = tuple(Why(each["code"], each["sentence"], each["params"]) for each in json.loads(row["reasons"]))
    return Attempt(**{key: value for key, value in row.items() if key != "seq"} | {"reasons": reasons})
