"""Quarantine without a moderator: PyPI's rule of observers, one of them trusted."""

from dataclasses import replace

import pytest

from repo_service.domain import requests as r
from tests.domain.cases import reported, standing
from tests.world import ADMIN, BECAUSE

DAY = 86_400


@pytest.mark.parametrize(
    ("age", "observers", "trusted", "enough"),
    [
        (DAY - 1, 1, 1, True),
        (DAY - 1, 5, 0, False),
        (DAY, 1, 1, False),
        (DAY, 2, 1, True),
        (DAY, 9, 0, False),
        (900 * DAY, 2, 2, True),
    ],
)
def test_one_trusted_observer_is_enough_for_a_young_project_and_several_for_an_old_one(
    age: int, observers: int, trusted: int, enough: bool
) -> None:
    book = standing("registered")
    book.tick(seconds=age)
    assert book.codes(reported(book, observers, trusted)) == ([] if enough else ["too_few_observers"])


def test_reports_that_are_not_said_or_old_put_nothing_into_quarantine_and_an_admin_needs_none() -> None:
    book = standing("registered")
    asked = reported(book)
    assert book.codes(replace(asked, observers=None, trusted=None)) == ["facts_missing", "facts_missing"]
    assert book.codes(r.Quarantine("foo", BECAUSE, ADMIN)) == []
    book.tick(days=1, seconds=1)
    assert book.codes(asked) == ["facts_stale", "facts_stale"]
