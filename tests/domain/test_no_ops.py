"""Asking for what is already so is a success that changes nothing: no event, no serial, whoever sends it again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from keys.state import Reason
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted
from tests.domain.book import Book
from tests.domain.cases import MODERATOR, WHEEL, remove, standing
from tests.world import ADMIN, BECAUSE, OWNER, publishing

ALONE: Final = r.Actor("owner", "account-1")

# What a name is first, and then what is asked of it twice.
TWICE: Final[dict[str, tuple[str, Callable[[Book], r.Request]]]] = {
    "identical files": ("registered", lambda _: publishing("foo")),
    "the same yank for the same reason": ("registered", lambda _: r.Yank("foo", "1.0", BECAUSE, OWNER)),
    "a yank that waits already": ("registered", lambda _: r.Yank("foo", "1.0", BECAUSE, ALONE)),
    "unyank": ("yanked", lambda _: r.Unyank("foo", "1.0", None, OWNER)),
    "restore": ("placeholder", lambda _: r.Restore("foo", "1.0", BECAUSE, OWNER)),
    "purge": ("placeholder", lambda _: r.PurgeRelease("foo", "1.0", BECAUSE, ADMIN)),
    "reserve what one holds": ("absent", lambda _: r.Reserve("foo", OWNER)),
    "renew until then": ("reserved", lambda _: r.Renew("foo", OWNER, until="2027-06-01T00:00:00Z")),
    "quarantine when quarantined": ("registered", lambda _: r.Quarantine("foo", BECAUSE, MODERATOR)),
    "clear": ("quarantined", lambda _: r.Clear("foo", BECAUSE, ADMIN)),
    "archive": ("registered", lambda _: r.Archive("foo")),
    "unarchive": ("archived", lambda _: r.Unarchive("foo")),
    "deprecate": ("registered", lambda _: r.Deprecate("foo", BECAUSE)),
    "undeprecate": ("deprecated", lambda _: r.Undeprecate("foo")),
    "lock": ("registered", lambda _: r.Lock("foo", BECAUSE, ADMIN)),
    "unlock": ("locked", lambda _: r.Unlock("foo", BECAUSE, ADMIN)),
    "quarantine a release": ("registered", lambda _: r.QuarantineRelease("foo", "1.0", BECAUSE, ADMIN)),
    "clear a release": ("quarantined 1.0", lambda _: r.ClearRelease("foo", "1.0", BECAUSE, ADMIN)),
    "deprecate a release": ("registered", lambda _: r.DeprecateRelease("foo", "1.0", BECAUSE)),
    "undeprecate a release": ("deprecated 1.0", lambda _: r.UndeprecateRelease("foo", "1.0")),
    "close": ("registered", lambda _: r.CloseRelease("foo", "1.0")),
    "remove a file": ("two files", remove),
    "restore a file": ("one file left", lambda _: r.RestoreFile("foo", "1.0", WHEEL, BECAUSE, OWNER)),
    "purge a file": ("one file left", lambda _: r.PurgeFile("foo", "1.0", WHEEL, None, ADMIN)),
    "prohibit": ("registered", lambda _: r.Prohibit("foo", BECAUSE, ADMIN)),
}


@pytest.mark.parametrize("what", TWICE)
def test_what_is_already_so_changes_nothing(what: str) -> None:
    state, ask = TWICE[what]
    book = standing(state)
    request = ask(book)
    book.do(request)
    before = book.state("foo")
    decision = book.decide(request)
    assert isinstance(decision, Accepted) and not decision.changes
    assert book.state("foo") == before


def test_the_same_yank_for_another_reason_is_another_event() -> None:
    """Edge case 14."""
    book = standing("registered")
    yank = r.Yank("foo", "1.0", BECAUSE, OWNER)
    assert book.do(yank) == ["release.yanked"]
    assert book.do(yank) == []
    assert book.do(replace(yank, reason=Reason("broken"))) == ["release.yank_reason_changed"]
    assert book.state("foo").serial == 4


def test_a_renewal_to_an_earlier_date_changes_nothing_and_a_later_one_is_the_policy_s() -> None:
    book = standing("reserved")
    expires = "2027-05-21T10:00:00Z"
    for until in ("2027-01-01T00:00:00Z", expires):
        assert book.do(r.Renew("foo", OWNER, until=until)) == []
    assert book.do(r.Renew("foo", OWNER, until="2027-05-21T10:00:01Z")) == ["reservation.renewed"]
    reservation = book.state("foo").reservation
    assert reservation is not None and reservation.expires_at == "2027-08-19T10:00:00Z"


def test_who_holds_nothing_is_not_told_that_nothing_changes() -> None:
    stranger = r.Actor("owner", "account-2")
    assert standing("reserved").codes(r.Renew("foo", stranger, until="2027-01-01T00:00:00Z")) == ["name_reserved"]
