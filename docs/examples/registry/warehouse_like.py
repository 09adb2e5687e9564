"""A registry like Warehouse, small: where all of its changes pass, an outbox is written, and a worker empties it.

The models are a registry's own. What tallystick adds is one table, two listeners and a worker; docs/REGISTRY.md walks
through them. With SQLAlchemy and tallystick installed:

    python warehouse_like.py sqlite:///registry.db https://tallystick.example < token

sends what waits until it is interrupted.
"""

import logging
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from sqlalchemy import Engine, ForeignKey, create_engine, event, insert, inspect, select, update
from sqlalchemy.dialects.sqlite import insert as upsert  # PostgreSQL's own has the same form
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, UOWTransaction, mapped_column, relationship

from keys.names import normalise
from keys.state import Reason
from repo_service.calling.api import Api
from repo_service.calling.failures import CallFailed, Refused
from repo_service.calling.wire import request_of, text_of
from repo_service.domain.requests import (
    Actor,
    Archive,
    NewFile,
    Publish,
    RemoveFile,
    Request,
    Unarchive,
    Unpublish,
    UnpublishProject,
    Unyank,
    Yank,
)

DELETED = Reason("deleted", "deleted by its owner")


# The registry's own: what it has without us.


class Base(DeclarativeBase):
    """Every table of the registry."""


class Project(Base):
    """A project in its owner's spelling."""

    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    archived: Mapped[bool] = mapped_column(default=False)
    releases: Mapped[list["Release"]] = relationship(back_populates="project", cascade="all, delete-orphan")


class Release(Base):
    """A version, perhaps yanked."""

    __tablename__ = "releases"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    version: Mapped[str]
    yanked: Mapped[bool] = mapped_column(default=False)
    yanked_reason: Mapped[str | None]
    project: Mapped[Project] = relationship(back_populates="releases")
    files: Mapped[list["File"]] = relationship(back_populates="release", cascade="all, delete-orphan")


class File(Base):
    """A file in the registry's own store."""

    __tablename__ = "files"
    id: Mapped[int] = mapped_column(primary_key=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    filename: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    url: Mapped[str]
    release: Mapped[Release] = relationship(back_populates="files")


# What is added: an outbox.


class Turn(Base):
    """The last number of a name's rows. Who takes the next holds the row until they commit, so the rows of one name are
    numbered in the order in which their changes become true. Ids alone are not: they may commit in another order.
    """

    __tablename__ = "outbox_turns"
    name: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]


class Outbox(Base):
    """A request that waits to be sent, in its turn among those of its name. ``key`` is its Idempotency-Key."""

    __tablename__ = "outbox"
    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    number: Mapped[int]
    request: Mapped[str]
    sent: Mapped[datetime | None]
    refused: Mapped[str | None]
    """Why; a person must look, and the rows behind it wait."""


def hook(wake: Callable[[], None]) -> None:
    """The one choke point: from now on every session's changes are in the outbox when they are true. Once a process."""

    @event.listens_for(Session, "after_flush")
    def write(session: Session, _: UOWTransaction) -> None:
        for request in requests_in(session, session.info["actor"]):  # who asks, as the view has found out
            turn = upsert(Turn).values(name=request.name, last=1)
            turn = turn.on_conflict_do_update(index_elements=["name"], set_={"last": Turn.last + 1})
            number = session.scalar(turn.returning(Turn.last))
            row = {"key": secrets.token_hex(16), "name": request.name, "number": number, "request": text_of(request)}
            session.execute(insert(Outbox), row)  # in the transaction of the change: both become true, or neither
            session.info["outbox"] = True

    @event.listens_for(Session, "after_commit")
    def ring(session: Session) -> None:
        if session.info.pop("outbox", False):
            wake()  # a mere nudge: what is lost here, the worker finds at its next look


def requests_in(session: Session, actor: Actor) -> Iterator[Request]:
    """What this flush says about names: what comes before what goes."""
    for release in {each.release for each in session.new if isinstance(each, File)}:
        files = [each for each in session.new if isinstance(each, File) and each.release is release]
        yield Publish(*_about(release), tuple(map(_file, files)), actor, display=release.project.name)
    for each in [*session.new, *session.dirty]:
        if isinstance(each, Release) and _turned(each, "yanked"):
            reason = Reason("yanked", each.yanked_reason or None)
            yield Yank(*_about(each), reason, actor) if each.yanked else Unyank(*_about(each), actor=actor)
        if isinstance(each, Project) and _turned(each, "archived"):
            yield (Archive if each.archived else Unarchive)(normalise(each.name), actor=actor)
    gone = session.deleted
    for each in gone:
        if isinstance(each, File) and each.release not in gone:
            yield RemoveFile(*_about(each.release), each.filename, DELETED, actor=actor)
        if isinstance(each, Release) and each.project not in gone:
            yield Unpublish(*_about(each), DELETED, actor=actor)
        if isinstance(each, Project):
            name = normalise(each.name)
            yield UnpublishProject(name, DELETED, confirm=name, actor=actor)


def _about(release: Release) -> tuple[str, str]:
    return normalise(release.project.name), release.version


def _file(file: File) -> NewFile:
    return NewFile(file.filename, file.sha256, file.size, url=file.url)


def _turned(row: Base, column: str) -> bool:
    """Whether this flush turned it on or off; a new row that has it off was never on."""
    history = inspect(row).attrs[column].history
    return history.has_changes() and (bool(history.deleted) or bool(history.added[0]))


# The worker: a thread here, a Celery task in Warehouse.


def send_waiting(engine: Engine, api: Api) -> int:
    """Send what waits, of each name in its order; how many rows still wait. Any number of workers may do so at once."""
    with Session(engine) as session:
        names = session.scalars(select(Outbox.name).where(Outbox.sent.is_(None)).distinct()).all()
    for name in names:
        while (row := _next(engine, name)) is not None and row.refused is None and _send(engine, api, row):
            pass
    with Session(engine) as session:
        return len(session.scalars(select(Outbox.key).where(Outbox.sent.is_(None))).all())


def _next(engine: Engine, name: str) -> Outbox | None:
    with Session(engine) as session:
        waiting = select(Outbox).where(Outbox.name == name, Outbox.sent.is_(None))
        return session.scalars(waiting.order_by(Outbox.number).limit(1)).first()


def _send(engine: Engine, api: Api, row: Outbox) -> bool:
    """Whether the next row of its name may go. If we die between the two steps it is sent again, and done once."""
    try:
        api.send(request_of(row.request), key=row.key)
        became = {"sent": datetime.now(UTC)}
    except Refused as refusal:  # nothing was written; the same again would be refused again
        logging.error("refused, and %s waits: %s", row.name, refusal)
        became = {"refused": str(refusal)}
    except CallFailed as failure:  # perhaps taken, perhaps not: the same key again says
        logging.warning("later: %s", failure)
        return False
    with Session(engine) as session:
        session.execute(update(Outbox).where(Outbox.key == row.key).values(**became))
        session.commit()
    return "sent" in became


def main() -> None:
    """Send whatever waits, at each nudge and once a minute."""
    engine, api = create_engine(sys.argv[1]), Api(sys.argv[2], sys.stdin.readline().strip())
    woken = threading.Event()  # hook(woken.set) in the process that makes the changes
    while True:
        send_waiting(engine, api)
        woken.wait(60)
        woken.clear()


if __name__ == "__main__":
    main()
