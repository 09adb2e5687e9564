"""What can be read of the journal, at one moment: plain values, never rows."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, collate, func, or_, select, true, tuple_

from keys import layout, names, strict
from keys.skeletons import skeleton
from keys.state import NameState, Takedown
from keys.times import moment, stamp
from repo_service.build.due import Signed
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import metadata_path
from repo_service.build.pages import Target
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published, in_force
from repo_service.domain.case import TakenDown, Why
from repo_service.domain.flags import FlagAct
from repo_service.domain.notices import Notice
from repo_service.domain.policy import Policy, Warned
from repo_service.storage import flow, overview
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.deliveries import Delivery, Gap
from repo_service.storage.logreading import LoggedRelease, LogReading
from repo_service.storage.overview import Lease
from repo_service.storage.refusals import Attempt
from repo_service.storage.rows import event_of
from repo_service.storage.states import States
from repo_service.storage.tokens import Scope, Token

BATCH: Final = 500
"""Values in one IN clause; SQLite's limit is 32,766 variables a statement."""
FILES: Final = 16
"""Files whose bytes are read or written together: whole bins, of which a release may have sixteen thousand."""
NOW, BULK = 0, 1
"""Lanes of events: what is signed as soon as it can be, and what an import brings."""
LATELY: Final = 20
"""Releases that say whether a registry is in use."""
MOST: Final = 20_000
"""Events of the fast lane in one release."""


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


@dataclass(frozen=True, slots=True)
class Pending:
    """Events that a release should hold, by their numbers, the names that they are about, and when those of the fast
    lane were accepted.
    """

    events: tuple[int, ...]
    names: tuple[str, ...]
    accepted: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest committed release: its generation (the timestamp's version), the lease under which it was made, its
    snapshot, when it was signed and its timestamp.
    """

    generation: int
    epoch: int
    snapshot: Meta
    signed_at: datetime
    timestamp: bytes


@dataclass(frozen=True, slots=True)
class Staged:
    """A committed release, perhaps not copied out yet: its timestamp and its new roots, with their paths."""

    generation: int
    timestamp: bytes
    roots: Sequence[tuple[str, bytes]]


class View(LogReading):
    """Everything that is only read. Names of methods say what comes back."""

    def __init__(self, connection: Connection, states: States) -> None:
        self._connection = connection
        self._states = states

    @cached_property
    def _standing(self) -> Any:
        """A view sees one moment, so what stands in it is read once; a pen that changes it forgets it."""
        return self._direct.rows(s.STANDING)[0]

    def head(self) -> Head | None:
        """The newest committed release; None before genesis."""
        row = self._first(s.HEAD)
        if row is None:
            return None
        pinned = Meta(row["snapshot"], row["length"], row["sha256"])
        return Head(row["generation"], row["epoch"], pinned, moment(row["signed_at"]), row["timestamp"])

    def listing(self) -> Listing:
        """What the newest snapshot lists."""
        rows = self._connection.execute(select(t.roles.c.role, t.roles.c.version)).all()
        metas = {row.role: Meta(row.version) for row in rows if row.role not in (layout.ROOT, *layout.ONLINE)}
        for role in metas.keys() & {*layout.OFFLINE}:
            row = self._one(select(t.files).where(t.files.c.path == metadata_path(role, metas[role].version)))
            assert row is not None, f"no {role} was taken in"
            metas[role] = Meta(metas[role].version, row["length"], row["sha256"])
        return Listing.of(metas)

    def versions(self, roles: Iterable[str]) -> dict[str, int]:
        """The newest version of each of these roles that was ever signed."""
        return {row["role"]: row["version"] for row in self._each(s.VERSIONS, roles)}

    def due_roles(self, now: datetime) -> list[Signed]:
        """Roles that are due to be signed again, the longest due first."""
        return [_signed(row) for row in self._direct.mappings(s.DUE, now=stamp(now))]

    def is_due(self, now: datetime) -> bool:
        """Whether any role is."""
        return (
            self._connection.scalar(select(t.roles.c.role).where(t.roles.c.renew_at <= stamp(now)).limit(1)) is not None
        )

    def lacking(self, keyids: Collection[str], limit: int) -> list[str]:
        """Online roles that are not signed by each of these keys, the timestamp and the snapshot first."""
        lacks = or_(*(~t.roles.c.signers.contains(keyid) for keyid in keyids))
        query = select(t.roles.c.role).where(t.roles.c.signers.is_not(None), lacks).order_by(t.roles.c.role.desc())
        return list(self._connection.scalars(query.limit(limit)))

    def signed_by(self) -> list[tuple[str, frozenset[str], int]]:
        """By which keys the online files of now are signed: ``timestamp``, ``snapshot`` or ``bin``, the key ids, and
        how many files.
        """
        rows = self._connection.execute(s.SIGNED_BY)
        return [(row.kind, frozenset(row.signers.split()), row.files) for row in rows]

    def lease(self) -> Lease | None:
        """Who published last, or does now."""
        row = self._one(select(t.lease))
        return Lease(row["holder"], row["epoch"], row["until"]) if row else None

    def last_done_at(self) -> datetime | None:
        """When the newest release was signed or the newest event recorded, whichever was later."""
        times = (self._standing.signed, self._standing.recorded)
        return max((moment(each) for each in times if each is not None), default=None)

    def roles(self) -> dict[str, Signed]:
        """The newest version of every role that clients can come to."""
        live = t.roles.c.signers.is_not(None) | t.roles.c.role.in_(layout.OFFLINE)
        return {row["role"]: _signed(row) for row in self._connection.execute(select(t.roles).where(live)).mappings()}

    def former_bins(self) -> dict[str, int]:
        """The last versions of bins of a former number of bins, to which nothing delegates any more."""
        former = t.roles.c.signers.is_(None) & t.roles.c.role.not_in(layout.OFFLINE)
        rows = self._connection.execute(select(t.roles.c.role, t.roles.c.version).where(former))
        return {row.role: row.version for row in rows}

    def highest_bin(self) -> int:
        """The greatest version that any bin ever had, of any number of bins; 0 before genesis."""
        query = select(func.max(t.roles.c.version)).where(t.roles.c.role.like(f"{layout.BIN_PREFIX}-%"))
        return self._connection.scalar(query) or 0

    def offline(self) -> dict[str, bytes]:
        """The newest file of every offline role; empty before the first ceremony was taken in."""
        known = self._connection.scalars(select(t.roles.c.role).where(t.roles.c.role.in_(layout.OFFLINE)))
        return {role: self.newest(role) for role in known.all()}

    def newest(self, role: str) -> bytes:
        """The newest signed file of an offline role."""

        def read() -> bytes:
            body: bytes | None = self._direct.scalar(s.NEWEST, role=role)
            assert body is not None, f"no {role} was taken in"
            return body

        return self._states.added(role, self._standing.targets, read) if role == layout.TARGETS else read()

    def file(self, path: str) -> bytes | None:
        """A signed public file, as it was signed."""
        body: bytes | None = self._direct.scalar(s.FILE, path=path)
        return body

    def signed_at(self, path: str) -> datetime:
        """When the release with this file was signed."""
        releases = t.releases.join(t.files, t.files.c.release == t.releases.c.generation)
        at = self._connection.scalar(select(t.releases.c.signed_at).select_from(releases).where(t.files.c.path == path))
        assert at is not None, f"{path} was never signed"
        return moment(at)

    def has_file(self, path: str) -> bool:
        """Whether a file of this path was ever signed."""
        return self._connection.scalar(select(t.files.c.path).where(t.files.c.path == path)) is not None

    def pending(self) -> Pending:
        """What no release holds yet and came in the fast lane, with whatever else is pending of the same names: a name
        has one state.
        """
        rows = self._direct.rows(s.PENDING_IN_LANE, lane=NOW, limit=MOST)
        events, names = [row.seq for row in rows], dict.fromkeys(row.name for row in rows)
        if rows and self._has_bulk():
            events = self._pending_of(names)
        return Pending(tuple(events), tuple(names), tuple(moment(row.at) for row in rows))

    def pending_bulk(self, limit: int) -> Pending:
        """About so many events of the slow lane, with all that is pending of their names."""
        rows = self._direct.rows(s.PENDING_IN_LANE, lane=BULK, limit=limit)
        names = dict.fromkeys(row.name for row in rows)
        return Pending(tuple(self._pending_of(names)), tuple(names), ())

    def pending_all(self, bulk: int) -> Pending:
        """All of the fast lane with about so many of the slow one: whatever a release held that came to nothing."""
        now, later = self.pending(), self.pending_bulk(bulk)
        names = dict.fromkeys((*now.names, *later.names))
        return Pending(tuple(self._pending_of(names)), tuple(names), now.accepted)

    def somebody_waits(self) -> bool:
        """Whether anything of the fast lane does."""
        return bool(self._direct.plain(s.PENDING_IN_LANE, lane=NOW, limit=1))

    def _has_bulk(self) -> bool:
        return bool(self._direct.plain(s.PENDING_IN_LANE, lane=BULK, limit=1))

    def _pending_of(self, names: Iterable[str]) -> list[int]:
        return sorted(row["seq"] for row in self._each(s.PENDING_OF, names))

    def has_pending(self) -> bool:
        """Whether anything waits to be signed or copied out."""
        return bool(self._direct.scalar(s.ANYTHING_PENDING))

    def has_work(self, now: datetime) -> bool:
        """Whether anything does, or is due to be signed again."""
        return bool(self._direct.scalar(s.ANY_WORK, now=stamp(now)))

    def may_need_sweeping(self, now: datetime, refused_before: datetime) -> bool:
        """Whether time may have anything to do: deadlines, what is held, flags, refusals that are too old."""
        return bool(self._direct.scalar(s.MAY_NEED_SWEEPING, now=stamp(now), before=stamp(refused_before)))

    def in_use(self, head: Head | None) -> bool:
        """Whether one of the last releases held anything of the fast lane."""
        lately = t.events.c.release > (self.generation_before(head.generation, LATELY) if head else 0)
        return (
            self._connection.scalar(select(t.events.c.seq).where(lately, t.events.c.lane == NOW).limit(1)) is not None
        )

    def generation_before(self, generation: int, releases: int) -> int:
        """The generation of so many releases before this one; 0 if there are not so many. Generations may have gaps."""
        older = select(t.releases.c.generation).where(t.releases.c.generation < generation)
        query = older.order_by(t.releases.c.generation.desc()).limit(1).offset(releases - 1)
        return self._connection.scalar(query) or 0

    def states(self, names: Iterable[str]) -> dict[str, NameState]:
        """The accepted state of each of these names that was ever touched."""
        rows = self._each(s.EDITIONS, names)
        found = {row["name"]: self._states.get(row["name"], row["edition"]) for row in rows}
        unread = [name for name, state in found.items() if state is None]
        found |= {row["name"]: self._states.read(row) for row in self._each(s.WHOLES, unread)}
        return {name: state for name, state in found.items() if state is not None}

    def states_once(self, names: Iterable[str]) -> Iterator[NameState]:
        """As ``states``, for who comes by many names and not again: none is kept, and few are in memory."""
        for row in self._each(s.WHOLES, names):
            yield self._states.get(row["name"], row["edition"]) or strict.load(NameState, json.loads(row["state"]))

    def name(self, name: str) -> c.Name:
        """A name with its accepted state and holder."""
        return self._name(name, self._first(s.BESIDE, name=name))

    def named(self, wanted: Iterable[str]) -> dict[str, tuple[str, c.Name]]:
        """Each of these names that was ever touched, with its edition: the same one, the same name."""
        return self._named(s.BESIDE_MANY, wanted)

    def all_grants_over(self, wanted: Iterable[str]) -> dict[str, c.Granted]:
        """The active grants whose namespaces any of these normalised names is in, by their prefix."""
        prefixes = dict.fromkeys(prefix for name in wanted for prefix in names.prefixes(name))
        found = (_granted(row["granted"]) for row in self._each(s.GRANTS_OF_MANY, prefixes))
        return {granted.prefix: granted for granted in found}

    def all_alike(self, wanted: Iterable[str]) -> dict[str, list[str]]:
        """The names that somebody has or nobody may have, by which of these skeletons they have, in order."""
        found: dict[str, list[str]] = {}
        for row in self._each(s.ALIKE, wanted):
            if self._states.read(row).state != "vacant":
                found.setdefault(row["skeleton"], []).append(row["name"])
        return {looks: sorted(names) for looks, names in found.items()}

    def answered_keys(self, client: str, keys: Iterable[str]) -> set[str]:
        """Under which of these idempotency keys a client was answered."""
        return {row["key"] for row in self._each(s.ANSWERED_KEYS, keys, client=client)}

    def grants_over(self, name: str) -> tuple[c.Granted, ...]:
        """The active grants whose namespace a normalised name is in, the shortest prefix first."""
        return tuple(map(_granted, self._direct.scalars(s.GRANTS_OF, prefixes=names.prefixes(name))))

    def grants_below(self, prefix: str) -> tuple[c.Granted, ...]:
        """The active grants of longer prefixes in this one's namespace."""
        return self._grants(self._below(prefix))

    def grants(self) -> tuple[c.Granted, ...]:
        """Every active grant."""
        return self._grants(true())

    def alike(self, name: str) -> tuple[str, ...]:
        """Other names with the same skeleton that somebody has or nobody may have, in order."""
        alike = self.all_alike([skeleton(name)]).get(skeleton(name), ())
        return tuple(each for each in alike if each != name)

    def holds(self, account: str) -> int:
        """How many reservations an account holds."""
        query = select(func.count()).select_from(t.names).where(t.names.c.holder == account)
        return self._connection.scalar(query) or 0

    def latest(self, account: str, types: Sequence[str], limit: int) -> tuple[str, ...]:
        """When an account last made events of these types, the latest first."""
        query = select(t.events.c.at).where(t.events.c.actor == account, t.events.c.type.in_(types))
        return tuple(self._connection.scalars(query.order_by(t.events.c.at.desc()).limit(limit)))

    def targets_of(self, names: Iterable[str]) -> list[tuple[str, Target]]:
        """The signed targets of these names, each with its name."""
        return [(row["name"], _target(row)) for row in self._each(s.TARGETS_OF, names)]

    def entries_of(self, names: Iterable[str]) -> dict[str, str]:
        """The signed targets of these names: paths, and their encoded descriptions."""
        found: dict[str, str] = {}
        for chunk in _chunks(names):
            found |= self._direct.plain(s.ENTRIES_OF, values=chunk)
        return found

    def target(self, path: str) -> Target | None:
        """A target as the newest release signs it."""
        row = self._first(s.TARGET, path=path)
        return _target(row) if row else None

    def bin(self, number: int) -> dict[str, str]:
        """The whole signed content of a bin: target paths to their encoded descriptions."""
        return dict(self._direct.plain(s.BIN, bin=number))

    def staged(self) -> list[int]:
        """Generations that are committed and not known to be copied out, in order."""
        return self._direct.scalars(s.STAGED)

    def stage(self, generation: int) -> Staged:
        """What a release points clients to: its timestamp and its new roots."""
        roots = self._direct.plain(s.STAGED_ROOTS, generation=generation)
        timestamp = self._direct.scalar(s.TIMESTAMP, generation=generation)
        return Staged(generation, timestamp or b"", roots)

    def staged_files(self, generation: int, after: int) -> list[tuple[int, str, bytes]]:
        """The next ``FILES`` of a release's immutable files, but for new roots, in the order of copy-out, each with its
        position. A file without a body was copied out, and replaced, by another publisher since.
        """
        return self._direct.plain(s.STAGED_FILES, generation=generation, after=after, limit=FILES)

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

    def policies(self) -> tuple[Published, ...]:
        """Every policy that was ever published, in order."""

        def read() -> tuple[Published, ...]:
            return tuple(map(_policy, self._direct.scalars(s.POLICIES)))

        return self._states.added("policies", self._standing.policies, read)

    def policy(self, now: datetime) -> Policy:
        """The policy that judges at ``now``."""
        return in_force(self.policies(), now)

    def unsigned_policies(self) -> tuple[Published, ...]:
        """Policies that no release holds yet."""
        return tuple(map(_policy, self._direct.scalars(s.UNSIGNED_POLICIES)))

    def flags(self) -> tuple[FlagAct, ...]:
        """Every act that set or cleared a flag, in order."""

        def read() -> tuple[FlagAct, ...]:
            return tuple(map(_flag_act, self._direct.scalars(s.FLAGS)))

        return self._states.added("flags", self._standing.flags, read)

    def unsigned_flags(self) -> tuple[FlagAct, ...]:
        """Acts that no release holds yet."""
        return tuple(map(_flag_act, self._direct.scalars(s.UNSIGNED_FLAGS)))

    def events(self, name: str | None = None, after: int = 0, limit: int = 1000) -> list[c.Event]:
        """Events in order of their number, of one name or of all."""
        query = select(t.events).where(t.events.c.seq > after).order_by(t.events.c.seq).limit(limit)
        if name is not None:
            query = query.where(t.events.c.name == name)
        return [event_of(row) for row in self._connection.execute(query).mappings()]

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
        return [(row["release"], event_of(row)) for row in self._connection.execute(query).mappings()]

    def names_purged(self, generation: int) -> list[str]:
        """The names of which a release purges something."""
        return self._direct.scalars(s.PURGED_IN, generation=generation)

    def due(self, now: datetime) -> list[str]:
        """Names whose deadline has passed, the longest due first."""
        query = select(t.names.c.name).where(t.names.c.due_at <= stamp(now)).order_by(t.names.c.due_at, t.names.c.name)
        return list(self._connection.scalars(query))

    def taken_down(self, digests: Iterable[str]) -> tuple[TakenDown, ...]:
        """The entries of the takedown list that are about any of these bytes."""
        rows = self._each(s.TAKEN_DOWN, sorted({*digests}))
        return tuple(TakenDown(row["sha256"], row["id"], row["status"]) for row in rows)

    def takedowns(self, status: str | None, after: str, limit: int) -> list[tuple[NameState, Takedown]]:
        """Entries of the takedown list in order of their id, each with the state of its name."""
        query = select(t.takedowns.c.id, t.takedowns.c.name).distinct().where(t.takedowns.c.id > after)
        if status is not None:
            query = query.where(t.takedowns.c.status == status)
        rows = self._connection.execute(query.order_by(t.takedowns.c.id).limit(limit)).all()
        states = self.states({row.name for row in rows})
        entries = {entry.id: entry for state in states.values() for entry in state.takedowns}
        return [(states[row.name], entries[row.id]) for row in rows]

    def escalations(self) -> list[Notice]:
        """What waits for an admin."""
        rows = self._connection.execute(select(t.escalations).order_by(t.escalations.c.at)).mappings()
        return [
            Notice(f"{row['name']}/escalation/{row['change']}", row["name"], "admins", row["at"], None, row["sentence"])
            for row in rows
        ]

    def noticed(self, now: datetime) -> list[str]:
        """Names of which somebody is to be told something."""
        return list(self._connection.scalars(select(t.names.c.name).where(t.names.c.notice_at <= stamp(now))))

    def acknowledged(self, notices: Iterable[str]) -> dict[str, Acknowledged]:
        """What the registry said of these notices, by their ids."""
        rows = self._in(select(t.notices), t.notices.c.id, notices)
        return {row["id"]: Acknowledged(**row) for row in rows}

    def signed_since(self, at: datetime) -> datetime | None:
        """When this service signed for the first time at a moment or after it: proof that it was there."""
        first = self._connection.scalar(
            select(func.min(t.releases.c.signed_at)).where(t.releases.c.signed_at >= stamp(at))
        )
        return moment(first) if first else None

    def reserved_for(self, holder: str) -> list[str]:
        """The names that an account holds by reservation, in order."""
        return list(
            self._connection.scalars(select(t.names.c.name).where(t.names.c.holder == holder).order_by(t.names.c.name))
        )

    def last_holder(self, name: str) -> str | None:
        """The account that a name was given to or whose owner acted, whichever was last."""
        acted = t.events.c.holder.is_not(None) | (t.events.c.by == "owner") & t.events.c.actor.is_not(None)
        query = select(func.coalesce(t.events.c.holder, t.events.c.actor)).where(t.events.c.name == name, acted)
        found: str | None = self._connection.scalar(query.order_by(t.events.c.serial.desc()).limit(1))
        return found

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

    def has_pending_beyond(self, mark: int) -> bool:
        """Whether more events than ``mark`` wait for a release."""
        return self._direct.scalar(s.PENDING_BEYOND, mark=mark) is not None

    def counts(self) -> dict[str, int]:
        """How many names, events and pending events there are."""
        pending = select(func.count()).select_from(t.events).where(t.events.c.release.is_(None))
        return {
            "names": self._connection.scalar(select(func.count()).select_from(t.names)) or 0,
            "events": self._connection.scalar(select(func.count()).select_from(t.events)) or 0,
            "pending": self._connection.scalar(pending) or 0,
        }

    def overview(self, now: datetime) -> overview.Overview:
        """How the repository does: what is signed until when, what waits, who publishes."""
        return overview.overview(self._connection, self.lease(), now)

    def accepted(self, begin: datetime, step: timedelta, count: int) -> list[flow.Stretch]:
        """How many events were accepted in each of ``count`` stretches of time from ``begin`` on."""
        return flow.accepted(self._direct, begin, step, count)

    def waited(self, stretches: Iterable[flow.Stretch]) -> list[flow.Stretch]:
        """These stretches, with how long events waited until they were signed."""
        return [flow.waited(self._direct, stretch) for stretch in stretches]

    def last_event(self) -> int:
        """The number of the newest event: about how many there are."""
        return self._direct.scalar(s.LAST_EVENT) or 0

    def cosigned(self, limit: int) -> list[LoggedRelease]:
        """The newest releases of the log whose checkpoints witnesses were asked to cosign, the newest first."""
        asked = select(t.logged).where(t.logged.c.cosigned.is_not(None))
        rows = self._connection.execute(asked.order_by(t.logged.c.generation.desc()).limit(limit)).mappings()
        return [LoggedRelease(**{**row, "root": bytes.fromhex(row["root"])}) for row in rows]

    def _name(self, name: str, row: Mapping[Any, Any] | None) -> c.Name:
        if row is None:
            return c.Name(name, None, None)
        if (state := self._states.get(name, row["edition"])) is None:
            # Its edition, state and holder from one statement: another writer may have come between two.
            row = self._first(s.WHOLE, name=name)
            assert row is not None, "a name is never deleted"
            state = self._states.read(row)
        return _whole(name, state, row)

    def _named(self, query: Select[Any], wanted: Iterable[str]) -> dict[str, tuple[str, c.Name]]:
        rows = {row["name"]: row for row in self._each(query, wanted)}
        known = {name: self._states.get(name, row["edition"]) for name, row in rows.items()}
        unread = [name for name, state in known.items() if state is None]
        rows |= {row["name"]: row for row in self._each(s.WHOLES, unread)}
        states = [(row, known[name] or self._states.read(row)) for name, row in rows.items()]
        return {row["name"]: (row["edition"], _whole(row["name"], state, row)) for row, state in states}

    def _of_row(self, row: Mapping[Any, Any]) -> c.Name:
        return _whole(row["name"], self._states.read(row), row)

    def _grants(self, which: ColumnElement[bool]) -> tuple[c.Granted, ...]:
        granted = t.names.c.granted
        query = select(granted).where(granted.is_not(None), which).order_by(t.names.c.name)
        return tuple(map(_granted, self._connection.scalars(query)))

    def _below(self, prefix: str) -> ColumnElement[bool]:
        """The names in the namespace of a prefix, without the prefix: a range, which an index serves.

        In the order of bytes ``.`` comes right after ``-``; other collations skip punctuation.
        """
        name: ColumnElement[str] = t.names.c.name
        if self._connection.dialect.name == "postgresql":
            name = collate(name, "C")
        return (name > f"{prefix}-") & (name < f"{prefix}.")

    def _first(self, statement: Select[Any], **values: str) -> Mapping[str, Any] | None:
        """The first row of a statement of ``statements.py``."""
        return next(iter(self._direct.mappings(statement, **values)), None)

    def _each(self, statement: Select[Any], values: Iterable[str], **more: str) -> Iterator[Mapping[str, Any]]:
        """The rows of a statement of ``statements.py`` that takes ``values``, any number of them."""
        for chunk in _chunks(values):
            yield from self._direct.mappings(statement, values=chunk, **more)

    def _one(self, query: Select[Any]) -> RowMapping | None:
        return self._connection.execute(query).mappings().first()

    def _in(self, query: Select[Any], column: ColumnElement[str], values: Iterable[str]) -> Iterator[RowMapping]:
        for chunk in _chunks(values):
            yield from self._connection.execute(query.where(column.in_(chunk))).mappings()


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    wanted = list(values)
    return (wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH))


def _whole(name: str, state: NameState, beside: Mapping[Any, Any]) -> c.Name:
    orgs = _granted(beside["granted"]).orgs if beside["granted"] else ()
    return c.Name(name, state, beside["holder"], beside["org"], orgs)


def _granted(text: str) -> c.Granted:
    return strict.load(c.Granted, json.loads(text), "names.granted")


def _token(row: Mapping[Any, Any]) -> Token:
    return Token(**{**row, "scope": strict.load(Scope, json.loads(row["scope"]), f"tokens.{row['id']}")})


def _target(row: Mapping[Any, Any]) -> Target:
    return Target.said(row["path"], row["entry"])


def _signed(row: Mapping[Any, Any]) -> Signed:
    return Signed(row["role"], row["version"], moment(row["expires"]))


def _change(row: Mapping[Any, Any]) -> ChangeRecord:
    return strict.load(ChangeRecord, {**row, "warnings": json.loads(row["warnings"])}, f"changes.{row['id']}")


def _attempt(row: Mapping[Any, Any]) -> Attempt:
    reasons = tuple(Why(each["code"], each["sentence"], each["params"]) for each in json.loads(row["reasons"]))
    return Attempt(**{key: value for key, value in row.items() if key != "seq"} | {"reasons": reasons})


@lru_cache(maxsize=128)  # a policy never changes, and every request is judged by one
def _policy(body: str) -> Published:
    return strict.load(Published, json.loads(body), "policies")


@lru_cache(maxsize=1024)  # as a policy
def _flag_act(body: str) -> FlagAct:
    return strict.load(FlagAct, json.loads(body), "flags")
