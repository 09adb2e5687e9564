"""The signer's own clock: it may be put back by a minute, and no further."""

from datetime import timedelta

import pytest

from keys.invariants import CLOCK
from repo_service.domain.clock import ClockWentBack, check_clock
from tests.world import BEGIN


def test_a_clock_may_be_put_back_by_a_minute_and_by_no_second_more() -> None:
    check_clock(BEGIN, BEGIN - CLOCK)
    check_clock(None, BEGIN)
    with pytest.raises(ClockWentBack, match="2026-11-22"):
        check_clock(BEGIN, BEGIN - CLOCK - timedelta(seconds=1))
