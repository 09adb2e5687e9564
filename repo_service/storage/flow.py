"""How much comes in and how long it waits to be signed, over the last while: what the console draws.

The journal may hold a hundred million events, so nothing is counted here. Numbers of events grow with time: where a
stretch of time begins among them is searched for by halves, and the difference of two numbers is how many came between
(PostgreSQL leaves a few numbers out where a transaction was rolled back). Waits are looked up for some releases of each
stretch.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.times import moment, stamp
from repo_service.storage import statements as s
from repo_service.storage.direct import Direct

SAMPLED = 10
"""Releases of a stretch that are looked at, the last ones."""
LOOKED_AT = 20
"""Events of a release among which the first of the fast lane is looked for."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A length of time: how many events were accepted in it, and of the last releases signed in it the longest that an
    event of the fast lane had waited; None if none was.
    """

    begin: datetime
    end: datetime
    accepted: int
    waited: timedelta | None = None


class _Times(Sequence[str]):
    """When the event with each number, or the next one that there is, was accepted. Read as it is asked for."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._count = (direct.scalar(s.LAST_EVENT) or 0) + 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> str:  # type: ignore[override]  # bisect asks for one at a time
        return self._direct.scalar(s.ACCEPTED_FROM, seq=number) or "~"


def accepted(direct: Direct, begin: datetime, step: timedelta, count: int) -> list[Stretch]:
    """Stretches of the same length, in order, without how long anything waited."""
    times, edges = _Times(direct), [begin + step * number for number in range(count + 1)]
    found, low = list[int](), 1  # numbers begin at 1
    for edge in edges:
        low = bisect_left(times, stamp(edge), low)
        found.append(low)
    return [Stretch(edges[each], edges[each + 1], found[each + 1] - found[each]) for each in range(count)]


def waited(direct: Direct, stretch: Stretch) -> Stretch:
    """A stretch with how long its events waited."""
    releases = direct.rows(s.SIGNED_BETWEEN, begin=stamp(stretch.begin), end=stamp(stretch.end), limit=SAMPLED)
    waits = [
        moment(release.signed_at) - moment(first)
        for release in releases
        if (first := _first(direct, release.generation)) is not None
    ]
    return Stretch(stretch.begin, stretch.end, stretch.accepted, max(waits, default=None))


def _first(direct: Direct, generation: int) -> str | None:
    found = direct.rows(s.FIRST_OF_RELEASE, generation=generation, limit=LOOKED_AT)
    return next((row.at for row in found if not row.lane), None)
