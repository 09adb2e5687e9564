"""Verdicts and what follows from them: quarantine, removal, entries that are settled and never disappear."""

from typing import Any

import pytest

from keys.state import NameState, Reason, Takedown, installable
from keys.times import stamp
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Escalated
from tests.domain.book import Book
from tests.domain.cases import MODERATOR, SYSTEM, WHEEL, a_file, restored, standing, unpublish, verdict
from tests.world import ADMIN, BECAUSE, OWNER, STRANGER, publishing


def two() -> Book:
    """Two versions of foo with bytes of their own."""
    book = Book()
    book.do(publishing("foo", "1.0", content=b"good"), publishing("foo", "2.0", content=b"bad"))
    return book


def entries(book: Book) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(entry.id, entry.status, entry.versions) for entry in book.state("foo").takedowns]


def files(state: NameState) -> list[str]:
    return [release.version for release, _ in installable(state)]


def escalations(book: Book, request: r.Request) -> list[str]:
    decision = book.decide(request)
    assert isinstance(decision, Accepted), decision
    return [each.detail for each in decision.warnings if isinstance(each, Escalated)]


# Suspected.


@pytest.mark.parametrize("actor", [MODERATOR, SYSTEM, ADMIN])
def test_a_verdict_to_quarantine_hides_the_project_and_lists_exactly_what_is_meant(actor: r.Actor) -> None:
    book = two()
    assert book.do(verdict("quarantine", actor)) == ["project.quarantined", "takedown.listed"]
    assert files(book.state("foo")) == []
    (entry,) = book.state("foo").takedowns
    assert (entry.id, entry.kind, entry.status, entry.versions) == ("foo/1/1", "malware", "suspected", ("1.0", "2.0"))
    assert len(entry.sha256s) == 2 and entry.listed == entry.mark


def test_a_verdict_about_some_versions_leaves_the_others_alone() -> None:
    book = two()
    assert book.do(verdict("quarantine", versions=("2.0",))) == ["release.quarantined", "takedown.listed"]
    assert files(book.state("foo")) == ["1.0"]
    assert entries(book) == [("foo/1/1", "suspected", ("2.0",))]


def test_other_versions_of_the_same_bytes_are_meant_too() -> None:
    book = two()
    book.do(r.Publish("foo", "3.0", (a_file("foo-3.0.tar.gz", b"bad"),), OWNER))
    book.do(verdict("quarantine", versions=("2.0",)))
    assert files(book.state("foo")) == ["1.0"]
    assert entries(book) == [("foo/1/1", "suspected", ("2.0", "3.0"))]


def test_what_an_owner_took_away_before_the_verdict_is_listed_and_comes_back_only_into_quarantine() -> None:
    """An attacker who unpublishes in time is on the list all the same."""
    book = two()
    book.do(unpublish(book, "2.0", OWNER))
    assert book.do(verdict("quarantine", versions=("2.0",))) == ["release.quarantined", "takedown.listed"]
    book.do(r.Restore("foo", "2.0", BECAUSE, OWNER))
    assert files(book.state("foo")) == ["1.0"]
    book = standing("placeholder")
    book.do(verdict("quarantine"))
    assert "role_insufficient" in book.codes(r.RestoreProject("foo", BECAUSE, OWNER))
    book.do(restored())
    assert files(book.state("foo")) == [] and book.state("foo").quarantine is not None


def test_a_later_verdict_lists_only_what_is_not_listed_yet() -> None:
    book = two()
    book.do(verdict("quarantine", versions=("2.0",)))
    assert book.do(verdict("quarantine")) == ["project.quarantined", "takedown.listed"]
    assert entries(book) == [("foo/1/1", "suspected", ("2.0",)), ("foo/1/2", "suspected", ("1.0",))]
    assert book.do(verdict("quarantine", kind="typosquat"))[-1] == "takedown.listed"


def test_an_external_id_that_comes_later_is_added_and_none_is_lost() -> None:
    book = two()
    book.do(verdict("quarantine", external_ids=("MAL-2026-7",)))
    assert book.do(verdict("quarantine", external_ids=("CVE-2026-1000",))) == ["takedown.corrected"]
    assert book.do(verdict("quarantine", external_ids=("MAL-2026-7",))) == []
    assert book.state("foo").takedowns[0].external_ids == ("CVE-2026-1000", "MAL-2026-7")


# Confirmed.


def test_two_admins_remove_and_confirm_in_one_act() -> None:
    book = two()
    assert book.do(verdict("remove", ADMIN)) == [
        "project.quarantined",
        "takedown.listed",
        "release.unpublished",
        "release.unpublished",
        "project.removed",
        "name.prohibited",
        "takedown.confirmed",
    ]
    state = book.state("foo")
    assert state.state == "prohibited" and files(state) == []
    assert entries(book) == [("foo/1/1", "confirmed", ("1.0", "2.0"))]


def test_an_admin_who_agrees_with_a_moderator_confirms_the_moderators_entry() -> None:
    book = two()
    book.do(verdict("quarantine"))
    book.tick(hours=1)
    book.do(verdict("remove", ADMIN, note="seen it run"))
    (entry,) = book.state("foo").takedowns
    assert (entry.status, entry.listed.by, entry.mark.by) == ("confirmed", "moderator", "admin")
    assert entry.mark.reason == Reason("malware", "seen it run") and entry.listed.at < entry.mark.at


def test_removing_some_versions_leaves_the_project_with_the_others() -> None:
    book = two()
    made = book.do(verdict("remove", ADMIN, versions=("2.0",)))
    assert made == ["release.quarantined", "takedown.listed", "release.unpublished", "takedown.confirmed"]
    assert files(book.state("foo")) == ["1.0"] and book.state("foo").quarantine is None


def test_removing_the_last_versions_removes_the_project() -> None:
    book = two()
    book.do(verdict("remove", ADMIN, versions=("2.0",)), verdict("remove", ADMIN, versions=("1.0",)))
    assert book.state("foo").state == "prohibited" and book.state("foo").quarantine is not None


def test_what_is_confirmed_never_comes_back_until_an_admin_withdraws_it() -> None:
    book = two()
    book.do(verdict("remove", ADMIN, versions=("2.0",)))
    for actor in (OWNER, ADMIN):
        assert "content_taken_down" in book.codes(r.Restore("foo", "2.0", BECAUSE, actor))
    book.do(verdict("ok", ADMIN, versions=("2.0",)))
    assert entries(book) == [("foo/1/1", "withdrawn", ("2.0",))]
    book.do(r.Restore("foo", "2.0", BECAUSE, ADMIN))
    assert files(book.state("foo")) == ["1.0"], "out of quarantine it comes back into it"
    book.do(r.ClearRelease("foo", "2.0", BECAUSE, ADMIN))
    assert files(book.state("foo")) == ["1.0", "2.0"]


def test_a_withdrawn_entry_can_be_confirmed_after_all_and_is_not_listed_twice() -> None:
    book = two()
    book.do(verdict("quarantine"), verdict("ok", ADMIN), verdict("remove", ADMIN))
    assert entries(book) == [("foo/1/1", "confirmed", ("1.0", "2.0"))]


def test_a_moderator_who_suspects_again_what_was_withdrawn_makes_an_entry_of_their_own() -> None:
    book = two()
    book.do(verdict("quarantine"), verdict("ok", ADMIN), verdict("quarantine"))
    assert [status for _, status, _ in entries(book)] == ["withdrawn", "suspected"]


# Ok, review, and what only an admin settles.


def test_an_admins_ok_withdraws_the_suspicion_and_clears() -> None:
    book = two()
    before = files(book.state("foo"))
    book.do(verdict("quarantine"))
    assert book.do(verdict("ok", ADMIN)) == ["takedown.withdrawn", "project.quarantine_cleared"]
    assert files(book.state("foo")) == before
    assert book.state("foo").takedowns[0].mark.reason == Reason("verdict_ok"), "an acquittal accuses of nothing"
    book.do(verdict("quarantine", versions=("2.0",)))
    assert book.do(verdict("ok", ADMIN)) == ["takedown.withdrawn", "release.quarantine_cleared"]


def test_an_ok_about_one_version_clears_that_version_alone() -> None:
    book = Book()
    book.do(*(publishing("foo", version, content=version.encode()) for version in ("1.0", "2.0", "3.0")))
    book.do(verdict("quarantine", versions=("2.0",)), verdict("quarantine", versions=("3.0",)))
    book.do(verdict("ok", ADMIN, versions=("2.0",)))
    assert files(book.state("foo")) == ["1.0", "2.0"]
    assert [status for _, status, _ in entries(book)] == ["withdrawn", "suspected"]


def test_an_ok_for_one_version_of_an_entry_does_not_acquit_the_others() -> None:
    book = two()
    book.do(verdict("quarantine"))
    assert book.codes(verdict("ok", ADMIN, versions=("1.0",))) == ["takedown_covers_more"]
    book.do(verdict("ok", ADMIN), verdict("remove", ADMIN, versions=("2.0",)))
    assert files(book.state("foo")) == ["1.0"]
    assert [status for _, status, _ in entries(book)] == ["withdrawn", "confirmed"]


def test_a_moderator_neither_clears_nor_prohibits_and_an_admin_is_told_of_the_wish() -> None:
    """Edge case 64."""
    book = two()
    book.do(verdict("quarantine"))
    for request in (r.Clear("foo", BECAUSE, MODERATOR), r.Prohibit("foo", BECAUSE, MODERATOR)):
        assert book.codes(request) == ["role_insufficient"]
    before = book.state("foo")
    for said in ("ok", "remove"):
        (sentence,) = escalations(book, verdict(said))
        assert f"verdict {said} on foo by moderator, evidence case-7" in sentence
        assert book.do(verdict(said)) == []
    assert book.state("foo") == before


def test_a_moderators_removal_is_a_quarantine_and_a_wish() -> None:
    book = two()
    assert len(escalations(book, verdict("remove"))) == 1
    assert book.do(verdict("remove")) == ["project.quarantined", "takedown.listed"]


def test_nobody_is_asked_for_what_is_done() -> None:
    book = two()
    book.do(verdict("remove", ADMIN))
    assert escalations(book, verdict("remove")) == []
    assert escalations(two(), verdict("ok")) == []


def test_a_verdict_about_one_version_confirms_no_entry_about_more() -> None:
    book = two()
    book.do(verdict("quarantine"), verdict("remove", ADMIN, versions=("2.0",)))
    assert entries(book) == [("foo/1/1", "suspected", ("1.0", "2.0")), ("foo/1/2", "confirmed", ("2.0",))]


def test_a_review_changes_nothing_and_asks_an_admin() -> None:
    book = two()
    (sentence,) = escalations(book, verdict("review", versions=("2.0",), note="odd network traffic"))
    assert "foo 2.0" in sentence and "odd network traffic" in sentence
    assert book.do(verdict("review")) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"kind": None}, "of which kind"),
        ({"versions": ()}, "versions is empty"),
        ({"external_ids": ("MAL-7",)}, "external id"),
        ({"external_ids": ("GHSA-aaaa-aaaa-aaaa",)}, "external id"),
        ({"external_ids": ("MAL-2026-8", "MAL-2026-7")}, "in order"),
        ({"evidence": ""}, "evidence"),
        ({"evidence": "x" * 201}, "evidence"),
        ({"note": "two\nlines"}, "U\\+000A"),
        ({"note": "x" * 513}, "512"),
    ],
)
def test_a_verdict_that_could_mean_something_else_is_no_verdict(wrong: dict[str, Any], why: str) -> None:
    parts: dict[str, Any] = {"evidence": "case-7", "kind": "malware", **wrong}
    with pytest.raises(ValueError, match=why):
        r.Judge("foo", "quarantine", actor=MODERATOR, **parts)


def test_an_entry_lists_versions_and_bytes_once_each_and_at_least_one() -> None:
    mark = standing("registered").state("foo").since
    for identifiers in (("MAL-7",), ("MAL-2026-8", "MAL-2026-7"), ("MAL-2026-7", "MAL-2026-7")):
        with pytest.raises(ValueError, match="external id"):
            Takedown("foo/1/1", "malware", "suspected", ("1.0",), ("ab" * 32,), mark, mark, identifiers)
    for versions, digests in ((("2.0", "1.0"), ("ab" * 32,)), ((), ("ab" * 32,)), (("1.0",), ()), (("1.0",), ("ab",))):
        with pytest.raises(ValueError):
            Takedown("foo/1/1", "malware", "suspected", versions, digests, mark, mark)


# The same bytes elsewhere.


def test_bytes_that_were_taken_down_are_published_under_no_name() -> None:
    """Edge case 25."""
    book = two()
    book.do(verdict("quarantine", versions=("2.0",)))
    again = publishing("bar", content=b"bad", actor=STRANGER)
    decision = book.decide(again)
    assert isinstance(decision, Accepted) and decision.warnings[0].code == "content_suspected"
    book.do(verdict("remove", ADMIN, versions=("2.0",)))
    assert book.codes(again) == ["content_taken_down"]
    assert book.codes(publishing("foo", "9.0", content=b"bad")) == ["content_taken_down"]
    assert book.codes(publishing("bar", content=b"good", actor=STRANGER)) == []
    book.do(verdict("ok", ADMIN, versions=("2.0",)))
    assert book.codes(again) == []


def test_bytes_that_were_taken_down_elsewhere_do_not_come_back_by_a_restoration() -> None:
    book = two()
    book.do(publishing("bar", "1.0", content=b"bad"), publishing("bar", "2.0", content=b"good"))
    book.do(unpublish(book, "1.0", OWNER, "bar"), verdict("remove", ADMIN, versions=("2.0",)))
    assert book.codes(r.Restore("bar", "1.0", BECAUSE, OWNER)) == ["content_taken_down"]


def test_a_file_that_was_taken_down_elsewhere_does_not_come_back_and_its_neighbours_do() -> None:
    book = two()
    wheel, other = a_file(WHEEL.replace("foo", "bar"), b"bad"), a_file("bar-1.0-1-py3-none-any.whl", b"fine")
    book.do(r.Publish("bar", "1.0", (a_file("bar-1.0.tar.gz", b"sdist"), wheel, other), OWNER))
    for each in (wheel, other):
        book.do(r.RemoveFile("bar", "1.0", each.filename, BECAUSE, r.Fact(0, stamp(book.now)), OWNER))
    book.do(verdict("remove", ADMIN, versions=("2.0",)))
    assert book.codes(r.RestoreFile("bar", "1.0", wheel.filename, BECAUSE, OWNER)) == ["content_taken_down"]
    assert book.codes(r.RestoreFile("bar", "1.0", other.filename, BECAUSE, OWNER)) == []
