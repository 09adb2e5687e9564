"""The lease: one publisher at a time, by the database's own clock (docs/adr/0003-lease.md)."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, text, update

from repo_service.storage import tables as t
from repo_service.storage.committing import Overtaken
from repo_service.storage.direct import Direct

_PUBLISHING: Final = "publish"
_NOW: Final = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch FROM clock_timestamp())::float8",
}
"""Seconds since 1970, as every publisher on this database sees them."""
_CLOCK: Final = {dialect: text(f"SELECT {now}") for dialect, now in _NOW.items()}
_TAKE: Final = {
    dialect: text(
        f"UPDATE lease SET holder = :holder, epoch = epoch + 1, until = {now} + :seconds "  # noqa: S608 - constants
        f"WHERE name = :name AND (holder = '' OR until < {now}) RETURNING epoch"
    )
    for dialect, now in _NOW.items()
}
_KEEP: Final = {
    dialect: text(f"UPDATE lease SET until = {now} + :seconds WHERE epoch = :its")  # noqa: S608 - now is from _NOW
    for dialect, now in _NOW.items()
}
_FIRST: Final = {
    dialect: text(
        f"INSERT INTO lease (name, holder, epoch, until) VALUES (:name, :holder, 1, {now} + :seconds) "  # noqa: S608 - so too
        "ON CONFLICT DO NOTHING RETURNING epoch"
    )
    for dialect, now in _NOW.items()
}


def take(connection: Connection, holder: str, seconds: float) -> int | None:
    """The lease's epoch for a new holder; None while another one has it."""
    dialect, direct = connection.dialect.name, Direct(connection)
    row = {"name": _PUBLISHING, "holder": holder, "seconds": seconds}
    epoch: int | None = direct.scalar(_TAKE[dialect], **row)
    if epoch is None:
        epoch = direct.scalar(_FIRST[dialect], **row)
    return epoch


def keep(connection: Connection, epoch: int, seconds: float) -> None:
    """Hold it for as many seconds from now on. Raises Overtaken if it has passed to somebody else."""
    row = {"its": epoch, "seconds": seconds}
    if not connection.execute(_KEEP[connection.dialect.name], row).rowcount:
        raise Overtaken(f"the lease of epoch {epoch} has passed to another publisher")


def take_away(connection: Connection, holder: str) -> None:
    """From a holder that is known to be dead; nothing if another one has it by now."""
    connection.execute(update(t.lease).where(t.lease.c.holder == holder).values(holder="", until=0))


def clock(connection: Connection) -> datetime:
    """What the database's clock says."""
    seconds = connection.scalar(_CLOCK[connection.dialect.name])
    assert seconds is not None, "a database without a clock"
    return datetime.fromtimestamp(seconds, UTC)
