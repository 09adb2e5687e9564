"""The first page: is all well, what is signed and until when, what waits, and how much comes in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from flask import Blueprint, Response

from keys import layout
from repo_service.accepting import approving
from repo_service.build.due import WARN_DAYS, Lifetimes
from repo_service.console import charts
from repo_service.console.charts import Value
from repo_service.console.console import Console
from repo_service.console.pages import ago, number, page
from repo_service.domain import flags
from repo_service.operating.status import LATE, STALE, span
from repo_service.storage.flow import Stretch
from repo_service.storage.overview import SignedRole
from repo_service.storage.view import View

Level = Literal["ok", "warn", "bad"]
MINUTES: Final = (timedelta(minutes=2), 30)
"""The last hour in stretches,"""
HOURS: Final = (timedelta(hours=1), 24)
"""and the last day."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """How much of its time a role has left, 1 to 0. ``tick`` is where it is due to be signed again."""

    role: SignedRole
    label: str
    share: float
    tick: float
    level: Level
    words: str
    next: str


def register(routes: Blueprint, console: Console) -> None:
    """The page."""

    @routes.get("/overview")
    def overview() -> Response:
        status = console.status()
        now = status.now
        with console.desk.journal.reading() as view:
            day, hour = _day(view, now), _hour(view, now)
            gaps, escalations, holds = view.gaps(), view.escalations(), _held(view, now)
            standing, events = flags.standing(view.flags()), view.last_event()
        return page(
            "overview.html",
            now=now, its=status.its, pointer=status.pointer, advice=[*status.advice()], events=events,
            expiries=[expiry(role, console.lifetimes, now) for role in status.roles()], stale=STALE, ago=ago,
            flags=standing, gaps=gaps, escalations=escalations, holds=holds,
            day=charts.chart(map(_accepted, day)), hour=charts.chart(map(_accepted, hour)),
            lag=charts.chart(map(_waited, hour)),
        )  # fmt: skip


def expiry(role: SignedRole, lifetimes: Lifetimes, now: datetime) -> Expiry:
    """A role's bar, and in words what it shows."""
    period, left = lifetimes.of(role.role), role.expires - now
    is_bin = role.role not in (*layout.OFFLINE, *layout.ONLINE)
    due = role.due or role.expires - timedelta(days=WARN_DAYS[0])
    return Expiry(
        role,
        "first bin" if is_bin else role.role,
        min(max(left / period, 0.0), 1.0),
        min(max((role.expires - due) / period, 0.0), 1.0),
        _level(role, due, now),
        f"{span(left)} left of {span(period)}" if left > timedelta(0) else "expired: every client refuses",
        _next(role, due, now),
    )


def _level(role: SignedRole, due: datetime, now: datetime) -> Level:
    if role.expires <= now or (role.due is None and role.expires - now < timedelta(days=WARN_DAYS[-1])):
        return "bad"
    late = now - due > (LATE if role.due else timedelta(0))
    return "warn" if late else "ok"


def _next(role: SignedRole, due: datetime, now: datetime) -> str:
    what = "a ceremony" if role.due is None else "signed again"
    return f"{what} in {span(due - now)}" if due > now else f"{what} now"


def _held(view: View, now: datetime) -> int:
    """How many yanks wait for two admins."""
    told = view.named(view.noticed(now)).values()
    return sum(len([*approving.held_yanks(name)]) for _, name in told)


def _day(view: View, now: datetime) -> list[Stretch]:
    step, count = HOURS
    return view.accepted(now - step * count, step, count)


def _hour(view: View, now: datetime) -> list[Stretch]:
    step, count = MINUTES
    return view.waited(view.accepted(now - step * count, step, count))


def _accepted(stretch: Stretch) -> Value:
    return Value(stretch.begin, stretch.accepted, number(stretch.accepted))


def _waited(stretch: Stretch) -> Value:
    seconds = stretch.waited.total_seconds() if stretch.waited is not None else 0.0
    return Value(stretch.begin, seconds, "none signed" if stretch.waited is None else f"{seconds:.0f} s")
