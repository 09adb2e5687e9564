"""Time: the signer's own clock may be put back by a minute and no further, and what is over is not due again."""

from datetime import timedelta

import pytest

from keys.invariants import CLOCK
from repo_service.domain import requests as r
from repo_service.domain.clock import ClockWentBack, check_clock
from repo_service.domain.deadlines import deadlines
from tests.domain.book import POLICY
from tests.domain.cases import standing
from tests.world import BEGIN


def test_a_clock_may_be_put_back_by_a_minute_and_by_no_second_more() -> None:
    check_clock(BEGIN, BEGIN - CLOCK)
    check_clock(None, BEGIN)
    with pytest.raises(ClockWentBack, match="2026-11-22"):
        check_clock(BEGIN, BEGIN - CLOCK - timedelta(seconds=1))


def test_of_what_is_purged_nothing_is_due_ever_again() -> None:
    book = standing("placeholder")
    assert [type(each) for _, each in deadlines(book.state("foo"), POLICY)] == [r.PurgeRelease]
    book.tick(days=30)
    book.do(r.PurgeRelease("foo", "1.0"))
    assert deadlines(book.state("foo"), POLICY) == []
