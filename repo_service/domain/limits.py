"""How fast, and how much: what one account may do in a time, counted from the journal's own events.

A limit is a number in a window: "20 an hour, 20 at once" is 20 in any hour, "one in 60 s, 100 at once" is 100 in any
6,000 s. Requests without ``actor.id`` are nobody's, and the registry's own acts are not limited.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from keys.times import moment, stamp
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Why

NEW_NAMES: Final = ("name.reserved", "project.created", "session.opened", "placeholder.claimed_open")
RESERVATIONS: Final = ("name.reserved",)
YANKS: Final = ("release.yanked", "release.yank_held")
"""The events that each limit counts."""


def new_names(case: Case) -> Iterator[Why]:
    """An objection if the account takes new names too fast."""
    rate = case.policy.names
    if rate.new_per_hour:
        window = timedelta(seconds=3600 * rate.new_burst // rate.new_per_hour)
        yield from _too_fast("new names", case.around.lately.new_names, rate.new_burst, window, case.now)


def yanks(case: Case) -> Iterator[Why]:
    """An objection if the account yanks too fast."""
    pace = case.policy.yank
    if pace.interval_s:
        window = timedelta(seconds=pace.interval_s * pace.burst)
        yield from _too_fast("yanks", case.around.lately.yanks, pace.burst, window, case.now)


def reservations(case: Case, request: r.Reserve) -> Iterator[Why]:
    """Objections if the account holds too many reservations, or made too many today."""
    most = case.policy.reservations
    lately = case.around.lately
    if request.actor.kind != "owner":
        return
    yield from held(case)
    if again := _again(lately.reservations, most.per_day, timedelta(days=1), case.now):
        sentence = f"the account made {most.per_day} reservations in 24 h; it may make another at {stamp(again)}"
        yield Why("reservation_quota", sentence, {"retry_after": stamp(again), "most": most.per_day})


def held(case: Case) -> Iterator[Why]:
    """An objection if the account keeps too many names that it does not use, in whatever way."""
    most, holds = case.policy.reservations.per_holder, case.around.lately.holds
    if most and holds >= most:
        sentence = f"the account holds {holds} reservations; it may hold {most}. Release or use one"
        yield Why("reservation_quota", sentence, {"holds": holds, "most": most})


def _too_fast(what: str, times: Sequence[str], most: int, window: timedelta, now: datetime) -> Iterator[Why]:
    if again := _again(times, most, window, now):
        seconds = int(window.total_seconds())
        sentence = f"{most} {what} of an account are allowed in {seconds} s; ask again at {stamp(again)}"
        yield Why("rate_limited", sentence, {"retry_after": stamp(again), "most": most, "window_s": seconds})


def _again(times: Sequence[str], most: int, window: timedelta, now: datetime) -> datetime | None:
    """When the next is allowed, ``times`` being the latest first; None if it is now, or ``most`` is 0: any number."""
    if not most or len(times) < most:
        return None
    again = moment(times[most - 1]) + window
    return again if now < again else None
