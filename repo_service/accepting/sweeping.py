"""What time does: every deadline that has passed becomes a request by the clock, also after days of downtime."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from repo_service.accepting import attempts, intake
from repo_service.domain import flags
from repo_service.domain.deadlines import deadlines, due
from repo_service.storage.journal import Journal

SWEPT: Final = 100
"""Names that one transaction sweeps."""


def sweep(journal: Journal, now: datetime) -> int:
    """Turn deadlines that have passed into events; how many there were. Asking again changes nothing."""
    with journal.reading() as view:
        names = sorted(view.due(now))  # every sweeper locks in the same order, so no two wait for each other
    attempts.sweep(journal, now)
    return sum(_swept(journal, names[start : start + SWEPT], now) for start in range(0, len(names), SWEPT))


def _swept(journal: Journal, names: Sequence[str], now: datetime) -> int:
    """What time does to these names, in one transaction; a crash leaves all of it for the next sweep."""
    made = 0
    with journal.writing() as pen:
        policy, pauses = pen.policy(now), flags.pauses(pen.flags(), now)
        for name in names:
            state = pen.locked_name(name).state
            assert state is not None, "a deadline is of a state"
            events = sum(intake.apply(pen, request, policy, now) for request in due(state, policy, now, pauses))
            if not events:  # a later policy or a pause gave it more time, or somebody must be told first
                pen.schedule(name, min((at for at, _ in deadlines(state, policy, pauses)), default=None))
            made += events
    return made
