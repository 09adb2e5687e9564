"""Flags: what each stops and whom it lets pass, and that a pause shortens nobody's time."""

from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.state import Reason
from keys.strict import Malformed
from keys.times import stamp
from repo_service.domain import deadlines, flags
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Refusal
from repo_service.domain.policy import preset
from repo_service.wiring import presets
from tests.domain.book import POLICY, Book
from tests.domain.cases import (
    ADMIN,
    BECAUSE,
    MODERATOR,
    SUPPORT,
    WHEEL,
    a_file,
    claim_openly,
    remove,
    standing,
    unpublish,
    unpublish_all,
)
from tests.world import BEGIN, OWNER, publishing

WHY = Reason("incident", "we are looking into it")


def with_flag(state: str, flag: flags.Flag, until: str | None = None) -> Book:
    book = standing(state)
    book.set_flag(flags.SetFlag(flag, WHY, until))
    return book


def wheel(version: str = "1.0") -> r.Publish:
    return r.Publish("foo", version, (a_file(WHEEL),), OWNER)


# Written by hand, not from the table: state, request, and the flags that stop it.
STOPPED: list[tuple[str, r.Request, set[str]]] = [
    ("absent", publishing("foo"), {"read_only", "new_names_halted", "uploads_halted"}),
    ("vacant", publishing("foo"), {"read_only", "new_names_halted", "uploads_halted"}),
    ("reserved", publishing("foo"), {"read_only", "uploads_halted"}),
    ("registered", publishing("foo", "2.0"), {"read_only", "uploads_halted"}),
    ("registered", wheel(), {"read_only", "uploads_halted"}),
    ("absent", r.Reserve("foo", OWNER), {"read_only", "new_names_halted"}),
    ("vacant", r.Reserve("foo", OWNER), {"read_only", "new_names_halted"}),
    ("absent", r.OpenSession("foo", OWNER), {"read_only", "new_names_halted"}),
    ("placeholder", r.Claim("foo", "case-7", "account-2", SUPPORT), {"read_only"}),
    ("registered", unpublish_all(Book()), {"read_only", "deletions_halted"}),
    ("registered", r.RemoveProject("foo", "malware", BECAUSE, ADMIN), {"read_only"}),
    ("reserved", r.Renew("foo", OWNER), {"read_only"}),
    ("registered", unpublish(Book(), actor=OWNER), {"read_only", "deletions_halted"}),
    ("registered", unpublish(Book(), actor=SUPPORT), {"read_only", "deletions_halted"}),
    ("two files", remove(Book()), {"read_only", "deletions_halted"}),
    ("placeholder", r.PurgeRelease("foo", "1.0", BECAUSE, ADMIN), {"read_only", "deletions_halted"}),
    ("one file left", r.PurgeFile("foo", "1.0", WHEEL, BECAUSE, ADMIN), {"read_only", "deletions_halted"}),
    ("registered", r.Yank("foo", "1.0", BECAUSE, OWNER), {"read_only", "deletions_halted"}),
    ("registered", r.Yank("foo", "1.0", BECAUSE, SUPPORT), {"read_only", "deletions_halted"}),
    ("registered", r.Yank("foo", "1.0", BECAUSE, ADMIN), {"read_only"}),
    ("registered", r.Yank("foo", "1.0", BECAUSE, MODERATOR), {"read_only"}),
    ("yanked", r.Unyank("foo", "1.0", None, OWNER), {"read_only"}),
    ("registered", r.Quarantine("foo", BECAUSE, ADMIN), {"read_only"}),
    ("registered", r.Prohibit("foo", BECAUSE, ADMIN), {"read_only"}),
    ("placeholder", r.Restore("foo", "1.0", BECAUSE, OWNER), {"read_only"}),
]


@pytest.mark.parametrize(("state", "request_", "stopping"), STOPPED)
@pytest.mark.parametrize("flag", get_args(flags.Flag))
def test_a_flag_stops_exactly_what_its_row_says(
    state: str, request_: r.Request, stopping: set[str], flag: flags.Flag
) -> None:
    assert standing(state).codes(request_) == []
    book = with_flag(state, flag)
    assert book.codes(request_) == ([f"flag_{flag}"] if flag in stopping else [])
    book.clear_flag(flags.ClearFlag(flag, WHY))
    assert book.codes(request_) == []


def test_a_flag_comes_first_among_all_the_reasons_and_says_until_when_and_why() -> None:
    until = stamp(BEGIN + timedelta(hours=2))
    book = with_flag("registered", "read_only", until)
    decision = book.decide(r.Unpublish("foo", "1.0", BECAUSE, None, OWNER))
    assert isinstance(decision, Refusal)
    assert [why.code for why in decision.reasons] == ["flag_read_only", "facts_missing"]
    assert until in decision.reasons[0].sentence and "we are looking into it" in decision.reasons[0].sentence
    assert decision.reasons[0].params == {"since": stamp(BEGIN), "until": until}


def test_the_clock_is_never_refused_it_waits() -> None:
    for flag, expected in (("read_only", 0), ("deletions_halted", 0), ("uploads_halted", 1)):
        book = standing("placeholder")
        book.tick(days=30)
        book.set_flag(flags.SetFlag(flag, WHY))
        decision = book.decide(r.PurgeRelease("foo", "1.0"))
        assert isinstance(decision, Accepted) and len(decision.changes) == expected


def test_a_yank_that_the_brake_holds_does_not_come_into_force_while_deletions_are_halted() -> None:
    book = standing("registered")
    book.do(r.Yank("foo", "1.0", BECAUSE, r.Actor("owner", "thief")))
    book.set_flag(flags.SetFlag("deletions_halted", WHY))
    book.tick(days=2)
    assert book.do(r.YankDue("foo", "1.0")) == []
    assert book.do(r.Unyank("foo", "1.0", None, OWNER)) == ["release.yank_cancelled"]


# Acts.


def test_a_flag_that_is_set_as_asked_is_no_act_and_another_reason_or_date_keeps_its_beginning() -> None:
    book = with_flag("absent", "read_only")
    book.set_flag(flags.SetFlag("read_only", WHY))
    assert len(book.acts) == 1
    book.tick(hours=1)
    book.set_flag(flags.SetFlag("read_only", WHY, stamp(book.now + timedelta(days=1))))
    assert [each.number for each in book.acts] == [1, 2]
    assert book.acts[-1].standing[0].since == stamp(BEGIN)


def test_clearing_what_is_not_set_is_no_act() -> None:
    assert flags.clear_flag((), flags.ClearFlag("read_only", WHY), BEGIN) is None


def test_a_flag_is_never_set_until_a_time_that_is_past() -> None:
    with pytest.raises(Malformed, match="past"):
        flags.set_flag((), flags.SetFlag("read_only", WHY, stamp(BEGIN)), BEGIN)


def test_only_the_clocks_act_clears_a_flag_whose_time_has_come() -> None:
    book = with_flag("absent", "read_only", stamp(BEGIN + timedelta(hours=1)))
    assert flags.clear_due(book.acts, BEGIN + timedelta(seconds=3599)) is None
    book.tick(hours=1)
    assert book.codes(publishing("foo")) == ["flag_read_only"]
    act = flags.clear_due(book.acts, book.now)
    assert act is not None and (act.by, act.act, act.standing) == ("clock", "cleared", ())


def test_no_policy_is_named_as_the_flags_are() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="flags"):
        replace(preset("standard", presets()), name="flags")


# Pauses.


def paused_for(book: Book, **duration: float) -> None:
    book.set_flag(flags.SetFlag("read_only", WHY))
    book.tick(**duration)
    book.clear_flag(flags.ClearFlag("read_only", WHY))


def test_every_window_is_longer_by_the_pause_to_the_second() -> None:
    """Edge case 63: clock transitions pause, deadlines extend."""
    windows = [
        ("registered", 3, lambda book: unpublish(book, actor=OWNER), "unpublish_window_over"),
        ("registered", 14, lambda _: wheel(), "release_closed"),
        ("placeholder", 30, lambda _: r.Restore("foo", "1.0", BECAUSE, OWNER), "restore_window_over"),
        ("one file left", 30, lambda _: r.RestoreFile("foo", "1.0", WHEEL, BECAUSE, OWNER), "restore_window_over"),
        ("reserved", 194, lambda _: r.Renew("foo", OWNER), "reservation_not_renewable"),
    ]
    for state, days, ask, code in windows:
        book = standing(state)
        book.tick(hours=1)
        paused_for(book, days=2)
        book.tick(days=days, hours=-1, seconds=-1)
        assert book.codes(ask(book)) == [], state
        book.tick(seconds=1)
        assert book.codes(ask(book)) == [code], state


def test_a_pause_before_a_deadline_began_to_run_does_not_extend_it() -> None:
    book = Book()
    paused_for(book, days=5)
    book.do(publishing("foo"))
    book.tick(days=3)
    assert book.codes(unpublish(book, actor=OWNER)) == ["unpublish_window_over"]


def test_time_does_what_is_due_only_after_the_pause_has_been_waited_out() -> None:
    for state, days, of in (
        ("placeholder", 30, r.PurgeRelease("foo", "1.0")),
        ("one file left", 30, r.PurgeFile("foo", "1.0", WHEEL)),
        ("reserved", 194, r.Expire("foo")),
    ):
        book = standing(state)
        paused_for(book, days=7)
        book.tick(days=days, seconds=-1)
        pauses = flags.pauses(book.acts, book.now)
        assert of not in deadlines.due(book.state("foo"), POLICY, book.now, pauses) and book.do(of) == []
        book.tick(seconds=1)
        assert of in deadlines.due(book.state("foo"), POLICY, book.now, pauses) and book.do(of)


def test_a_yank_that_waits_waits_longer_so_that_it_can_be_cancelled() -> None:
    book = standing("registered")
    book.do(r.Yank("foo", "1.0", BECAUSE, r.Actor("owner", "thief")))
    paused_for(book, days=1)
    assert book.do(r.YankDue("foo", "1.0")) == []
    book.tick(days=1)
    assert book.do(r.YankDue("foo", "1.0")) == ["release.yanked"]


@given(st.lists(st.integers(0, 200), max_size=8), st.integers(0, 100), st.integers(0, 100), st.integers(0, 500))
def test_an_extended_deadline_leaves_exactly_the_time_that_was_promised(
    edges: list[int], start: int, length: int, later: int
) -> None:
    """Nobody's time is shortened: what runs for a while runs that long outside of all pauses, and no longer."""

    def at(seconds: int) -> object:
        return BEGIN + timedelta(seconds=seconds)

    found = sorted(set(edges))
    pauses = [(at(a), at(b)) for a, b in zip(found[::2], found[1::2], strict=False)]
    due = flags.extended(pauses, at(start), at(start + length))
    now = at(start + later)
    lived = now - at(start) - flags.paused(pauses, at(start), now)
    assert (now >= due) == (lived >= timedelta(seconds=length)) or any(a <= now < b for a, b in pauses)


def test_two_pauses_are_in_order_and_an_open_one_ends_now() -> None:
    book = Book()
    paused_for(book, hours=1)
    book.set_flag(flags.SetFlag("uploads_halted", WHY))
    book.tick(hours=1)
    book.set_flag(flags.SetFlag("read_only", WHY))
    book.tick(hours=1)
    hour = timedelta(hours=1)
    assert flags.pauses(book.acts, book.now) == ((BEGIN, BEGIN + hour), (BEGIN + 2 * hour, BEGIN + 3 * hour))


def test_no_placeholder_is_claimed_while_no_new_names_are_given() -> None:
    book = standing("placeholder")
    asked = claim_openly(book)
    assert book.codes(asked) == []
    book.set_flag(flags.SetFlag("new_names_halted", WHY))
    assert book.codes(asked) == ["flag_new_names_halted"]
