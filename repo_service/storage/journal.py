"""The journal: with view.py the only SQL. What it says is the truth; everything else can be made from it again."""

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from keys import page, strict
from keys.encoding import compact_plain
from keys.skeletons import skeleton
from keys.state import NameState, Reason
from keys.times import moment, stamp
from repo_service.build.assemble import Release
from repo_service.build.due import Lifetimes, Signed, rescheduled
from repo_service.build.logbook import Entered
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct
from repo_service.domain.requests import Actor
from repo_service.storage import backups, committing, schema
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.committing import Overtaken
from repo_service.storage.deliveries import Delivery
from repo_service.storage.direct import Direct
from repo_service.storage.inventory import Inventory
from repo_service.storage.logreading import LoggedRelease
from repo_service.storage.pendingreading import NOW
from repo_service.storage.refusals import Attempt
from repo_service.storage.requestreading import Acknowledged, ChangeRecord, RegistryState
from repo_service.storage.states import States
from repo_service.storage.tokens import NonceSpent, Token
from repo_service.storage.view import View

Written = TypeVar("Written")
AnyPen = TypeVar("AnyPen", bound="Pen")
AnyView = TypeVar("AnyView", bound=View)
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


PUBLISHING: Final = "publish"
_NOW: Final = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch FROM clock_timestamp())::float8",
}
"""Seconds since 1970, as every publisher on this database sees them."""
_CLOCK: Final = {dialect: text(f"SELECT {now}") for dialect, now in _NOW.items()}
_TAKE_LEASE: Final = {
    dialect: text(
        f"UPDATE lease SET holder = :holder, epoch = epoch + 1, until = {now} + :seconds "  # noqa: S608  # constants
        f"WHERE name = :name AND (holder = '' OR until < {now}) RETURNING epoch"
    )
    for dialect, now in _NOW.items()
}
_KEEP_LEASE: Final = {
    dialect: text(f"UPDATE lease SET until = {now} + :seconds WHERE epoch = :its")  # noqa: S608
    for dialect, now in _NOW.items()
}
_FIRST_LEASE: Final = {
    dialect: text(
        f"INSERT INTO lease (name, holder, epoch, until) VALUES (:name, :holder, 1, {now} + :seconds) "  # noqa: S608
        "ON CONFLICT DO NOTHING RETURNING epoch"
    )
    for dialect, now in _NOW.items()
}


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
        self._turn = Lock() if self.has_one_writer else nullcontext()

    @property
    def has_one_writer(self) -> bool:
        """Whether this database lets one write at a time, and everything else wait."""
        return self._engine.dialect.name == "sqlite"

    def create(self) -> None:
        """Make the tables of a new database. WrongSchema for one that has others."""
        schema.create(self._engine)

    def check(self) -> None:
        """WrongSchema unless the database has the tables that this program needs."""
        schema.check(self._engine)

    def migrate(self) -> tuple[str, ...]:
        """Move an older database's tables on; which steps that took. Raises WrongSchema."""
        return schema.migrate(self._engine)

    def back_up(self, file: Path) -> None:
        """Everything into a new file, while others go on. Raises NotCopied."""
        backups.backup(self._engine, file)

    def restore(self, file: Path) -> None:
        """Become what a backup holds, where there is no journal yet. Raises NotCopied."""
        self._engine.dispose()
        backups.restore(self._engine, file)

    @contextmanager
    def reading(self) -> Iterator[View]:
        """A consistent view that never blocks a writer."""
        with self.reading_with(View) as view:
            yield view

    @contextmanager
    def reading_with(self, kind: type[AnyView]) -> Iterator[AnyView]:
        """As ``reading``, with a view of this kind."""
        with self._reader.begin() as connection:
            yield kind(connection, self._states)

    @contextmanager
    def inventory(self) -> Iterator[Inventory]:
        """As ``reading``, for who walks through everything."""
        with self._reader.begin() as connection:
            yield Inventory(connection, self._states)

    @contextmanager
    def writing(self) -> Iterator["Pen"]:
        """One write transaction; an exception leaves nothing behind. Raises Collided."""
        with self.writing_with(Pen) as pen:
            yield pen

    @contextmanager
    def writing_with(self, kind: "type[AnyPen]") -> Iterator["AnyPen"]:
        """As ``writing``, with a pen of this kind."""
        try:
            with self._writing() as connection:
                yield kind(connection, self._states)
        except IntegrityError as error:
            raise Collided("another request wrote the same at the same time") from error

    @contextmanager
    def trying(self) -> Iterator["Pen"]:
        """One write transaction of which nothing is kept, whatever happens."""
        with self._turn, self._engine.connect() as connection, connection.begin() as transaction:
            try:
                yield Pen(connection, self._states)
            finally:
                transaction.rollback()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One write transaction. SQLite has one writer, and lets others ask again and again until they give up: threads
        of one process take turns before it.
        """
        with self._turn, self._engine.begin() as connection:
            yield connection

    def take_lease(self, holder: str, seconds: float) -> int | None:
        """Publish alone for this long, by the database's clock: the lease's epoch; None while another holder has it."""
        dialect = self._engine.dialect.name
        row = {"name": PUBLISHING, "holder": holder, "seconds": seconds}
        with self._writing() as connection:
            direct = Direct(connection)
            epoch: int | None = direct.scalar(_TAKE_LEASE[dialect], **row)
            if epoch is None:
                epoch = direct.scalar(_FIRST_LEASE[dialect], **row)
            return epoch

    def keep_lease(self, epoch: int, seconds: float) -> None:
        """Publish alone for this long from now on. Raises Overtaken if the lease has passed to somebody else."""
        with self._writing() as connection:
            row = {"its": epoch, "seconds": seconds}
            if not connection.execute(_KEEP_LEASE[self._engine.dialect.name], row).rowcount:
                raise Overtaken(f"the lease of epoch {epoch} has passed to another publisher")

    def break_lease(self, holder: str) -> None:
        """Take the lease from a holder that is known to be dead."""
        with self._writing() as connection:
            connection.execute(update(t.lease).where(t.lease.c.holder == holder).values(holder="", until=0))

    def give_back(self, epoch: int) -> None:
        """Somebody else may publish now. What is not of this epoch stays as it is."""
        with self._writing() as connection:
            Direct(connection).run(s.GIVE_BACK, its=epoch)

    def commit(
        self, release: Release, entered: Entered | None, events: Collection[int], lifetimes: Lifetimes, now: datetime,
        epoch: int,
    ) -> None:  # fmt: skip
        """THE MOMENT A RELEASE BECOMES TRUE. Before it nothing happened; after it, it will, whoever dies.

        Which release it follows is the compare-and-swap: two publishers cannot both insert that. Raises Overtaken.
        ``epoch`` says for people under which lease it was made; it is no condition (ADR 3).
        """
        with self._writing() as connection:
            committing.write(connection, release, entered, events, lifetimes, now, epoch)

    def reschedule(self, lifetimes: Lifetimes, now: datetime) -> int:
        """Correct when roles are due, where that follows from other periods than these; how many it corrects."""
        with self._writing() as connection:
            rows = connection.execute(select(t.roles).where(t.roles.c.signers.is_not(None))).all()
            dates = {row.role: _rescheduled(row, lifetimes, now) for row in rows}
            moved = [{"moved": row.role, "at": dates[row.role]} for row in rows if row.renew_at != dates[row.role]]
            if moved:
                Direct(connection).write_all(s.RESCHEDULE, moved)
            return len(moved)

    def clear_clock(self, lifetimes: Lifetimes, now: datetime) -> None:
        """A clock was ahead; from now on ``now`` is right. What was dated later stays, and no longer stops what
        follows; what was signed for too long is due.
        """
        with self._writing() as connection:
            (stands,) = Direct(connection).rows(s.STANDING)
            events = connection.scalar(select(func.max(t.events.c.seq))) or 0
            row = {"at": stamp(now), "events": events, "ahead": max(filter(None, (stands.signed, stands.recorded)))}
            connection.execute(insert(t.cleared), row)
            later = t.releases.c.signed_at > stamp(now)
            connection.execute(update(t.releases).where(later).values(signed_at=stamp(now)))
        self.reschedule(lifetimes, now)

    def clock(self) -> datetime | None:
        """The database's own clock; None for SQLite, whose clock is this machine's."""
        if self._engine.dialect.name == "sqlite":
            return None
        with self._reader.begin() as connection:
            seconds = connection.scalar(_CLOCK[self._engine.dialect.name])
            assert seconds is not None, "a database without a clock"
            return datetime.fromtimestamp(seconds, UTC)

    def keep_cosigned(self, logged: LoggedRelease, cosigned: str) -> LoggedRelease:
        """What witnesses said of a release's checkpoint, and the proof that this makes: from here on it is these bytes,
        whoever dies. The release as it is kept now: who kept an answer first is right.
        """
        with self._writing() as connection:
            committing.keep_cosigned(Direct(connection), logged, cosigned)
            kept = View(connection, self._states).logged(logged.generation)
        assert kept is not None, "what is logged stays"
        return kept

    def mark_published(self, generation: int, ending: int | None = None) -> None:
        """Every file of this release is in the depot and the pointer is at it or past it. The bodies of what it
        replaced are not needed any more. With it a lease may end: one transaction less.
        """
        with self._writing() as connection:
            direct = Direct(connection)
            direct.run(s.MARK_PUBLISHED, copied_out=generation)
            direct.run(s.PRUNE, superseding=generation)
            if ending is not None:
                direct.run(s.GIVE_BACK, its=ending)


class Pen(View):
    """A view that also writes: what one accepted request leaves behind."""

    def locked_name(self, name: str) -> c.Name:
        """As ``name``, holding its row until the transaction ends, so that decisions about it are in one order."""
        return self._name(name, self._first(s.BESIDE_LOCKED, name=name))

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
        holder: str | None, change_id: str, org: str | None = None, lane: int = NOW,
    ) -> c.Event:  # fmt: skip
        """Write one event and give it its number."""
        event = c.Event(
            0, name.name, stamp(at), actor.kind, reason, policy, change, actor.id, holder, actor.approver, org
        )
        serial = 1 if name.state is None else name.state.serial + 1
        return replace(event, seq=self._direct.written(s.REMEMBER_ONE, event_row(event, serial, change_id, lane)))

    def keep(self, name: c.Name, due_at: datetime | None, notice_at: datetime | None) -> None:
        """Write a name's state after its events, when time will change it next, and when somebody is to be told."""
        assert name.state is not None, "a name is kept after an event"
        row = name_row(name, due_at, notice_at)
        self._states.put(row["edition"], name.state, len(row["state"]))
        if name.state.takedowns:
            self.index_takedowns(name.state)
        if not self._direct.write(s.KEEP, {"kept": name.name, **row}):
            self._direct.write(s.KEEP_NEW, {"name": name.name, **row})

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
            for _ in self._each(s.BESIDE_MANY_LOCKED, sorted(names)):
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
        known = {row["name"] for row in self._each(s.EDITIONS, states)}
        write_all = self._direct.write_all
        write_all(s.REMEMBER, events)
        write_all(s.KEEP, [{"kept": name, **row} for name, row in states.items() if name in known])
        write_all(s.KEEP_NEW, [{"name": name, **row} for name, row in states.items() if name not in known])
        write_all(s.ANSWER, [each.answer for each in found if each.answer is not None])

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
        self._direct.write(s.ANSWER, answer_row(record))

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
        self._forget()

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
            self._forget()
        except IntegrityError as error:
            raise Overtaken(f"{act.id} was written by somebody else") from error

    def mark_dropped(self, paths: Collection[str], at: datetime) -> None:
        """These files may go from the depot once they have been marked for a while."""
        self._connection.execute(update(t.files).where(t.files.c.path.in_(paths)).values(dropped=stamp(at)))

    def forget_files(self, paths: Collection[str]) -> None:
        """These files are gone from the depot. Their names never come back: versions and serials only grow."""
        self._connection.execute(delete(t.files).where(t.files.c.path.in_(paths)))

    def forget_text(self, path: str) -> bool:
        """A file of the current state goes for good, on purpose; whether there was one."""
        newest = select(func.max(t.releases.c.generation)).scalar_subquery()
        its = (t.files.c.path == path) & t.files.c.superseded.is_(None)
        self._connection.execute(delete(t.bodies).where(t.bodies.c.path == path))
        return bool(self._connection.execute(update(t.files).where(its).values(superseded=newest)).rowcount)

    def forget_nonces(self, now: datetime) -> None:
        """Forget the nonces of signatures that are too old to be accepted again."""
        self._connection.execute(delete(t.nonces).where(t.nonces.c.until < stamp(now)))

    def _forget(self) -> None:
        """What this transaction adds, others learn once it is committed; it may be rolled back."""
        self.__dict__.pop("_standing", None)
        self._states = States()

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


def event_row(event: c.Event, serial: int, change_id: str, lane: int) -> dict[str, Any]:
    """An event as a row of ``events``, which numbers it."""
    return {
        "name": event.name, "serial": serial, "at": event.at, "by": event.by, "type": c.type_of(event.change),
        "body": _text(strict.dump(event.change)), "reason": _text(strict.dump(event.reason)), "policy": event.policy,
        "actor": event.actor, "holder": event.holder, "approver": event.approver, "change": change_id,
        "org": event.org, "lane": lane,
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


def _rescheduled(row: Row[Any], lifetimes: Lifetimes, now: datetime) -> str | None:
    signed = Signed(row.role, row.version, moment(row.expires))
    due = rescheduled(signed, lifetimes, now)
    assert due is not None, "offline roles have no signers"
    return min(str(row.renew_at), stamp(now)) if due == now else stamp(due)  # due already, or now


def _text(value: object) -> str:
    return compact_plain(value).decode()
