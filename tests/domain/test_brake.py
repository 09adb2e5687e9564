"""The mass-yank brake: too much at once waits a day, for all to see, or takes a second person."""

import pytest

from keys.state import Release, installable
from repo_service.domain import deadlines
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted
from tests.domain.book import POLICY, Book
from tests.domain.cases import MODERATOR, SUPPORT
from tests.world import ADMIN, BECAUSE, OWNER, publishing

ALONE = r.Actor("owner", "account-1")


def project(releases: int) -> Book:
    book = Book()
    book.do(*(publishing("foo", f"{number}.0") for number in range(1, releases + 1)))
    book.tick(days=2)
    return book


def yank(number: int, actor: r.Actor = ALONE) -> r.Yank:
    return r.Yank("foo", f"{number}.0", BECAUSE, actor)


def found(book: Book, number: int) -> Release:
    release = book.state("foo").release(f"{number}.0")
    assert release is not None
    return release


def yanked(book: Book) -> list[str]:
    return [release.version for release in book.state("foo").releases if release.yank]


def test_yanking_the_last_release_waits_and_everything_still_installs() -> None:
    book = project(1)
    assert book.do(yank(1)) == ["release.yank_held"]
    held = found(book, 1).held_yank
    assert held is not None and held.effective_at == "2026-11-25T10:00:00Z"
    assert yanked(book) == [] and list(installable(book.state("foo")))


def test_the_answer_says_why_it_waits_until_when_and_what_else_can_be_done() -> None:
    decision = project(1).decide(yank(1))
    assert isinstance(decision, Accepted)
    (warning,) = decision.warnings
    assert warning.code == "mass_yank_brake" and warning.enforced_from == "2026-11-25T10:00:00Z"
    assert "last release of foo" in warning.detail and "unyank cancels" in warning.detail


def test_more_than_half_within_the_window_is_too_much() -> None:
    book = project(5)
    assert [book.do(yank(number))[0] for number in (1, 2, 3)] == [
        "release.yanked", "release.yanked", "release.yank_held",
    ]  # fmt: skip
    assert yanked(book) == ["1.0", "2.0"]


def test_what_waits_counts_as_yanked_so_asking_for_all_at_once_yanks_no_more() -> None:
    book = project(5)
    book.do(*(yank(number) for number in range(1, 6)))
    assert yanked(book) == ["1.0", "2.0"]


def test_more_than_ten_within_the_window_is_too_much_of_any_number() -> None:
    book = project(60)
    assert [book.do(yank(number))[0] for number in range(1, 12)] == ["release.yanked"] * 10 + ["release.yank_held"]


def test_one_now_and_then_is_never_slowed_while_one_is_left() -> None:
    book = project(4)
    for number in (1, 2, 3):
        assert book.do(yank(number)) == ["release.yanked"]
        book.tick(days=2)


def test_a_second_person_makes_it_at_once_also_while_it_waits() -> None:
    assert project(1).do(yank(1, OWNER)) == ["release.yanked"]
    book = project(1)
    assert book.do(yank(1), yank(1, OWNER)) == ["release.yanked"]
    assert found(book, 1).held_yank is None and yanked(book) == ["1.0"]


@pytest.mark.parametrize("approver", [None, "", "account-1"])
def test_nobody_is_their_own_second_person(approver: str | None) -> None:
    assert project(1).do(yank(1, r.Actor("owner", "account-1", approver=approver))) == ["release.yank_held"]


def test_it_can_be_cancelled_and_then_the_clock_does_nothing() -> None:
    book = project(1)
    assert book.do(yank(1), r.Unyank("foo", "1.0", None, ALONE)) == ["release.yank_cancelled"]
    book.tick(days=2)
    assert book.do(r.YankDue("foo", "1.0")) == [] and yanked(book) == []


def test_asking_again_while_it_waits_changes_nothing_and_does_not_prolong_it() -> None:
    book = project(1)
    book.do(yank(1))
    before = found(book, 1)
    book.tick(hours=5)
    assert book.do(yank(1)) == [] and found(book, 1) == before


def test_after_its_wait_the_clock_brings_it_into_force_as_it_was_asked_for_and_not_a_second_before() -> None:
    for seconds, expected in ((86_399, []), (86_400, ["release.yanked"])):
        book = project(1)
        book.do(yank(1))
        book.tick(seconds=seconds)
        due = deadlines.due(book.state("foo"), POLICY, book.now)
        assert due == ([r.YankDue("foo", "1.0")] if expected else [])
        assert book.do(r.YankDue("foo", "1.0")) == expected
    yank_ = found(book, 1).yank
    assert yank_ is not None and (yank_.kind, yank_.mark.by, yank_.mark.reason) == ("owner", "owner", BECAUSE)


def test_a_yank_for_security_by_two_people_is_never_held() -> None:
    book = project(3)
    for number in (1, 2, 3):
        assert book.do(yank(number, MODERATOR)) == ["release.yanked"]


def test_support_is_braked_as_an_owner_is() -> None:
    assert project(1).do(yank(1, r.Actor("support", "account-7"))) == ["release.yank_held"]
    assert project(1).do(yank(1, SUPPORT)) == ["release.yanked"]


def test_a_patient_thief_is_braked_too_a_few_hours_between_yanks_change_nothing() -> None:
    book = project(5)
    for number, expected in ((1, "release.yanked"), (2, "release.yanked"), (3, "release.yank_held")):
        assert book.do(yank(number)) == [expected]
        book.tick(hours=11)


def test_what_was_yanked_exactly_a_window_ago_counts_no_more() -> None:
    for seconds, expected in ((86_399, "release.yank_held"), (86_400, "release.yanked")):
        book = project(3)
        book.do(yank(1))
        book.tick(seconds=seconds)
        assert book.do(yank(2)) == [expected]


def test_two_admins_bring_a_held_yank_into_force_as_it_was_asked_for_so_its_owner_can_still_lift_it() -> None:
    book = project(1)
    book.do(yank(1))
    book.tick(hours=1)
    assert book.do(r.ApproveYank("foo", "1.0", ADMIN)) == ["release.yanked"]
    approved = found(book, 1).yank
    assert approved is not None and found(book, 1).held_yank is None
    assert (approved.kind, approved.mark.by, approved.mark.at, approved.mark.reason) == (
        "owner", "owner", "2026-11-24T10:00:00Z", BECAUSE,
    )  # fmt: skip
    assert book.do(r.Unyank("foo", "1.0", None, ALONE)) == ["release.unyanked"]


def test_a_yank_that_admins_ask_for_themselves_while_one_waits_is_theirs() -> None:
    book = project(1)
    assert book.do(yank(1), yank(1, ADMIN)) == ["release.yanked"]
    theirs = found(book, 1).yank
    assert theirs is not None and (theirs.kind, theirs.mark.by) == ("security", "admin")


def test_nothing_is_approved_that_was_cancelled_and_what_is_in_force_stays_as_it_is() -> None:
    book = project(1)
    book.do(yank(1), r.Unyank("foo", "1.0", None, ALONE))
    assert book.codes(r.ApproveYank("foo", "1.0", ADMIN)) == ["yank_not_held"]
    book.do(yank(1, OWNER))
    assert book.do(r.ApproveYank("foo", "1.0", ADMIN)) == []
