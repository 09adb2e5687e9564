"""The journal: with view.py the only SQL. What it says is the truth; everything else can be made from it again."""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from keys import layout, page, strict
from keys.encoding import compact_plain
from keys.skeletons import skeleton
from keys.state import NameState, Reason
from keys.times import stamp
from repo_service.build.assemble import Release
from repo_service.build.pages import Target
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct
from repo_service.domain.requests import Actor
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.deliveries import Delivery
from repo_service.storage.refusals import Attempt
from repo_service.storage.states import States
from repo_service.storage.tokens import NonceSpent, Token
from repo_service.storage.view import BATCH, Acknowledged, ChangeRecord, RegistryState, View

Written = TypeVar("Written")
_TAKE_SKELETON: Final = text(
    "INSERT INTO skeletons VALUES (:it) ON CONFLICT (skeleton) DO UPDATE SET skeleton = excluded.skeleton"
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What was decided about one name, as rows: its events in order, which have no numbers yet, the name as they leave
    it (None: as it was), and the answer (None: to be asked again).
    """

    name: str
    events: tuple[dict[str, Any], ...]
    state: dict[str, Any] | None
    answer: dict[str, Any] | None


def numbered(state: str, event: int) -> str:
    """A state that was written as of the event 0, as of another: no text before it in its JSON holds a bare quote."""
    return state.replace('"event":0,', f'"event":{event},', 1)


class Overtaken(Exception):
    """Another publisher committed this generation first. Nothing was written; begin again from what it left."""


class Collided(Exception):
    """Two transactions wrote what only one can, and this was the second. Nothing of it was written; begin again."""


def once_more(write: Callable[[], Written]) -> Written:
    """What ``write`` gives; begun again once, for after Collided what the other transaction wrote is there now."""
    try:
        return write()
    except Collided:
        return write()


class Journal:
    """Opened on one database. ``reading`` sees one moment; ``writing`` is one transaction, all or nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**t.reading_options(engine))
        self._states = States()

    def create(self) -> None:
        """Make the tables that are missing."""
        t.metadata.create_all(self._engine)

    @contextmanager
    def reading(self) -> Iterator[View]:
        """A consistent view that never blocks a writer."""
        with self._reader.begin() as connection:
            yield View(connection, self._states)

    @contextmanager
    def writing(self) -> Iterator["Pen"]:
        """One write transaction; an exception leaves nothing behind. Raises Collided."""
        try:
            with self._engine.begin() as connection:
                yield Pen(connection, self._states)
        except IntegrityError as error:
            raise Collided("another request wrote the same at the same time") from error

    @contextmanager
    def trying(self) -> Iterator["Pen"]:
        """One write transaction of which nothing is kept, whatever happens."""
        with self._engine.connect() as connection, connection.begin() as transaction:
            try:
                yield Pen(connection, self._states)
            finally:
                transaction.rollback()

    def commit(self, release: Release, events: Collection[int], bin_of: layout.Bins, now: datetime) -> None:
        """THE MOMENT A RELEASE BECOMES TRUE. Before it nothing happened; after it, it will, whoever dies.

        The generation is the compare-and-swap: two publishers cannot both insert it. Raises Overtaken.
        """
        with self._engine.begin() as connection:
            try:
                connection.execute(insert(t.releases), _release_row(release, now))
            except IntegrityError as error:
                raise Overtaken(f"generation {release.generation} was committed by another publisher") from error
            _store_files(connection, release)
            _store_roles(connection, release)
            named = [page.name for page in (*release.pages, *release.policies)]
            before = {target.path: target for _, target in View(connection, self._states).targets_of(named)}
            _store_targets(connection, before, release, bin_of)
            marked = _mark_events(connection, events, release.generation)
            assert marked == len(events), "an event is in two releases, although generations follow each other"
            _mark_policies(connection, release)

    def mark_published(self, generation: int) -> None:
        """Every file of this release is in the depot and the pointer is at it or past it."""
        with self._engine.begin() as connection:
            connection.execute(update(t.releases).where(t.releases.c.generation == generation).values(published=1))


class Pen(View):
    """A view that also writes: what one accepted request leaves behind."""

    def locked_name(self, name: str) -> c.Name:
        """As ``name``, holding its row until the transaction ends, so that decisions about it are in one order."""
        return self._name(name, self._one(s.BESIDE_LOCKED, name=name))

    def lock_family(self, name: str) -> None:
        """Until the transaction ends nobody else takes a new name, or grants one, that begins with the same word.

        A row that is not there cannot be locked, and a name must not be taken while its prefix is being granted.
        SQLite has one writer anyway.
        """
        if self._connection.dialect.name == "postgresql":
            word = name.partition("-")[0]
            self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(word))))

    def locked_under(self, prefix: str) -> list[c.Name]:
        """Every name that was ever touched in a prefix's namespace but the prefix itself, holding their rows."""
        query = select(t.names).where(self._below(prefix)).order_by(t.names.c.name).with_for_update()
        return [self._of_row(row) for row in self._connection.execute(query).mappings()]

    def lock_skeleton(self, name: str) -> None:
        """From here until the transaction ends, nobody else takes a name that looks like this one, or this one.

        A name that nobody has is no row, so there is none to lock; PostgreSQL would let both in.
        """
        self._connection.execute(_TAKE_SKELETON, {"it": skeleton(name)})

    def append(
        self, name: c.Name, change: c.Change, at: datetime, actor: Actor, reason: Reason | None, policy: str,
        holder: str | None, change_id: str, org: str | None = None,
    ) -> c.Event:  # fmt: skip
        """Write one event and give it its number."""
        event = c.Event(
            0, name.name, stamp(at), actor.kind, reason, policy, change, actor.id, holder, actor.approver, org
        )
        serial = 1 if name.state is None else name.state.serial + 1
        result = self._connection.execute(s.REMEMBER, event_row(event, serial, change_id))
        assert result.inserted_primary_key is not None, "an event without a number"
        return replace(event, seq=result.inserted_primary_key[0])

    def keep(self, name: c.Name, due_at: datetime | None, notice_at: datetime | None) -> None:
        """Write a name's state after its events, when time will change it next, and when somebody is to be told."""
        assert name.state is not None, "a name is kept after an event"
        row = name_row(name, due_at, notice_at)
        self._states.put(row["edition"], name.state, len(row["state"]))
        if name.state.takedowns:
            self.index_takedowns(name.state)
        if not self._connection.execute(s.KEEP, {"kept": name.name, **row}).rowcount:
            self._connection.execute(s.KEEP_NEW, {"name": name.name, **row})

    def lock_all(self, names: Collection[str], new: Collection[str]) -> None:
        """Hold these names, and with those that are new everything that bears on a new name, until the end.

        Whoever locks one name takes its family, its skeleton and its row in this order too: nobody waits in a circle.
        """
        if self._connection.dialect.name == "postgresql":
            words = sorted({name.partition("-")[0] for name in new})
            for word in words:
                self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(word))))
        if looks := sorted({skeleton(name) for name in new}):
            self._connection.execute(_TAKE_SKELETON, [{"it": each} for each in looks])
        if self._connection.dialect.name == "postgresql":
            for _ in self._many(s.BESIDE_MANY_LOCKED, sorted(names)):
                pass

    def write_all(self, found: Sequence[Rows]) -> None:
        """Write what was decided about many names, of each its last state: a few statements for all of them."""
        numbers = iter(self._numbers(sum(len(each.events) for each in found)))
        events, states = [], {}
        for each in found:
            rows = [{**row, "seq": next(numbers)} for row in each.events]
            events += rows
            if each.state is not None:
                states[each.name] = {**each.state, "state": numbered(each.state["state"], rows[-1]["seq"])}
        known = {row["name"] for row in self._many(s.EDITIONS, states)}
        for statement, all_rows in (
            (s.REMEMBER, events),
            (s.KEEP, [{"kept": name, **row} for name, row in states.items() if name in known]),
            (s.KEEP_NEW, [{"name": name, **row} for name, row in states.items() if name not in known]),
            (s.ANSWER, [each.answer for each in found if each.answer is not None]),
        ):
            if all_rows:
                self._connection.execute(statement, all_rows)

    def _numbers(self, count: int) -> Sequence[int]:
        """Numbers for as many events, which no other transaction gets."""
        if self._connection.dialect.name == "postgresql":
            drawn = text("SELECT nextval(pg_get_serial_sequence('events', 'seq')) FROM generate_series(1, :count)")
            return list(self._connection.scalars(drawn, {"count": count}))
        last = self._connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'events'")) or 0
        return range(last + 1, last + 1 + count)

    def index_takedowns(self, state: NameState) -> None:
        """Let the entries of a name be found by the bytes that they are about."""
        self._connection.execute(delete(t.takedowns).where(t.takedowns.c.name == state.name))
        rows = [
            {"id": entry.id, "sha256": digest, "name": state.name, "status": entry.status}
            for entry in state.takedowns
            for digest in entry.sha256s
        ]
        self._connection.execute(insert(t.takedowns), rows)

    def escalate(self, change: str, name: str, at: datetime, sentence: str) -> None:
        """Keep what an admin must settle; the same sentence once."""
        same = (t.escalations.c.name == name) & (t.escalations.c.sentence == sentence)
        if self._one(select(t.escalations).where(same)) is None:
            row = {"change": change, "name": name, "at": stamp(at), "sentence": sentence}
            self._connection.execute(insert(t.escalations), row)

    def settle(self, name: str) -> None:
        """An admin has settled what waited about this name."""
        self._connection.execute(delete(t.escalations).where(t.escalations.c.name == name))

    def schedule(self, name: str, due_at: datetime | None) -> None:
        """Correct when time will change a name next, where its events say nothing new."""
        row = {"due_at": stamp(due_at) if due_at else None}
        self._connection.execute(update(t.names).where(t.names.c.name == name).values(row))

    def acknowledge(self, notice: Acknowledged) -> None:
        """Remember what became of a notice, in place of what was said of it before."""
        self._connection.execute(delete(t.notices).where(t.notices.c.id == notice.id))
        self._connection.execute(insert(t.notices), strict.dump(notice))

    def answer(self, record: ChangeRecord) -> None:
        """Remember what was answered, for a client that asks again."""
        self._connection.execute(s.ANSWER, answer_row(record))

    def keep_registry_state(self, taken: RegistryState) -> None:
        """Remember the newest full state of a project."""
        row = strict.dump(taken)
        self._connection.execute(delete(t.registry_states).where(t.registry_states.c.name == taken.name))
        self._connection.execute(insert(t.registry_states), {**row, "done": _text(row["done"])})

    def locked_sequence(self, name: str) -> int | None:
        """As ``sequence``, holding its row until the transaction ends."""
        return self._connection.scalar(select(t.sequences.c.last).where(t.sequences.c.name == name).with_for_update())

    def keep_sequence(self, name: str, last: int) -> None:
        """Every number of a project up to ``last`` is used or given up."""
        known = update(t.sequences).where(t.sequences.c.name == name).values(last=last)
        if not self._connection.execute(known).rowcount:
            self._connection.execute(insert(t.sequences), {"name": name, "last": last})

    def add_delivery(self, delivery: Delivery) -> None:
        """Keep a numbered request for ever."""
        self._connection.execute(insert(t.deliveries), strict.dump(delivery))

    def take_turn(self, delivery: Delivery) -> None:
        """A numbered request's turn has come: keep what became of it."""
        became = {"state": delivery.state, "refused": delivery.refused}
        self._connection.execute(update(t.deliveries).where(t.deliveries.c.id == delivery.id).values(became))

    def add_policy(self, published: Published, approved_by: Collection[str] = ()) -> None:
        """Keep a policy for ever, and who approved it (opaque ids, never signed). The next one is another row."""
        row = {"id": published.policy.id, "body": published.body.decode(), "approved_by": _text(sorted(approved_by))}
        self._connection.execute(insert(t.policies), row)

    def refuse(self, attempt: Attempt) -> None:
        """Remember a refused attempt."""
        row = asdict(attempt)
        self._connection.execute(insert(t.refusals), {**row, "reasons": _text(row["reasons"])})

    def forget_refusals(self, before: datetime) -> None:
        """Forget the attempts that were refused before this time."""
        self._connection.execute(delete(t.refusals).where(t.refusals.c.at < stamp(before)))

    def add_flag_act(self, act: FlagAct, client: str) -> None:
        """Keep an act of flags for ever. Overtaken if another was first with this number."""
        row = {"number": act.number, "id": act.id, "body": act.body.decode(), "client": client}
        try:
            self._connection.execute(insert(t.flags), row)
        except IntegrityError as error:
            raise Overtaken(f"{act.id} was written by somebody else") from error

    def add_token(self, token: Token) -> None:
        """Keep a new token's record."""
        self._connection.execute(insert(t.tokens), {**strict.dump(token), "scope": _text(strict.dump(token.scope))})

    def revoke_token(self, identifier: str, at: datetime) -> None:
        """From now on the token opens nothing; its record stays."""
        self._connection.execute(update(t.tokens).where(t.tokens.c.id == identifier).values(revoked=stamp(at)))

    def spend_nonce(self, token: str, nonce: str, until: datetime, now: datetime) -> None:
        """Remember a signed request's nonce while its signature is good. NonceSpent if it is remembered already."""
        self._connection.execute(delete(t.nonces).where(t.nonces.c.until < stamp(now)))
        try:
            self._connection.execute(insert(t.nonces), {"token": token, "nonce": nonce, "until": stamp(until)})
        except IntegrityError as error:
            raise NonceSpent from error


def event_row(event: c.Event, serial: int, change_id: str) -> dict[str, Any]:
    """An event as a row of ``events``, which numbers it."""
    return {
        "name": event.name, "serial": serial, "at": event.at, "by": event.by, "type": c.type_of(event.change),
        "body": _text(strict.dump(event.change)), "reason": _text(strict.dump(event.reason)), "policy": event.policy,
        "actor": event.actor, "holder": event.holder, "approver": event.approver, "change": change_id,
        "org": event.org,
    }  # fmt: skip


def name_row(name: c.Name, due_at: datetime | None, notice_at: datetime | None) -> dict[str, Any]:
    """A name as a row of ``names``, but for its key, under a new edition."""
    assert name.state is not None, "a name is kept after an event"
    return {
        "state": page.encode(name.state).decode(),
        "edition": secrets.token_hex(16),
        "holder": name.holder,
        "due_at": stamp(due_at) if due_at else None,
        "org": name.org,
        "granted": _text(strict.dump(name.granted)) if name.granted else None,
        "skeleton": skeleton(name.name),
        "notice_at": stamp(notice_at) if notice_at else None,
    }


def answer_row(record: ChangeRecord) -> dict[str, Any]:
    """An answer as a row of ``changes``."""
    row = strict.dump(record)
    return {**row, "warnings": _text(row["warnings"])}


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
    for start in range(0, len(rows), BATCH):
        chunk = rows[start : start + BATCH]
        connection.execute(delete(t.roles).where(t.roles.c.role.in_([row["role"] for row in chunk])))
        connection.execute(insert(t.roles), chunk)


def _store_targets(connection: Connection, before: Mapping[str, Target], release: Release, bins: layout.Bins) -> None:
    """What a yank leaves as it was is not written again: of a thousand releases' files, none."""
    pages = (*release.pages, *release.policies)
    after = {target.path: (page.name, target) for page in pages for target in page.targets}
    stale = [path for path, target in before.items() if path not in after or after[path][1] != target]
    for start in range(0, len(stale), BATCH):
        connection.execute(delete(t.targets).where(t.targets.c.path.in_(stale[start : start + BATCH])))
    rows = [
        {
            "path": path, "name": name, "bin": bins.number(path), "length": target.length,
            "sha256": target.sha256, "custom": _text(dict(target.custom)),
        }
        for path, (name, target) in after.items()
        if before.get(path) != target
    ]  # fmt: skip
    if rows:
        connection.execute(insert(t.targets), rows)


def _mark_events(connection: Connection, events: Collection[int], generation: int) -> int:
    wanted, marked = list(events), 0
    for start in range(0, len(wanted), BATCH):
        chunk = wanted[start : start + BATCH]
        pending = t.events.c.seq.in_(chunk) & t.events.c.release.is_(None)
        marked += connection.execute(update(t.events).where(pending).values(release=generation)).rowcount
    return marked


def _mark_policies(connection: Connection, release: Release) -> None:
    named = [page.name for page in release.policies]
    for table in (t.policies, t.flags):
        connection.execute(update(table).where(table.c.id.in_(named)).values(release=release.generation))


def _text(value: object) -> str:
    return compact_plain(value).decode()
