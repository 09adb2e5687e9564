"""What comes back, as what, and what never does."""

import pytest

from keys.state import NameState
from repo_service.domain import requests as r
from tests.domain.book import Book
from tests.domain.cases import ADMIN, BECAUSE, CLOCK, standing, unpublish
from tests.world import OWNER, publishing

RESTORE = r.Restore("foo", "1.0", BECAUSE, ADMIN)


def prohibited_once_registered() -> tuple[Book, NameState]:
    book = standing("registered")
    book.do(r.Prohibit("foo", BECAUSE, ADMIN))
    return book, book.state("foo")


@pytest.mark.parametrize(("days", "actor"), [(31, CLOCK), (0, ADMIN)])
def test_what_is_purged_stays_gone_for_whoever_asks_and_its_bytes_stay_on_record(days: int, actor: r.Actor) -> None:
    """Edge cases 40 and 41: by the clock when its time is over, by an admin at once (a legal order)."""
    book = standing("placeholder")
    digest = book.state("foo").releases[0].files[0].sha256
    book.tick(days=days)
    assert book.do(r.PurgeRelease("foo", "1.0", BECAUSE, actor)) == ["release.purged"]
    assert book.codes(RESTORE) == ["purged"]
    assert [file.sha256 for file in book.state("foo").releases[0].files] == [digest]


def test_a_prohibition_that_came_meanwhile_goes_before_a_restoration() -> None:
    """Edge case 41."""
    book = standing("placeholder")
    book.do(r.Prohibit("foo", BECAUSE, ADMIN))
    assert book.codes(RESTORE) == ["name_prohibited"]


def test_a_project_comes_back_although_its_name_has_become_a_word_of_the_language_meanwhile() -> None:
    """Edge cases 41 and 43: such words are no *new* names."""
    book = Book()
    book.do(publishing("json", actor=r.Actor("system")))
    book.do(unpublish(book, name="json"))
    assert "name_stdlib" in Book().codes(publishing("json"))
    assert book.codes(r.Restore("json", "1.0", BECAUSE, ADMIN)) == []


def test_a_name_that_was_registered_once_is_a_placeholder_when_its_prohibition_is_lifted() -> None:
    """Edge case 42: nobody takes it up as if it had never been used."""
    book, before = prohibited_once_registered()
    assert book.do(r.Unprohibit("foo", BECAUSE, ADMIN)) == ["name.unprohibited"]
    state = book.state("foo")
    assert (state.state, state.generation, state.releases) == ("placeholder", before.generation, before.releases)
    assert book.codes(publishing("foo", "2.0")) == ["name_placeholder"]


def test_a_name_that_never_had_a_release_is_free_again_when_its_prohibition_is_lifted() -> None:
    """Edge case 42, the other half."""
    book = standing("prohibited")
    book.do(r.Unprohibit("foo", BECAUSE, ADMIN))
    assert book.state("foo").state == "vacant"
    assert book.codes(publishing("foo", actor=OWNER)) == []
