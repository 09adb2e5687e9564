"""A preview says what follows, and its digest stands for exactly what was looked at."""

from dataclasses import replace

import pytest

from keys.times import stamp
from repo_service.domain import requests as r
from repo_service.domain.announcing import Published
from repo_service.domain.case import Accepted
from repo_service.domain.decide import decide
from repo_service.domain.foresight import Foresight, StateAfter, Would, foresee, preview_digest
from repo_service.domain.policy import Policy
from tests.domain.book import POLICY, Book
from tests.domain.cases import SUPPORT, standing, unpublish
from tests.world import ADMIN, BECAUSE, OWNER, publishing

YANK = r.Yank("foo", "1.0", BECAUSE, OWNER)


def look(book: Book, request: r.Request, *coming: Policy) -> Foresight:
    name = book.names[request.name]
    decision = decide(name, request, POLICY, book.now, book.around(request))
    published = [Published(stamp(book.now), each.effective_from or stamp(book.now), each) for each in (POLICY, *coming)]
    return foresee(name, request, decision, published, book.now)


def would(book: Book, request: r.Request) -> Would:
    found = look(book, request).would
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("over", "request_", "after"),
    [
        ("registered", YANK, ("active", "yanked")),
        ("registered", replace(YANK, actor=r.Actor("owner", "account-1")), ("active", "yank_held")),
        ("deprecated 1.0", YANK, ("active", "yanked")),
        ("yanked", r.Unyank("foo", "1.0", None, OWNER), ("active", "published")),
        ("yanked", r.QuarantineRelease("foo", "1.0", BECAUSE, ADMIN), ("active", "quarantined")),
        ("registered", r.DeprecateRelease("foo", "1.0", BECAUSE), ("active", "deprecated")),
        ("registered", r.Archive("foo"), ("archived", None)),
        ("quarantined", r.Lock("foo", BECAUSE, ADMIN), ("quarantined", None)),
        ("archived", r.Lock("foo", BECAUSE, ADMIN), ("locked", None)),
        ("locked", r.Unlock("foo", BECAUSE, ADMIN), ("active", None)),
    ],
)
def test_where_everything_would_stand_is_the_word_that_decides(
    over: str, request_: r.Request, after: tuple[str, str | None]
) -> None:
    assert would(standing(over), request_).state_after == StateAfter("registered", *after)


def test_a_preview_is_what_is_done() -> None:
    book = standing("registered")
    removal = unpublish(book, actor=OWNER)
    found = would(book, removal)
    assert list(found.events) == book.do(removal)
    assert (found.state_after, found.placeholder) == (StateAfter("placeholder", None, "unpublished"), True)
    assert book.state("foo").state == "placeholder"


def test_what_was_removed_before_is_not_counted_again() -> None:
    book = standing("registered")
    book.do(publishing("foo", "2.0"), publishing("foo", "3.0"), unpublish(book, "1.0", SUPPORT))
    book.tick(days=1)
    assert (would(book, r.Archive("foo")).reversible_until, would(book, r.Archive("foo")).notices) == (None, 0)
    found = would(book, unpublish(book, "2.0", SUPPORT))
    assert (found.reversible_until, found.notices) == ("2026-12-23T10:00:00Z", 1)


def test_a_preview_is_good_until_another_policy_judges() -> None:
    book = standing("registered")
    soon = replace(POLICY, version=2, effective_from="2026-11-22T10:05:00Z")
    assert look(book, YANK, soon).valid_until == "2026-11-22T10:05:00Z"
    assert look(book, YANK).valid_until == "2026-11-22T10:15:00Z"


def test_the_digest_is_the_same_while_nothing_but_time_goes_by() -> None:
    book = standing("reserved")
    for request in (r.Renew("foo", OWNER), publishing("foo")):
        before = look(book, request).digest
        book.tick(minutes=14)
        assert look(book, request).digest == before


def test_the_digest_is_another_for_another_request_serial_policy_or_decision() -> None:
    book = standing("registered")
    name, accepted = book.names["foo"], book.decide(YANK)
    assert isinstance(accepted, Accepted) and name.state is not None
    later = replace(name, state=replace(name.state, serial=9))
    held = book.decide(replace(YANK, actor=r.Actor("owner", "account-1")))
    warned = replace(accepted, warnings=getattr(held, "warnings", ()))
    refused = book.decide(r.Yank("foo", "9.0"))
    found = [
        preview_digest(name, YANK, POLICY, accepted),
        preview_digest(name, replace(YANK, reason=None), POLICY, accepted),
        preview_digest(later, YANK, POLICY, accepted),
        preview_digest(name, YANK, replace(POLICY, version=2), accepted),
        preview_digest(name, YANK, POLICY, held),
        preview_digest(name, YANK, POLICY, warned),
        preview_digest(name, YANK, POLICY, refused),
    ]
    assert len(set(found)) == len(found)
