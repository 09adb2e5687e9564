"""Events by what they are about, the newest first, a page at a time: for people who look for something.

No request reads the whole table. A name, a rare type and what waits have an index each; a time is found by halving, for
numbers and times grow together. Of the rest a page looks at ``WINDOW`` events, says how far it came, and goes on there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, RowMapping, func, select

from keys.state import ActorClass
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.storage import tables as t
from repo_service.storage.approvals import ApprovalReading
from repo_service.storage.rows import event_of
from repo_service.storage.view import View

WINDOW: Final = 20_000
"""Events that one page looks at where no index leads to them."""
_SLACK: Final = timedelta(hours=1)
"""By how much an event may be recorded later than one with a higher number: transactions commit out of order."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The release that signs an event. Clients see it once it is ``published``."""

    generation: int
    snapshot: int
    signed_at: str
    published: bool


@dataclass(frozen=True, slots=True)
class Told:
    """An event, the name's serial after it, and what signs it; None while it waits."""

    event: c.Event
    serial: int
    change: str
    signed: Signature | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are looked for; None is any."""

    name: str | None = None
    type: str | None = None
    by: ActorClass | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: Literal["pending", "signed"] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of events. ``before`` is where the next one goes on (None: there is no more); ``looked_to`` is the time of
    the oldest event that was looked at, where the page is not full because it looked at enough.
    """

    events: tuple[Told, ...]
    before: int | None
    looked_to: str | None = None


class Search(ApprovalReading, View):
    """A view for people who look for something."""

    def found(self, wanted: Wanted, before: int | None, limit: int) -> Found:
        """The newest events that are wanted, below the number ``before``."""
        floor = self._number_at(wanted.since - _SLACK) if wanted.since else 0
        top = self._number_at(wanted.until + _SLACK) if wanted.until else self._newest()
        top = top if before is None else min(top, before - 1)
        low = floor if _is_indexed(wanted) else max(floor, top - WINDOW)
        span = (t.events.c.seq > low, t.events.c.seq <= top)
        listed = self._told((*span, *_conditions(wanted)), limit + 1)
        if len(listed) > limit:
            return Found(tuple(listed[:limit]), listed[limit - 1].event.seq)
        return Found(tuple(listed), low + 1, self._time_of(low + 1)) if low > floor else Found(tuple(listed), None)

    def history(self, name: str, before: int | None, limit: int) -> Found:
        """The newest events of a name, below its serial ``before``."""
        below = () if before is None else (t.events.c.serial < before,)
        listed = self._told((t.events.c.name == name, *below), limit + 1)
        more = listed[limit - 1].serial if len(listed) > limit else None
        return Found(tuple(listed[:limit]), more)

    def first_serial(self, name: str) -> int | None:
        """The serial of the first event that is known of a name: not 1 where older ones were lost with a journal."""
        query = select(func.min(t.events.c.serial)).where(t.events.c.name == name)
        first: int | None = self._connection.scalar(query)
        return first

    def why_held(self, name: str, version: str) -> str | None:
        """What the brake said when it held the yank of a release last; None if that is not known."""
        wanted = _conditions(Wanted(name=name, type="release.yank_held"))
        for told in self._told(wanted, WINDOW):
            if getattr(told.event.change, "version", None) == version and (change := self.change(told.change)):
                return next((each.detail for each in change.warnings if each.code == "mass_yank_brake"), None)
        return None

    def _told(self, conditions: Sequence[ColumnElement[bool]], limit: int) -> list[Told]:
        events, releases = t.events, t.releases
        query = (
            select(events, releases.c.generation, releases.c.snapshot, releases.c.signed_at, releases.c.published)
            .select_from(events.outerjoin(releases, events.c.release == releases.c.generation))
            .where(*conditions)
            .order_by(events.c.seq.desc())
            .limit(limit)
        )
        return [_told(row) for row in self._connection.execute(query).mappings()]

    def _newest(self) -> int:
        return self._connection.scalar(select(func.max(t.events.c.seq))) or 0

    def _time_of(self, number: int) -> str | None:
        """When the newest event up to this number was recorded."""
        older = select(t.events.c.at).where(t.events.c.seq <= number).order_by(t.events.c.seq.desc()).limit(1)
        return self._connection.scalar(older)

    def _number_at(self, time: datetime) -> int:
        """About the number of the last event up to a time: found by halving, a row at a time."""
        low, high, wanted = 0, self._newest(), stamp(time)
        while low < high:
            middle = (low + high + 1) // 2
            if (at := self._time_of(middle)) is None or at <= wanted:
                low = middle
            else:
                high = middle - 1
        return low


def types() -> Iterator[str]:
    """Every type of event, in order."""
    yield from sorted(c.TYPES)


def _is_indexed(wanted: Wanted) -> bool:
    return wanted.name is not None or _is_rare(wanted.type) or wanted.state == "pending"


def _is_rare(kind: str | None) -> bool:
    return kind is not None and kind not in t.COMMON


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    events = t.events.c
    said: list[tuple[object, ColumnElement[bool]]] = [
        (wanted.name, events.name == wanted.name),
        (wanted.type, events.type == wanted.type),
        (wanted.type if _is_rare(wanted.type) else None, t.IS_RARE),
        (wanted.by, events.by == wanted.by),
        (wanted.since, events.at >= stamp(wanted.since) if wanted.since else events.at.is_not(None)),
        (wanted.until, events.at <= stamp(wanted.until) if wanted.until else events.at.is_not(None)),
        (wanted.state == "pending" or None, events.release.is_(None)),
        (wanted.state == "signed" or None, events.release.is_not(None)),
    ]
    return [condition for given, condition in said if given is not None]


def _told(row: RowMapping) -> Told:
    signed = row["generation"] is not None
    by = Signature(row["generation"], row["snapshot"], row["signed_at"], bool(row["published"])) if signed else None
    return Told(event_of(row), row["serial"], row["change"], by)
