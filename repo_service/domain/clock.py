"""Time goes forward: nothing is recorded or signed by a clock that lies behind what was recorded or signed before."""

from datetime import datetime

from keys.invariants import CLOCK
from keys.state import NameState
from keys.times import moment, stamp


class ClockWentBack(Exception):
    """The clock is behind the last event or signing: what follows could end before what it follows."""

    def __init__(self, last: datetime, now: datetime) -> None:
        done = f"the last event or signing was at {stamp(last)}; set the clock"
        super().__init__(f"this machine's clock says {stamp(now)}, and {done}")


def check_name_clock(state: NameState, now: datetime) -> None:
    """ClockWentBack if what a name's page says is dated later than ``now``: an operator cleared a clock that was ahead,
    and this name changed by it. It can change again after that date; no other name waits for it.
    """
    times = [state.since.at, *(act.mark.at for act in state.history), *(each.published_at for each in state.releases)]
    check_clock(moment(max(times)), now)


def check_clock(last: datetime | None, now: datetime) -> None:
    """ClockWentBack if ``now`` lies further behind the last that was done than clocks are corrected."""
    if last is not None and now < last - CLOCK:
        raise ClockWentBack(last, now)
