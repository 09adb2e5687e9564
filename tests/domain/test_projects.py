"""A whole project goes and comes back: all versions or none, by what the policy asks of an owner."""

from dataclasses import replace
from typing import Any

import pytest

from keys.state import Reason, installable
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.domain import deadlines
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal
from repo_service.domain.decide import decide
from repo_service.domain.policy import Policy, preset
from repo_service.wiring import presets
from tests.domain.book import POLICY, Book
from tests.domain.cases import SUPPORT, remove, restored, standing, unpublish, unpublish_all
from tests.world import ADMIN, BECAUSE, OWNER, publishing

LEAK = Reason("secret_exposure", "a private key was inside")
KNOWN_OWNER = r.Actor("owner", "account-1", r.Contact("verified", "2026-11-22T10:00:00Z"))


def three() -> Book:
    """Three versions: one of them a day older than the others."""
    book = Book()
    book.do(publishing("foo", "1.0"))
    book.tick(days=1)
    book.do(publishing("foo", "2.0"), publishing("foo", "3.0"))
    return book


def refusals(book: Book, request: r.Request, policy: Policy = POLICY) -> list[Any]:
    decision = decide(book.names["foo"], request, policy, book.now, book.around(request))
    return list(decision.reasons) if isinstance(decision, Refusal) else []


def asked(book: Book, **facts: int) -> r.UnpublishProject:
    known = {what: r.Fact(value, stamp(book.now)) for what, value in facts.items()}
    contact = r.Contact("verified", stamp(book.now))
    return r.UnpublishProject("foo", BECAUSE, "foo", r.Facts(**known), replace(KNOWN_OWNER, contact=contact))


def codes(book: Book, preset_name: str, **facts: int) -> list[str]:
    return [why.code for why in refusals(book, asked(book, **facts), preset(preset_name, presets()))]


def test_an_owner_takes_every_version_away_in_one_act_and_the_name_is_kept_empty() -> None:
    book = three()
    assert book.do(unpublish_all(book)) == [*["release.unpublished"] * 3, "project.removed", "name.placeholder_set"]
    assert book.state("foo").state == "placeholder"
    removed = next(event.change for event in book.events if isinstance(event.change, c.ProjectRemoved))
    assert removed.versions == ("1.0", "2.0", "3.0")


def test_one_version_that_may_not_go_keeps_all_and_the_refusal_says_which() -> None:
    """Edge case 38."""
    book = three()
    book.tick(days=2)
    (why,) = refusals(book, unpublish_all(book))
    assert (why.code, why.params["versions"]) == ("unpublish_window_over", "1.0")
    facts = r.Facts(r.Fact(3, stamp(book.now)))
    found = refusals(book, r.UnpublishProject("foo", BECAUSE, "foo", facts, OWNER))
    assert [(why.code, why.params["versions"]) for why in found] == [
        ("unpublish_window_over", "1.0"),
        ("has_dependents", "1.0 2.0 3.0"),
    ]


def test_evidence_in_quarantine_is_kept_from_its_owner_in_every_way() -> None:
    """Edge case 32."""
    book = three()
    book.do(r.QuarantineRelease("foo", "2.0", BECAUSE, ADMIN))
    (why,) = refusals(book, unpublish_all(book))
    assert (why.code, why.params["versions"]) == ("release_quarantined", "2.0")
    assert book.codes(unpublish(book, "2.0", OWNER)) == ["release_quarantined"]
    for name in ("crates", "pypi"):
        assert codes(book, name, dependents=0) == ["release_quarantined"]
    book = standing("quarantined")
    for name in ("standard", "crates", "pypi"):
        assert codes(book, name, dependents=0) == ["project_quarantined", "role_insufficient"]
    book = standing("two files")
    book.do(r.QuarantineRelease("foo", "1.0", BECAUSE, ADMIN))
    assert book.codes(remove(book)) == ["release_quarantined"]


def test_where_the_name_must_be_typed_to_confirm_nothing_else_will_do() -> None:
    book, pypi = three(), preset("pypi", presets())
    for confirm, expected in ((None, 1), ("", 1), ("bar", 1), ("foo!", 1), ("foo", 0), ("Foo", 0)):
        request = replace(asked(book), confirm=confirm)
        assert [why.code for why in refusals(book, request, pypi)] == ["confirmation_missing"] * expected


def test_typing_the_name_does_not_outlive_a_versions_own_window() -> None:
    book = three()
    book.tick(days=2)
    assert codes(book, "pypi-strict", dependents=0) == ["unpublish_window_over"]
    assert codes(book, "pypi") == []


@pytest.mark.parametrize(
    ("days", "facts", "expected"),
    [
        (1, {"dependents": 0}, []),
        (1, {"dependents": 1}, ["has_dependents"]),
        (1, {}, ["facts_missing"]),
        (3, {"dependents": 0, "downloads": 1000, "owners": 1}, []),
        (3, {"dependents": 0, "downloads": 1001, "owners": 1}, ["too_many_downloads"]),
        (30, {"dependents": 0, "downloads": 1000, "owners": 1}, []),
        (31, {"dependents": 0, "downloads": 2000, "owners": 1}, []),
        (31, {"dependents": 0, "downloads": 2001, "owners": 2}, ["too_many_downloads", "multiple_owners"]),
        (31, {"dependents": 1, "downloads": 0, "owners": 1}, ["has_dependents"]),
        (31, {"dependents": 0}, ["facts_missing", "facts_missing"]),
    ],
)
def test_a_young_or_quiet_project_may_go_and_what_is_not_known_counts_as_too_much(
    days: int, facts: dict[str, int], expected: list[str]
) -> None:
    """As crates.io has it; no dependents at any age."""
    book = standing("registered")
    book.tick(days=days)
    assert codes(book, "crates", **facts) == expected


def test_a_project_is_young_until_its_window_is_over_to_the_second() -> None:
    for seconds, expected in ((3 * 86400 - 1, []), (3 * 86400, ["facts_missing", "facts_missing"])):
        book = standing("registered")
        book.tick(seconds=seconds)
        assert codes(book, "crates", dependents=0) == expected


def test_a_stale_fact_about_a_project_counts_as_too_much() -> None:
    book = standing("registered")
    request = asked(book, dependents=0)
    for seconds, expected in ((86400, []), (86401, ["facts_stale"])):
        book = standing("registered")
        book.tick(seconds=seconds)
        fresh = replace(request.actor, contact=r.Contact("verified", stamp(book.now)))
        found = refusals(book, replace(request, actor=fresh), preset("crates", presets()))
        assert [why.code for why in found] == expected


def test_support_needs_no_window_and_no_facts() -> None:
    book = three()
    book.tick(days=900)
    assert book.codes(r.UnpublishProject("foo", BECAUSE, actor=SUPPORT)) == []


# And back.


def test_a_project_comes_back_with_what_went_together_and_not_with_what_had_gone_before() -> None:
    book = three()
    book.do(unpublish(book, "1.0", OWNER))
    book.tick(hours=1)
    book.do(unpublish_all(book))
    assert book.do(r.RestoreProject("foo", BECAUSE, OWNER)) == ["project.restored", *["release.restored"] * 2]
    assert [release.version for release, _ in installable(book.state("foo"))] == ["2.0", "3.0"]


def test_a_removed_project_comes_back_into_quarantine_and_by_an_admin_alone() -> None:
    """Machine ``quarantine_overlay``, Q3 and Q4."""
    book = three()
    npm = replace(POLICY, placeholder=replace(POLICY.placeholder, security_removal="placeholder"))
    removal = r.RemoveProject("foo", "policy", BECAUSE, ADMIN)
    decision = decide(book.names["foo"], removal, npm, book.now)
    assert not isinstance(decision, Refusal)
    assert [c.type_of(change) for change in decision.changes][-2:] == ["name.placeholder_set", "takedown.confirmed"]
    book.do(removal, r.Unprohibit("foo", BECAUSE, ADMIN))
    assert book.state("foo").state == "placeholder"
    assert set(book.codes(restored(OWNER))) == {"role_insufficient", "restore_locked", "content_taken_down"}
    book.do(r.Judge("foo", "ok", "case-8", ADMIN))
    assert book.do(restored()) == ["project.restored", *["release.restored"] * 3]
    assert list(installable(book.state("foo"))) == []
    assert book.do(r.Clear("foo", BECAUSE, ADMIN)) == ["project.quarantine_cleared"]
    assert len(list(installable(book.state("foo")))) == 3


def test_a_removed_project_keeps_every_tombstone_and_the_versions_of_the_removal() -> None:
    """Trap 5: a removal is a positive record."""
    book = three()
    book.do(r.RemoveProject("foo", "malware", BECAUSE, ADMIN, ("MAL-2026-7",)))
    state = book.state("foo")
    assert [(release.version, release.state, len(release.files)) for release in state.releases] == [
        (version, "unpublished", 1) for version in ("1.0", "2.0", "3.0")
    ]
    assert state.takedowns[0].versions == ("1.0", "2.0", "3.0") and state.takedowns[0].external_ids == ("MAL-2026-7",)
    assert [act.type for act in state.history][-3:] == ["project.removed", "name.prohibited", "takedown.confirmed"]


def test_a_new_holder_is_not_accused_of_what_the_last_one_did() -> None:
    book = standing("placeholder")
    book.do(r.Claim("foo", "case-7", "account-2", SUPPORT))
    book.do(r.Judge("foo", "quarantine", "case-8", ADMIN, "malware"))
    heir = r.Actor("owner", "account-2")
    book.do(publishing("foo", "2.0", content=b"other", actor=heir))
    assert [release.version for release, _ in installable(book.state("foo"))] == ["2.0"]
    assert [(entry.id, entry.versions) for entry in book.state("foo").takedowns] == [("foo/1/1", ("1.0",))]


# A secret that leaked.


def test_what_exposed_a_secret_is_purged_at_once_and_says_why_for_ever() -> None:
    """Edge case 39."""
    book = three()
    book.do(replace(unpublish(book, "2.0", OWNER), reason=LEAK), unpublish(book, "3.0", OWNER))
    assert deadlines.due(book.state("foo"), POLICY, book.now) == [r.PurgeRelease("foo", "2.0")]
    assert book.codes(r.Restore("foo", "2.0", BECAUSE, ADMIN)) == ["restore_window_over"]
    assert book.do(r.PurgeRelease("foo", "2.0")) == ["release.purged"]
    release = book.state("foo").release("2.0")
    assert release is not None and release.removed is not None
    assert (release.state, release.removed.by, release.removed.reason) == ("purged", "clock", LEAK)
    assert release.files[0].sha256, "the tombstone keeps it"
    assert book.do(r.PurgeRelease("foo", "3.0")) == []


def test_one_file_that_exposed_a_secret_is_purged_at_once() -> None:
    book = standing("two files")
    request = replace(remove(book), reason=LEAK)
    book.do(request)
    assert deadlines.due(book.state("foo"), POLICY, book.now) == [r.PurgeFile("foo", "1.0", request.filename)]


def test_what_is_said_of_a_project_answers_for_each_of_its_versions() -> None:
    """Late and hardly used: the three facts that a version asks for are those of the request."""
    book = three()
    book.tick(days=5)
    late = replace(POLICY, unpublish=replace(POLICY.unpublish, after_window="quiet"))
    quiet = {"dependents": 0, "downloads": 299, "owners": 1}
    assert [why.code for why in refusals(book, asked(book, **quiet), late)] == []
    assert [why.code for why in refusals(book, asked(book, **{**quiet, "downloads": 300}), late)] == [
        "too_many_downloads"
    ]
    assert {why.code for why in refusals(book, asked(book, dependents=0), late)} == {"facts_missing"}
