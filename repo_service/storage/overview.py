"""How the repository does, at one moment: what is signed until when, what waits, who publishes. For gauges and people.

Everything here is a lookup by an index or a read of ``roles``, so that it costs the same under any load.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, inspect, literal_column, select

from keys import layout
from keys.times import moment
from repo_service.storage import tables as t

LANES = ("now", "bulk")
"""What ``events.lane`` numbers, from 0."""


@dataclass(frozen=True, slots=True)
class SignedRole:
    """A role's newest file. ``signed`` is when this service first published it."""

    role: str
    version: int
    signed: datetime | None
    expires: datetime


@dataclass(frozen=True, slots=True)
class Lane:
    """Events that no release holds yet, and when the first of them was accepted."""

    name: str
    pending: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who publishes, or did last; ``until`` is by the database's clock."""

    holder: str
    epoch: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """The newest committed release, every role but the bins, the bin that expires first, and what waits."""

    generation: int
    snapshot: int
    signed_at: datetime | None
    roles: tuple[SignedRole, ...]
    bins: int
    soonest_bin: SignedRole | None
    lanes: tuple[Lane, ...]
    staged: int
    lease: Lease | None


def overview(connection: Connection) -> Overview:
    """The whole of it. ``lease`` is None while nobody has ever taken it."""
    newest = connection.execute(
        select(t.releases.c.generation, t.releases.c.snapshot, t.releases.c.signed_at)
        .order_by(t.releases.c.generation.desc())
        .limit(1)
    ).first()
    generation, snapshot, at = newest or (0, 0, None)
    signed_at = moment(at) if at else None
    its, named = t.roles.c, (*layout.OFFLINE, *layout.ONLINE)
    roles, bins = select(its.role, its.version, its.expires), its.role.not_in(named)
    rows = connection.execute(roles.where(its.role.in_(named))).all()
    soonest = connection.execute(roles.where(bins).order_by(its.expires, its.role).limit(1)).all()
    signed = _first_published(connection, [(row.role, row.version) for row in (*rows, *soonest)])
    signed |= {layout.TIMESTAMP: signed_at} if signed_at else {}
    found = {
        row.role: SignedRole(row.role, row.version, signed.get(row.role), moment(row.expires))
        for row in (*rows, *soonest)
    }
    return Overview(
        generation,
        snapshot,
        signed_at,
        tuple(found[role] for role in named if role in found),
        connection.scalar(select(func.count()).select_from(t.roles).where(bins)) or 0,
        found[soonest[0].role] if soonest else None,
        tuple(_lane(connection, number, name) for number, name in enumerate(LANES)),
        connection.scalar(select(func.count()).select_from(t.releases).where(t.releases.c.published == 0)) or 0,
        _lease(connection),
    )


def missing(connection: Connection) -> list[str]:
    """Tables, and columns of tables, that this version needs and the database has not."""
    there = {
        table: {column["name"] for column in columns}
        for (_, table), columns in inspect(connection).get_multi_columns().items()
    }
    return sorted(
        f"{table.name}.{column.name}"
        for table in t.metadata.tables.values()
        for column in table.columns
        if column.name not in there.get(table.name, ())
    )


def _first_published(connection: Connection, roles: Iterable[tuple[str, int]]) -> dict[str, datetime]:
    """When the file of each of these roles and versions came into a release."""
    paths = {f"metadata/{version}.{role}.json": role for role, version in roles}
    query = (
        select(t.files.c.path, t.releases.c.signed_at)
        .join(t.releases, t.releases.c.generation == t.files.c.release)
        .where(t.files.c.path.in_(paths))
    )
    return {paths[row.path]: moment(row.signed_at) for row in connection.execute(query)}


def _lane(connection: Connection, number: int, name: str) -> Lane:
    # Until the schema has lanes, every event is in the first.
    lane: ColumnElement[int] = t.events.c.get("lane", literal_column("0"))
    pending = t.events.c.release.is_(None), lane == number
    count = connection.scalar(select(func.count()).select_from(t.events).where(*pending)) or 0
    oldest = connection.scalar(select(t.events.c.at).where(*pending).order_by(t.events.c.seq).limit(1))
    return Lane(name, count, moment(oldest) if oldest else None)


def _lease(connection: Connection) -> Lease | None:
    lease = t.metadata.tables.get("lease")
    if lease is None:  # until the schema has it
        return None
    row = connection.execute(
        select(lease.c.holder, lease.c.epoch, lease.c.until).where(lease.c.name == "publish")
    ).first()
    return Lease(row.holder, row.epoch, moment(row.until)) if row else None
