"""What an owner takes away, and when, as the presets of npm, npm-2016 and crates have it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from keys.times import stamp
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal
from repo_service.domain.policy import preset
from repo_service.wiring import presets
from tests.domain.book import Book
from tests.domain.cases import QUIET, SUPPORT, quietly, remove, standing
from tests.world import ADMIN, BECAUSE, OWNER

PRESETS: Final = presets()
NOTHING: Final = {"dependents": None, "downloads": None, "owners": None}


def published(policy: str, **age: float) -> Book:
    """A book of this preset in which foo 1.0 was published so long ago."""
    book = standing("registered")
    book.policy = preset(policy, PRESETS)
    book.tick(**age)
    return book


def asked(book: Book, actor: r.Actor = OWNER, aged: timedelta = timedelta(0), **counts: int | None) -> list[str]:
    """Why foo 1.0 may not go, its facts being so old; by default nobody uses it."""
    now, then = stamp(book.now), stamp(book.now - aged)
    facts = {key: None if value is None else r.Fact(value, then) for key, value in {**QUIET, **counts}.items()}
    who = replace(actor, contact=r.Contact("verified", now))
    return book.codes(r.Unpublish("foo", "1.0", BECAUSE, actor=who, **facts))


@pytest.mark.parametrize(
    ("policy", "hours", "over"),
    [("npm", 72, ["too_many_downloads"]), ("npm-2016", 24, ["unpublish_window_over"])],
)
def test_the_window_ends_by_the_signers_clock_and_to_the_second(policy: str, hours: int, over: list[str]) -> None:
    """Edge case 33: a registry whose clock is 3 s ahead looked its facts up in what is the signer's future."""
    for seconds, expected in ((-1, []), (0, over)):
        book = published(policy, hours=hours, seconds=seconds)
        assert asked(book, aged=timedelta(seconds=-3), downloads=1000) == expected


def test_dependents_that_came_within_the_hour_stop_npm_and_did_not_stop_npm_in_2016() -> None:
    """Edge case 34."""
    assert asked(published("npm", hours=1), dependents=1) == ["has_dependents"]
    assert asked(published("npm-2016", hours=1), dependents=1) == []


def test_in_2016_support_lets_a_version_go_whose_dependents_are_satisfied_without_it() -> None:
    """Edge case 35: the fact is the number of dependents that no other release satisfies."""
    late = published("npm-2016", hours=24)
    assert asked(late, SUPPORT, dependents=0) == []
    assert asked(late, SUPPORT, dependents=1) == ["has_dependents"]
    decision = late.decide(r.Unpublish("foo", "1.0", BECAUSE, None, SUPPORT))
    assert isinstance(decision, Refusal) and "that no other release satisfies" in decision.reasons[0].sentence
    assert asked(late, ADMIN, **NOTHING) == []


def test_the_signer_counts_no_dependents_itself_it_takes_the_registrys_number() -> None:
    """Edge case 36: itself, dead dependents and what lists everything are left out by whoever counts."""
    book = published("npm", hours=1)
    assert asked(book, dependents=0) == []


@pytest.mark.parametrize("fact", ["dependents", "downloads", "owners"])
def test_a_fact_that_is_missing_or_three_days_old_is_no_and_never_zero(fact: str) -> None:
    """Edge case 37."""
    book = published("npm", hours=100)
    assert asked(book, **{fact: None}) == ["facts_missing"]
    facts: dict[str, Any] = {key: r.Fact(0, stamp(book.now)) for key in QUIET}
    facts[fact] = r.Fact(0, stamp(book.now - timedelta(days=3)))
    who = replace(OWNER, contact=r.Contact("verified", stamp(book.now)))
    assert book.codes(r.Unpublish("foo", "1.0", BECAUSE, actor=who, **facts)) == ["facts_stale"]


@pytest.mark.parametrize(
    ("counts", "refused"),
    [
        ({}, []),
        ({"downloads": 300}, ["too_many_downloads"]),
        ({"owners": 2}, ["multiple_owners"]),
        ({"dependents": 1}, ["has_dependents"]),
        (
            {"downloads": 300, "owners": 2, "dependents": 1},
            ["too_many_downloads", "multiple_owners", "has_dependents"],
        ),
    ],
)
def test_later_what_hardly_anybody_uses_may_still_go(counts: dict[str, int], refused: list[str]) -> None:
    assert asked(published("npm", days=400), **counts) == refused


def test_a_quiet_release_goes_by_support_without_looking_at_downloads_and_owners() -> None:
    assert asked(published("npm", days=400), SUPPORT, downloads=10**6, owners=9) == []
    assert asked(published("npm", days=400), SUPPORT, dependents=1) == ["has_dependents"]


def test_crates_owners_yank_and_support_removes_what_nothing_depends_on() -> None:
    book = published("crates", hours=1)
    assert asked(book) == ["feature_disabled", "unpublish_window_over"]
    assert asked(book, SUPPORT) == []
    assert asked(book, SUPPORT, dependents=3) == ["has_dependents"]
    assert asked(book, ADMIN, dependents=3) == []


def test_one_file_goes_by_the_rules_of_its_release() -> None:
    book = standing("two files")
    quietly(book)
    assert book.codes(remove(book)) == ["facts_missing", "facts_missing"]
    now = stamp(book.now)
    assert book.codes(replace(remove(book), downloads=r.Fact(0, now), owners=r.Fact(1, now))) == []


def test_a_refusal_says_how_many_there_are_and_how_many_may_be() -> None:
    book = standing("registered")
    decision = book.decide(quietly(book, downloads=300, owners=2))
    assert isinstance(decision, Refusal)
    assert [(why.sentence, why.params["most"]) for why in decision.reasons] == [
        ("it was downloaded 300 times in 7 days; at most 299 let an owner unpublish it", 299),
        ("2 accounts own the project; at most 1 let an owner unpublish it", 1),
    ]
