"""When roles are due, as arithmetic: nothing here signs anything."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import layout
from repo_service.build.due import (
    AT_ONCE,
    Lifetimes,
    Signed,
    freshness,
    is_due,
    next_renewals,
    renew_at,
    warnings,
)
from tests.world import BEGIN

DEFAULT: Final = Lifetimes.default()
SETS: Final = (DEFAULT, Lifetimes.strict())
MANY: Final = layout.Bins(14)


def all_bins(lifetimes: Lifetimes, shape: layout.Bins = MANY) -> list[Signed]:
    """Every bin, signed in the moment in which a repository begins."""
    return [Signed(role, layout.first_version(n), BEGIN + lifetimes.bin) for n, role in enumerate(shape.roles())]


@pytest.mark.parametrize("tick", [timedelta(minutes=10), timedelta(hours=6)])
def test_a_timestamp_has_sixty_six_hours_left_at_any_time_and_is_signed_four_times_a_day(tick: timedelta) -> None:
    expires, now, signings = BEGIN + DEFAULT.timestamp, BEGIN, 0
    while now < BEGIN + timedelta(days=9):
        now += tick
        assert expires - now >= timedelta(hours=66)
        if is_due(Signed("timestamp", 1, expires), DEFAULT, now):
            expires, signings = now + DEFAULT.timestamp, signings + 1
    assert 36 <= signings <= 38


@pytest.mark.parametrize("lifetimes", SETS)
@pytest.mark.parametrize("bits", [2, 8, 14])
def test_bins_that_were_signed_together_fall_due_evenly_over_a_quarter_of_their_period(
    lifetimes: Lifetimes, bits: int
) -> None:
    dates = sorted(
        date
        for each in all_bins(lifetimes, layout.Bins(bits))
        if (date := renew_at(each.role, each.expires, lifetimes))
    )
    quarter = lifetimes.bin / 4
    assert dates[0] >= BEGIN + 2 * quarter
    assert dates[-1] < BEGIN + 3 * quarter
    even = quarter / len(dates)
    assert max(later - earlier for earlier, later in pairwise(dates)) <= 3 * even + timedelta(seconds=1)


def test_a_ceremonys_files_are_due_by_no_timer() -> None:
    assert [renew_at(role, BEGIN, DEFAULT) for role in layout.OFFLINE] == [None] * 4


def test_few_bins_are_signed_again_in_one_release_and_the_first_to_expire_first() -> None:
    now = BEGIN + DEFAULT.bin * 0.75
    due = all_bins(DEFAULT)
    due[77] = Signed(due[77].role, 1, due[77].expires - timedelta(seconds=1))
    chosen = next_renewals(due, len(MANY), DEFAULT, now)
    assert chosen[0] == due[77]
    assert len(chosen) == AT_ONCE, "7.5 days are 1080 looks of ten minutes; half of them, 540, for 16,384 bins: 31"
    assert next_renewals((), len(MANY), DEFAULT, now) == []


def test_what_would_expire_before_the_fourth_look_is_signed_whatever_it_costs() -> None:
    due = all_bins(DEFAULT)
    late = BEGIN + DEFAULT.bin - 4 * DEFAULT.refresh + timedelta(seconds=1)
    assert len(next_renewals(due, len(MANY), DEFAULT, late)) == len(MANY)
    assert len(next_renewals(due, len(MANY), DEFAULT, BEGIN + 2 * DEFAULT.bin)) == len(MANY)


def looks(bins: list[Signed], lifetimes: Lifetimes, waits: list[timedelta]) -> list[int]:
    """How many bins each look signs. Asserts that none has expired by then."""
    now, batches = BEGIN, []
    for wait in waits:
        now += wait
        assert all(each.expires > now for each in bins), "a bin expired"
        due = [each for each in bins if is_due(each, lifetimes, now)]
        chosen = {each.role for each in next_renewals(due, len(bins), lifetimes, now)}
        bins = [Signed(each.role, each.version, now + lifetimes.bin) if each.role in chosen else each for each in bins]
        batches.append(len(chosen))
    return batches


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(SETS), st.sampled_from((1, 6, 8, 9)), st.lists(st.integers(0, 100), min_size=1, max_size=8),
    st.sampled_from((0, 50, 80, 90, 95)),
)  # fmt: skip
def test_no_bin_ever_expires_while_somebody_looks(
    lifetimes: Lifetimes, bits: int, ages: list[int], silence: int
) -> None:
    """Never so few that one could expire: from any mixture of ages, after any silence that left all of them alive."""
    shape = layout.Bins(bits)
    bins = [
        Signed(role, 1, BEGIN + lifetimes.bin * (1 - ages[number % len(ages)] / 250))
        for number, role in enumerate(shape.roles())
    ]
    alive = min(each.expires for each in bins) - BEGIN
    rare = replace(lifetimes, refresh=lifetimes.bin / 60)
    looks(bins, rare, [alive * silence / 100, *[rare.refresh] * 130])


def test_a_thousand_bins_with_the_periods_of_pep_458_are_signed_at_a_steady_rate_and_no_backlog_grows() -> None:
    hourly = replace(Lifetimes.strict(), refresh=timedelta(hours=1))
    batches = looks(all_bins(hourly, layout.Bins(10)), hourly, [hourly.refresh] * 24 * 8)
    arriving = 1024 / 6
    assert max(batches) <= 2 * arriving + 1
    assert sum(batches) <= 1024 * 8 * 24 / 12


def test_freshness_is_one_number_for_each_role_and_one_for_the_oldest_bin() -> None:
    rows = [
        Signed("root", 1, BEGIN + timedelta(days=73)),
        Signed("timestamp", 9, BEGIN + timedelta(days=3)),
        Signed("snapshot", 4, BEGIN - timedelta(days=1)),
        Signed("bins", 1, BEGIN + timedelta(days=400)),
        Signed("bin-0", 100_000, BEGIN + timedelta(days=15)),
        Signed("bin-1", 100_001, BEGIN + timedelta(days=30)),
    ]
    expected = {"root": 0.2, "timestamp": 1.0, "snapshot": 0.0, "bins": 1.0, "bin": 0.5}
    assert freshness(rows, DEFAULT, BEGIN) == expected


def test_people_are_told_at_ninety_sixty_thirty_fourteen_and_seven_days() -> None:
    def said(days: float) -> list[str]:
        return [text.partition(":")[0] for text in warnings([Signed("root", 3, BEGIN + timedelta(days=days))], BEGIN)]

    assert said(90) == []
    assert said(89.9) == ["root 3 expires in less than 90 days"]
    assert said(60) == ["root 3 expires in less than 90 days"]
    assert [said(days) for days in (59, 29, 13, 6.9)] == [
        [f"root 3 expires in less than {limit} days"] for limit in (60, 30, 14, 7)
    ]
    assert said(0) == ["root 3 HAS EXPIRED"]
    rows = [Signed("held", 1, BEGIN + timedelta(days=80)), Signed("targets", 1, BEGIN + timedelta(days=2))]
    assert [text.split()[0] for text in warnings([*rows, Signed("snapshot", 1, BEGIN)], BEGIN)] == ["targets", "held"]
