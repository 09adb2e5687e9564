"""Namespaces (PEP 752): who may take a name under a prefix, and what becomes of the names that were there before."""

from dataclasses import replace
from typing import Final

import pytest

from keys.state import TAKING
from keys.times import moment
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve
from repo_service.domain.machines import NAME
from repo_service.domain.namespaces import followed
from repo_service.domain.notices import first_due, notices
from repo_service.domain.policy import preset
from repo_service.wiring import presets
from tests.domain.book import POLICY, Book
from tests.domain.cases import BECAUSE, SUPPORT, unpublish
from tests.world import ADMIN, STRANGER, publishing

X: Final = r.Actor("owner", "account-1", approver="account-3", org="org-x")
Y: Final = r.Actor("owner", "account-4", approver="account-3", org="org-y")
GRANT: Final = r.Grant("foo", "org-x", "X Corp", SUPPORT)


def under(book: Book, name: str) -> dict[str, bool]:
    """The namespaces of a name, and whether it is one of theirs."""
    return {each.prefix: each.owned for each in book.state(name).namespaces}


def organisation(prefix: str, org: str, actor: r.Actor, book: Book | None = None) -> list[str]:
    """What is said against a grant where organisations take their own."""
    book = book or Book()
    request = r.Grant(prefix, org, "Corp", actor)
    name = book.names.get(prefix, c.Name(prefix, None, None))
    decision = decide(name, request, preset("npm", presets()), book.now, book.around(request))
    return [why.code for why in decision.reasons] if isinstance(decision, Refusal) else []


def test_a_prefix_holds_what_comes_after_its_hyphen_and_nothing_else() -> None:
    book = Book()
    book.do(GRANT)
    for name in ("foo", "foo-bar", "foo-bar-baz"):
        assert book.codes(publishing(name, actor=Y)) == ["name_in_namespace"], name
        assert book.codes(r.Reserve(name, Y)) == ["name_in_namespace"], name
    for name in ("foobar", "fo", "bar-foo", "fo-o"):
        assert book.codes(publishing(name, actor=Y)) == [], name


def test_the_owner_takes_names_there_and_they_say_so_from_their_first_serial() -> None:
    book = Book()
    book.do(GRANT)
    assert book.do(publishing("foo-bar", actor=X)) == ["namespace.matched", "project.created", "release.published"]
    assert under(book, "foo-bar") == {"foo": True}
    assert book.state("foo-bar").generation == 1, "it passed from nobody to somebody"
    book.do(publishing("foo", actor=X))
    assert (under(book, "foo"), book.state("foo").generation) == ({"foo": True}, 1)


def test_a_name_that_nobody_took_is_vacant_with_a_grant_and_is_not_free() -> None:
    book = Book()
    assert book.do(GRANT) == ["namespace.matched", "namespace.granted"]
    state = book.state("foo")
    assert state.namespace is not None
    assert (state.state, state.namespace.owner, state.namespace.parent) == ("vacant", "X Corp", None)
    assert book.codes(publishing("foo", actor=STRANGER)) == ["name_in_namespace"]


def test_projects_that_were_there_go_on_as_somebody_elses() -> None:
    """Edge case 44: they continue with owned=false."""
    book = Book()
    book.do(publishing("foo-bar", actor=Y), GRANT)
    assert under(book, "foo-bar") == {"foo": False}
    assert book.codes(publishing("foo-bar", "2.0", actor=Y)) == []
    assert book.codes(r.Yank("foo-bar", "1.0", BECAUSE, Y)) == []


def test_who_was_there_and_is_removed_does_not_come_back() -> None:
    """Edge case 44: their removal does not let the foreigner re-create. What undoes the removal itself still can."""
    book = Book()
    book.do(publishing("foo-bar", actor=Y), GRANT, unpublish(book, actor=Y, name="foo-bar"))
    assert book.state("foo-bar").state == "placeholder"
    assert book.codes(r.Restore("foo-bar", "1.0", BECAUSE, Y)) == []
    claim = r.Claim("foo-bar", "case-7", "account-4", SUPPORT)
    assert book.codes(claim) == ["name_in_namespace"]
    assert book.codes(replace(claim, org="org-y")) == ["name_in_namespace"]
    book.do(replace(claim, holder_id="account-1", org="org-x"))
    assert under(book, "foo-bar") == {"foo": True}


def test_a_reservation_that_was_given_back_is_not_taken_again() -> None:
    book = Book()
    book.do(r.Reserve("foo-bar", Y), GRANT, r.Release("foo-bar", Y))
    assert book.state("foo-bar").state == "vacant"
    assert book.codes(r.Reserve("foo-bar", Y)) == ["name_in_namespace"]
    assert book.codes(publishing("foo-bar", actor=Y)) == ["name_in_namespace"]
    assert book.codes(r.Reserve("foo-bar", X)) == []


def test_grants_that_overlap_have_one_owner() -> None:
    """Edge case 45: foo-bar (X), then foo (Y), is refused; foo and foobar do not overlap."""
    book = Book()
    book.do(r.Grant("foo-bar", "org-x", "X Corp", SUPPORT))
    assert book.codes(r.Grant("foo", "org-y", "Y Corp", SUPPORT)) == ["namespace_overlap"]
    assert book.codes(r.Grant("foo-bar-baz", "org-y", "Y Corp", SUPPORT)) == ["namespace_overlap"]
    for prefix in ("foobar", "fo", "foo-ba"):
        assert book.codes(r.Grant(prefix, "org-y", "Y Corp", SUPPORT)) == [], prefix
    assert book.codes(GRANT) == []


def test_a_grant_that_ends_leaves_no_namespace_behind() -> None:
    """Edge case 45: grant ended, `namespaces: null`, and the names are everybody's again."""
    book = Book()
    book.do(publishing("foo-bar", actor=Y), GRANT, publishing("foo-x", actor=X))
    assert book.do(r.EndGrant("foo", X)) == ["namespace.matched", "namespace.ended"]
    assert [book.state(name).namespaces for name in ("foo", "foo-bar", "foo-x")] == [(), (), ()]
    assert book.state("foo").namespace is None
    assert book.codes(publishing("foo-new", actor=Y)) == [] == book.codes(publishing("foo", actor=Y))
    assert [act.type for act in book.state("foo").history][-1] == "namespace.ended"


def test_a_reservation_that_a_grant_overtakes_lasts_to_its_end_and_no_longer_and_its_holder_is_told_at_once() -> None:
    """Edge case 46."""
    book = Book()
    book.do(r.Reserve("foo-bar", Y))
    book.tick(days=1)
    book.do(GRANT)
    assert book.codes(r.Renew("foo-bar", Y)) == ["reservation_not_renewable"]
    (told,) = notices(book.state("foo-bar"), POLICY, book.now)
    assert (told.id, told.audience) == ("foo-bar/1/namespace/foo/2", "holder")
    assert "granted to somebody else" in told.sentence and "cannot be renewed" in told.sentence
    assert "org-" not in told.sentence
    book.tick(days=180 + 12)
    assert told.id in [each.id for each in notices(book.state("foo-bar"), POLICY, book.now)]
    assert all("renew it" not in each.sentence for each in notices(book.state("foo-bar"), POLICY, book.now))
    assert book.codes(publishing("foo-bar", actor=Y)) == []
    book.tick(days=1)
    assert book.do(r.Expire("foo-bar")) == ["reservation.expired"]
    assert book.codes(r.Reserve("foo-bar", Y)) == ["name_in_namespace"]


def test_the_holder_of_a_name_in_his_own_namespace_is_told_nothing_of_it() -> None:
    book = Book()
    book.do(GRANT, r.Reserve("foo-bar", X))
    assert notices(book.state("foo-bar"), POLICY, book.now) == []
    assert book.codes(r.Renew("foo-bar", X)) == []


def test_a_holder_is_told_of_a_grant_on_the_day_it_overtakes_the_reservation() -> None:
    """One that was renewed at once, twice, and is overtaken on its first day."""
    book = Book()
    book.do(r.Reserve("foo-bar", Y), r.Renew("foo-bar", Y), r.Renew("foo-bar", Y), GRANT)
    (told,) = notices(book.state("foo-bar"), POLICY, book.now)
    assert first_due(book.state("foo-bar"), POLICY, book.now) == book.now == moment(told.due_at)


def test_whom_it_is_shared_with_takes_names_there_until_it_is_unshared() -> None:
    book = Book()
    book.do(GRANT, r.Share("foo", "org-y", "Y Corp", X), publishing("foo-bar", actor=Y))
    found = book.state("foo").namespace
    assert found is not None and found.shared_with == ("Y Corp",)
    assert under(book, "foo-bar") == {"foo": True}
    book.do(r.Unshare("foo", "org-y", X))
    found = book.state("foo").namespace
    assert found is not None and found.shared_with == ()
    assert under(book, "foo-bar") == {"foo": False}
    assert book.codes(publishing("foo-new", actor=Y)) == ["name_in_namespace"]
    assert book.codes(publishing("foo-bar", "2.0", actor=Y)) == []


def test_of_several_it_is_shared_with_the_right_one_is_let_go() -> None:
    book = Book()
    book.do(GRANT, r.Share("foo", "org-y", "Corp", X), r.Share("foo", "org-z", "Corp Z", X))
    book.do(r.Unshare("foo", "org-y", X))
    found = book.state("foo").namespace
    assert (book.names["foo"].orgs, found and found.shared_with) == (("org-x", "org-z"), ("Corp Z",))


def test_handing_over_takes_the_settings_along_and_turns_every_name_round() -> None:
    book = Book()
    book.do(GRANT, r.Share("foo", "org-z", "Z Corp", X), r.Share("foo", "org-y", "Y Corp", X))
    book.do(publishing("foo-bar", actor=X), publishing("foo-baz", actor=Y))
    book.do(r.HandOver("foo", "org-y", "Y Corp", X))
    found = book.state("foo").namespace
    assert found is not None and (found.owner, found.shared_with) == ("Y Corp", ("Z Corp",))
    assert (under(book, "foo-bar"), under(book, "foo-baz")) == ({"foo": False}, {"foo": True})
    assert book.codes(r.Share("foo", "org-x", "X Corp", X)) == ["namespace_not_owned"]


def test_support_hands_over_what_an_organisation_that_is_gone_has_left() -> None:
    book = Book()
    book.do(GRANT, r.Share("foo", "org-y", "Y Corp", X))
    assert book.codes(r.EndGrant("foo", ADMIN)) == ["namespace_shared"]
    book.do(r.HandOver("foo", "org-y", "Y Corp", SUPPORT), r.EndGrant("foo", ADMIN))
    assert book.state("foo").namespace is None


def test_prohibiting_the_prefix_as_a_name_leaves_its_namespace_as_it_was_and_it_can_be_ended() -> None:
    book = Book()
    book.do(GRANT, publishing("foo", actor=X), r.Prohibit("foo", BECAUSE, ADMIN))
    assert book.codes(publishing("foo-bar", actor=Y)) == ["name_in_namespace"]
    assert book.codes(publishing("foo-bar", actor=X)) == []
    book.do(r.EndGrant("foo", X))
    assert book.codes(GRANT) == ["name_prohibited"]


def test_a_child_grant_is_of_the_roots_owner_and_the_longest_prefix_decides() -> None:
    book = Book()
    book.do(GRANT, r.GrantChild("foo-bar", X), r.Share("foo-bar", "org-y", "Y Corp", X))
    child = book.state("foo-bar").namespace
    assert child is not None and (child.owner, child.parent) == ("X Corp", "foo")
    book.do(publishing("foo-bar-baz", actor=Y))
    assert under(book, "foo-bar-baz") == {"foo": False, "foo-bar": True}
    assert book.codes(publishing("foo-baz", actor=Y)) == ["name_in_namespace"]
    book.do(r.Share("foo", "org-z", "Z Corp", X))
    assert book.codes(publishing("foo-bar-z", actor=replace(Y, org="org-z"))) == ["name_in_namespace"]


def test_a_membership_that_stays_as_it_is_keeps_the_serial_with_which_it_began() -> None:
    book = Book()
    book.do(GRANT, publishing("foo-bar", actor=X), r.GrantChild("foo-bar", X))
    assert [(each.prefix, each.since) for each in book.state("foo-bar").namespaces] == [("foo", 1), ("foo-bar", 4)]


def test_a_project_that_changes_hands_says_so_without_naming_anybody() -> None:
    book = Book()
    book.do(GRANT, publishing("foo-bar", actor=X))
    assert book.do(r.Assign("foo-bar", "org-y", SUPPORT)) == ["namespace.matched", "project.assigned"]
    assert under(book, "foo-bar") == {"foo": False}
    book.do(r.Assign("foo-bar", "org-x", SUPPORT))
    assert under(book, "foo-bar") == {"foo": True}
    book.do(r.Assign("foo-bar", None, r.Actor("system", org="org-x")))
    assert under(book, "foo-bar") == {"foo": False}
    assert "org-" not in repr(book.state("foo-bar")) and "account" not in repr(book.state("foo-bar"))


def test_an_organisation_takes_its_own_name_only_where_the_policy_lets_it_and_nobody_elses_project() -> None:
    assert organisation("foo", "org-x", X) == []
    assert organisation("foo", "org-x", Y) == ["namespace_not_owned"]
    assert organisation("foo-bar", "org-x", X) == ["namespace_too_deep"]
    book = Book()
    book.do(publishing("foo", actor=Y))
    assert organisation("foo", "org-x", X, book) == ["name_taken"]
    assert organisation("foo", "org-y", Y, book) == []
    assert organisation("foo", "org-x", SUPPORT, book) == []
    off = decide(c.Name("foo", None, None), GRANT, preset("crates", presets()), book.now)
    assert isinstance(off, Refusal) and [why.code for why in off.reasons] == ["feature_disabled"]


@pytest.mark.parametrize(
    "again",
    [
        GRANT,
        r.GrantChild("foo", X),
        r.Share("foo", "org-x", "X Corp", X),
        r.Share("foo", "org-y", "Y Corp", X),
        r.Unshare("foo", "org-z", X),
        r.HandOver("foo", "org-x", "X Corp", X),
        r.Assign("foo-bar", "org-x", SUPPORT),
    ],
)
def test_what_a_namespace_already_is_is_no_change(again: r.Request) -> None:
    book = Book()
    book.do(GRANT, r.Share("foo", "org-y", "Y Corp", X), publishing("foo-bar", actor=X))
    before = dict(book.names)
    assert book.do(again) == [] and book.names == before


def test_a_name_that_is_in_line_needs_no_event() -> None:
    book = Book()
    book.do(GRANT, publishing("foo-bar", actor=X))
    grants = [each.granted for each in book.names.values() if each.granted]
    assert followed(book.names["foo-bar"], "org-x", grants) == ()
    assert followed(book.names["foo-bar"], "org-y", grants) == (c.NamespacesMatched((c.Match("foo", False),)),)
    serial = book.state("foo-bar").serial
    book.do(r.Archive("foo-bar", actor=X))
    assert book.state("foo-bar").serial == serial + 1


def test_who_may_take_names_is_asked_of_every_event_by_which_one_comes_to_have_a_name() -> None:
    """What brings a name back to who had it is none of these."""
    nobodys, somebodys = {"absent", "vacant", "placeholder", "prohibited"}, {"reserved", "registered"}
    found = {row.event for row in NAME if row.source in nobodys and row.target in somebodys}
    handed_on = {"reservation.transferred"}  # to an unrelated account
    assert found - {"project.restored"} | handed_on == TAKING


def test_whoever_knows_no_account_and_no_organisation_comes_to_the_same_states() -> None:
    """The public part of the events is enough to replay what is signed."""
    book = Book()
    book.do(publishing("foo-bar", actor=Y), GRANT, r.GrantChild("foo-x", X), r.Share("foo", "org-y", "Corp", X))
    book.do(r.Share("foo", "org-z", "Corp", X), r.Share("foo", "org-w", "W", X), publishing("foo-baz", actor=Y))
    book.do(r.Unshare("foo", "org-z", X), r.EndGrant("foo-x", X), r.HandOver("foo", "org-w", "W", X))
    folded: dict[str, c.Name] = {}
    for event in book.events:
        public = replace(event, actor=None, holder=None, approver=None, org=None)
        folded[event.name] = evolve(folded.get(event.name, c.Name(event.name, None, None)), public)
    assert {name: found.state for name, found in folded.items()} == {n: each.state for n, each in book.names.items()}
    found = book.state("foo").namespace
    assert found is not None and (found.owner, found.shared_with) == ("W", ("Corp",))


@pytest.mark.parametrize("text", ["", "a\nb", "\u202ecorp", "x" * 513])
def test_what_is_shown_of_an_organisation_is_one_clean_line(text: str) -> None:
    for kind, more in ((r.Grant, (text, SUPPORT)), (r.Share, (text, X)), (r.HandOver, (text, X))):
        with pytest.raises(ValueError):
            kind("foo", "org-x", *more)
