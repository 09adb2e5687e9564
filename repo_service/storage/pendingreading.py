"""What can be read of what waits: for a release, in which lane, for a deadline, for a notice."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select

from keys.times import moment, stamp
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.releasereading import Head, ReleaseReading

NOW, BULK = 0, 1
"""Lanes of events: what is signed as soon as it can be, and what an import brings."""
LATELY: Final = 20
"""Releases that say whether a registry is in use."""
MOST: Final = 20_000
"""Events of the fast lane in one release."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Events that a release should hold, by their numbers, the names that they are about, and when those of the fast
    lane were accepted.
    """

    events: tuple[int, ...]
    names: tuple[str, ...]
    accepted: tuple[datetime, ...]


class PendingReading(ReleaseReading):
    """Reading of what no release holds yet, and of what time is to do."""

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

    def due(self, now: datetime) -> list[str]:
        """Names whose deadline has passed, the longest due first."""
        query = select(t.names.c.name).where(t.names.c.due_at <= stamp(now)).order_by(t.names.c.due_at, t.names.c.name)
        return list(self._connection.scalars(query))

    def noticed(self, now: datetime) -> list[str]:
        """Names of which somebody is to be told something."""
        return list(self._connection.scalars(select(t.names.c.name).where(t.names.c.notice_at <= stamp(now))))

    def has_pending_beyond(self, mark: int) -> bool:
        """Whether more events than ``mark`` wait for a release."""
        return self._direct.scalar(s.PENDING_BEYOND, mark=mark) is not None
