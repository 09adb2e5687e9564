"""How the repository does, at one moment: what is signed until when, what waits, who publishes. For gauges and people.

Everything here is a lookup by an index or a read of ``roles``, so that it costs the same under any load.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from keys import layout
from keys.times import moment, stamp
from keys.tlog import notes
from repo_service.build.metadata import metadata_path
from repo_service.storage import tables as t

LANES: Final = ("now", "bulk")
"""What ``events.lane`` numbers, from 0."""


@dataclass(frozen=True, slots=True)
class SignedRole:
    """A role's newest file. ``signed`` is when it was first published, ``due`` when it is signed again; None for what
    only a ceremony can sign.
    """

    role: str
    version: int
    signed: datetime | None
    expires: datetime
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Lane:
    """Events that no release holds yet, and when the first of them was accepted."""

    name: str
    pending: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who publishes, and until when by the database's clock, in seconds since 1970; ``holder`` is empty if nobody."""

    holder: str
    epoch: int
    until: float


@dataclass(frozen=True, slots=True)
class LogHead:
    """The log's newest public checkpoint: its name, its leaves, counted, and who cosigned it."""

    origin: str
    size: int
    cosigned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """The newest committed release, every role but the bins, the bin that expires first, and what waits: how many
    roles are due and since when, events by lane, and releases that are not copied out.
    """

    generation: int
    snapshot: int
    roles: tuple[SignedRole, ...]
    bins: int
    soonest_bin: SignedRole | None
    due: int
    due_since: datetime | None
    lanes: tuple[Lane, ...]
    staged: int
    lease: Lease | None
    log: LogHead | None = None


def overview(connection: Connection, lease: Lease | None, now: datetime) -> Overview:
    """The whole of it. ``lease`` is None while nobody has ever taken it."""
    newest = select(t.releases.c.generation, t.releases.c.snapshot).order_by(t.releases.c.generation.desc()).limit(1)
    generation, snapshot = connection.execute(newest).first() or (0, 0)
    its, named = t.roles.c, (*layout.OFFLINE, *layout.ONLINE)
    bins = its.role.not_in(named), its.signers.is_not(None)
    rows = connection.execute(select(t.roles).where(its.role.in_(named))).all()
    soonest = connection.execute(select(t.roles).where(*bins).order_by(its.expires, its.role).limit(1)).all()
    signed = _first_published(connection, generation, [*rows, *soonest])
    found = {row.role: _role(row, signed.get(row.role)) for row in (*rows, *soonest)}
    late = its.renew_at <= stamp(now)
    return Overview(
        generation,
        snapshot,
        tuple(found[role] for role in named if role in found),
        connection.scalar(select(func.count()).select_from(t.roles).where(*bins)) or 0,
        found[soonest[0].role] if soonest else None,
        connection.scalar(select(func.count()).select_from(t.roles).where(late)) or 0,
        _moment(connection.scalar(select(func.min(its.renew_at)).where(late))),
        tuple(_lane(connection, number, name) for number, name in enumerate(LANES)),
        connection.scalar(select(func.count()).select_from(t.releases).where(t.IS_STAGED)) or 0,
        lease,
        _log(connection),
    )


def _log(connection: Connection) -> LogHead | None:
    logged = t.logged.c
    newest = select(logged.checkpoint, logged.cosigned).where(logged.cosigned.is_not(None))
    row = connection.execute(newest.order_by(logged.generation.desc()).limit(1)).first()
    if row is None:
        return None
    head = notes.read_checkpoint(notes.read_note(row.checkpoint.encode()).text)
    witnesses = tuple(notes.read_signature(line).name for line in row.cosigned.splitlines())
    return LogHead(head.origin, head.size, witnesses)


def _first_published(connection: Connection, generation: int, roles: Iterable[Row[Any]]) -> dict[str, datetime]:
    """When the newest file of each of these roles came into a release. A timestamp's version is its release."""
    paths = {metadata_path(row.role, row.version): row.role for row in roles}
    query = (
        select(t.files.c.path, t.releases.c.signed_at)
        .join(t.releases, t.releases.c.generation == t.files.c.release)
        .where(t.files.c.path.in_(paths))
    )
    found = {paths[row.path]: moment(row.signed_at) for row in connection.execute(query)}
    newest = connection.scalar(select(t.releases.c.signed_at).where(t.releases.c.generation == generation))
    return found | ({layout.TIMESTAMP: moment(newest)} if newest else {})


def _role(row: Row[Any], signed: datetime | None) -> SignedRole:
    return SignedRole(row.role, row.version, signed, moment(row.expires), _moment(row.renew_at))


def _lane(connection: Connection, number: int, name: str) -> Lane:
    pending = t.events.c.release.is_(None), t.events.c.lane == number
    count = connection.scalar(select(func.count()).select_from(t.events).where(*pending)) or 0
    oldest = connection.scalar(select(t.events.c.at).where(*pending).order_by(t.events.c.seq).limit(1))
    return Lane(name, count, _moment(oldest))


def _moment(text: str | None) -> datetime | None:
    return moment(text) if text else None
