"""The journal, opened on one database: transactions, and the moment a release becomes true. What it says is the truth;
everything else can be made from it again. SQL is written in this room alone.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from keys.times import moment, stamp
from repo_service.build.assemble import Release
from repo_service.build.due import Lifetimes, Signed, rescheduled
from repo_service.build.logbook import Entered
from repo_service.storage import backups, committing, lease, schema
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.direct import Direct
from repo_service.storage.inventory import Inventory
from repo_service.storage.logreading import LoggedRelease
from repo_service.storage.pen import Pen
from repo_service.storage.states import States
from repo_service.storage.view import View

Written = TypeVar("Written")
AnyPen = TypeVar("AnyPen", bound=Pen)
AnyView = TypeVar("AnyView", bound=View)


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
    def writing(self) -> Iterator[Pen]:
        """One write transaction; an exception leaves nothing behind. Raises Collided."""
        with self.writing_with(Pen) as pen:
            yield pen

    @contextmanager
    def writing_with(self, kind: type[AnyPen]) -> Iterator[AnyPen]:
        """As ``writing``, with a pen of this kind."""
        try:
            with self._writing() as connection:
                yield kind(connection, self._states)
        except IntegrityError as error:
            raise Collided("another request wrote the same at the same time") from error

    @contextmanager
    def trying(self) -> Iterator[Pen]:
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
        with self._writing() as connection:
            return lease.take(connection, holder, seconds)

    def keep_lease(self, epoch: int, seconds: float) -> None:
        """Publish alone for this long from now on. Raises Overtaken if the lease has passed to somebody else."""
        with self._writing() as connection:
            lease.keep(connection, epoch, seconds)

    def break_lease(self, holder: str) -> None:
        """Take the lease from a holder that is known to be dead."""
        with self._writing() as connection:
            lease.take_away(connection, holder)

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
            return lease.clock(connection)

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


def _rescheduled(row: Row[Any], lifetimes: Lifetimes, now: datetime) -> str | None:
    signed = Signed(row.role, row.version, moment(row.expires))
    due = rescheduled(signed, lifetimes, now)
    assert due is not None, "offline roles have no signers"
    return min(str(row.renew_at), stamp(now)) if due == now else stamp(due)  # due already, or now
