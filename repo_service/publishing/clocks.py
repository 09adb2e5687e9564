"""Is this machine's clock right? Asked of every clock that a publisher can see, before it signs.

A clock that is ahead is the dangerous one: what it signs lives too long, and afterwards every right clock is behind.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from keys.times import stamp

APART: Final = timedelta(seconds=60)
"""How far two clocks may be apart."""
Source = tuple[str, Callable[[], datetime | None]]
"""What a clock is called, and how to read it; None where there is none (SQLite's and a local disk's are ours)."""


class ClocksDiffer(Exception):
    """Two clocks are further apart than clocks are. Nothing was written."""

    def __init__(self, read: Mapping[str, datetime]) -> None:
        said = "; ".join(f"{name} says {stamp(time)}" for name, time in read.items())
        super().__init__(
            f"clocks differ by more than {APART.seconds} s: {said}. Nothing was signed or written. Set the clock "
            "that is wrong; publishing goes on by itself"
        )
        self.read = read


def offsets(now: datetime, sources: Iterable[Source]) -> dict[str, float]:
    """By how many seconds each clock is ahead of ours; what metrics export as ``clock_offset_seconds``."""
    return {name: (time - now).total_seconds() for name, read in sources if (time := read()) is not None}


def check_clocks(now: datetime, sources: Iterable[Source]) -> None:
    """ClocksDiffer unless this machine's clock and all others are within ``APART`` of each other."""
    apart = offsets(now, sources)
    ahead, behind = max([0.0, *apart.values()]), min([0.0, *apart.values()])
    if ahead - behind > APART.total_seconds():
        raise ClocksDiffer({"this machine": now} | {name: now + timedelta(seconds=by) for name, by in apart.items()})
