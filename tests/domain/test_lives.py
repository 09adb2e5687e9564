"""What becomes of a name: deadlines to the second, what is already so, generations and their tombstones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from keys import page
from keys.state import Reason, installable
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.domain import deadlines
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted
from tests.domain.book import POLICY, Book
from tests.domain.cases import ADMIN, BECAUSE, CLOCK, SUPPORT, WHEEL, a_file, remove, standing, unpublish, verdict
from tests.world import OWNER, STRANGER, publishing

DAY: Final = 86_400

# Requests for what is already so.

ALREADY_SO: Final[list[tuple[str, Callable[[Book], r.Request]]]] = [
    ("registered", lambda _: publishing("foo")),
    ("registered", lambda _: r.Publish("foo", "1.0", (a_file("foo-1.0.tar.gz"),) * 2, OWNER)),
    ("registered", lambda _: r.Unyank("foo", "1.0", None, OWNER)),
    ("registered", lambda _: r.Restore("foo", "1.0", BECAUSE, OWNER)),
    ("registered", lambda _: r.Clear("foo", BECAUSE, ADMIN)),
    ("yanked", lambda _: r.Yank("foo", "1.0", BECAUSE, OWNER)),
    ("yanked", lambda _: r.Yank("foo", "v1.0.0", BECAUSE, OWNER)),
    ("quarantined", lambda _: r.Quarantine("foo", BECAUSE, ADMIN)),
    ("reserved", lambda _: r.Reserve("foo", OWNER)),
    ("reserved", lambda _: r.Expire("foo")),
    ("registered", lambda _: r.Expire("foo")),
    ("absent", lambda _: r.Expire("foo")),
    ("prohibited", lambda _: r.Prohibit("foo", BECAUSE, ADMIN)),
    ("archived", lambda _: r.Archive("foo")),
    ("registered", lambda _: r.Unarchive("foo")),
    ("deprecated", lambda _: r.Deprecate("foo", BECAUSE, "bar")),
    ("registered", lambda _: r.Undeprecate("foo")),
    ("locked", lambda _: r.Lock("foo", BECAUSE, ADMIN)),
    ("registered", lambda _: r.Unlock("foo", BECAUSE, ADMIN)),
    ("quarantined 1.0", lambda _: r.QuarantineRelease("foo", "1.0", BECAUSE, ADMIN)),
    ("registered", lambda _: r.ClearRelease("foo", "1.0", BECAUSE, ADMIN)),
    ("deprecated 1.0", lambda _: r.DeprecateRelease("foo", "1.0", BECAUSE)),
    ("registered", lambda _: r.UndeprecateRelease("foo", "1.0")),
    ("closed 1.0", lambda _: r.CloseRelease("foo", "1.0")),
    ("closed 1.0", lambda _: publishing("foo")),
    ("one file left", lambda book: remove(book)),
    ("two files", lambda _: r.RestoreFile("foo", "1.0", WHEEL, BECAUSE)),
    ("two files", lambda _: r.PurgeFile("foo", "1.0", WHEEL)),
    ("one file left", lambda _: r.PurgeFile("foo", "1.0", WHEEL)),
    ("registered", lambda _: r.PurgeRelease("foo", "1.0")),
    ("placeholder", lambda _: r.PurgeRelease("foo", "1.0")),
    ("absent", lambda _: r.PurgeRelease("foo", "1.0")),
    ("absent", lambda _: r.PurgeFile("foo", "1.0", WHEEL)),
    ("registered", lambda _: r.RestoreProject("foo", BECAUSE, ADMIN)),
    ("registered", lambda _: verdict("ok")),
    ("suspected", lambda _: verdict("quarantine")),
    ("removed", lambda _: verdict("remove", ADMIN)),
    ("removed", lambda _: verdict("remove")),
    ("removed", lambda _: verdict("quarantine")),
]


@pytest.mark.parametrize(("state", "ask"), ALREADY_SO)
def test_what_is_already_so_is_no_change_and_no_refusal(state: str, ask: Callable[[Book], r.Request]) -> None:
    book = standing(state)
    before = dict(book.names)
    assert book.do(ask(book)) == []
    assert book.names == before


def test_only_the_files_that_are_new_are_added() -> None:
    book = standing("registered")
    wheel = a_file("foo-1.0-py3-none-any.whl")
    assert book.do(r.Publish("foo", "1.0", (a_file("foo-1.0.tar.gz"), wheel), OWNER)) == ["file.added"]
    assert [file.filename for file in book.state("foo").releases[0].files] == [wheel.filename, "foo-1.0.tar.gz"]


# Deadlines are half-open: allowed while age < window, over at the very second.


def test_an_owner_may_unpublish_until_the_window_is_over_to_the_second() -> None:
    for seconds, expected in ((3 * DAY - 1, []), (3 * DAY, ["unpublish_window_over"])):
        book = standing("registered")
        book.tick(seconds=seconds)
        assert book.codes(unpublish(book, actor=OWNER)) == expected
        assert book.codes(unpublish(book, actor=SUPPORT)) == []


def test_a_fact_may_be_as_old_as_the_policy_says_and_no_second_older() -> None:
    for seconds, expected in ((DAY, []), (DAY + 1, ["facts_stale"])):
        book = standing("registered")
        as_of = stamp(book.now)
        book.tick(seconds=seconds)
        assert book.codes(r.Unpublish("foo", "1.0", BECAUSE, r.Fact(0, as_of), OWNER)) == expected


def test_a_removed_version_may_be_restored_until_the_window_is_over_to_the_second() -> None:
    for seconds, expected in ((30 * DAY - 1, []), (30 * DAY, ["restore_window_over"])):
        book = standing("placeholder")
        book.tick(seconds=seconds)
        for actor in (OWNER, ADMIN):
            assert book.codes(r.Restore("foo", "1.0", BECAUSE, actor)) == expected


def test_an_upload_may_be_as_far_ahead_as_clocks_differ_and_no_second_further() -> None:
    for at, expected in (("2026-11-22T10:05:00Z", []), ("2026-11-22T10:05:01Z", ["upload_time_in_future"])):
        file = a_file("foo-1.0.tar.gz", uploaded_at=at)
        assert Book().codes(r.Publish("foo", "1.0", (file,), OWNER)) == expected


def test_grace_is_for_the_holder_alone_and_then_for_nobody_until_the_name_is_free() -> None:
    def asked(seconds: int) -> tuple[list[str], list[str], bool]:
        book = standing("reserved")
        book.tick(seconds=seconds)
        expiry = book.decide(r.Expire("foo", CLOCK))
        assert isinstance(expiry, Accepted)
        return book.codes(r.Renew("foo", OWNER)), book.codes(r.Reserve("foo", STRANGER)), bool(expiry.changes)

    taken = ["name_reserved"]
    assert asked(180 * DAY - 1) == ([], taken, False)
    assert asked(180 * DAY) == ([], taken, False)
    assert asked(194 * DAY - 1) == ([], taken, False)
    assert asked(194 * DAY) == (["reservation_not_renewable"], taken, True)
    assert asked(500 * DAY) == (["reservation_not_renewable"], taken, True)


def test_the_holder_may_publish_as_long_as_the_name_is_not_given_away() -> None:
    book = standing("reserved")
    book.tick(days=500)
    assert book.do(publishing("foo")) == ["reservation.converted", "release.published"]


def test_a_renewal_counts_from_the_end_of_the_term_and_early_renewal_loses_nothing() -> None:
    """Edge case 6, and the cascade 180, 90, 90 days with 14 days of grace."""
    book = standing("reserved")
    book.do(r.Renew("foo", OWNER))
    found = book.state("foo").reservation
    assert found is not None
    assert (found.expires_at, found.grace_until, found.renewals) == ("2027-08-19T10:00:00Z", "2027-09-02T10:00:00Z", 1)
    book.tick(days=180 + 90 + 13)
    book.do(r.Renew("foo", OWNER))
    found = book.state("foo").reservation
    assert found is not None and (found.expires_at, found.renewals) == ("2027-11-17T10:00:00Z", 2)


# Generations, tombstones and the names of files.


def test_an_expired_name_is_free_and_the_next_holder_begins_a_generation() -> None:
    book = standing("reserved")
    book.tick(days=194)
    assert book.do(r.Expire("foo")) == ["reservation.expired"]
    assert (book.state("foo").state, book.state("foo").generation) == ("vacant", 1)
    book.do(publishing("foo", actor=STRANGER))
    assert (book.state("foo").state, book.state("foo").generation) == ("registered", 2)


def test_a_granted_name_that_is_never_used_is_a_placeholder_again_and_its_generation_is_not_used_twice() -> None:
    """Edge case 4."""
    book = standing("claimed")
    book.tick(days=194)
    book.do(r.Expire("foo"))
    assert (book.state("foo").state, book.state("foo").generation) == ("placeholder", 2)
    book.do(r.Claim("foo", "case-8", "account-3", SUPPORT))
    assert book.state("foo").generation == 3


def test_a_new_holder_publishes_no_version_that_ever_was() -> None:
    """Trap 3 and edge case 5: PyPI's name revival."""
    book = standing("claimed")
    heir = r.Actor("owner", "account-2")
    for version in ("1.0", "1", "v1.0", "1.0.0", "01.0"):
        assert "version_tombstoned" in book.codes(publishing("foo", version, actor=heir))
    wheel = a_file("foo-1.0-py3-none-any.whl")
    assert book.codes(r.Publish("foo", "1.0", (wheel,), heir)) == ["version_tombstoned"]
    book.do(publishing("foo", "2.0", actor=heir))
    state = book.state("foo")
    assert [(each.version, each.state, each.generation) for each in state.releases] == [
        ("1.0", "unpublished", 1),
        ("2.0", "published", 2),
    ]


def test_a_new_holder_does_not_inherit_a_quarantine() -> None:
    book = standing("quarantined")
    book.do(unpublish(book))
    book.do(r.Claim("foo", "case-7", "account-2", SUPPORT))
    book.do(publishing("foo", "2.0", actor=r.Actor("owner", "account-2")))
    assert [file.filename for _, file in installable(book.state("foo"))] == ["foo-2.0.tar.gz"]


def test_what_is_restored_out_of_quarantine_comes_back_quarantined() -> None:
    """Machine ``quarantine_overlay``, Q4: a second explicit clear is needed."""
    book = standing("quarantined")
    book.do(unpublish(book), r.Restore("foo", "1.0", BECAUSE, ADMIN))
    assert list(installable(book.state("foo"))) == []
    book.do(r.Clear("foo", BECAUSE, ADMIN))
    assert len(list(installable(book.state("foo")))) == 1


def test_the_last_version_leaves_a_placeholder_and_the_last_but_one_does_not() -> None:
    """Edge cases 1 and 2."""
    book = standing("registered")
    book.do(publishing("foo", "2.0"))
    assert book.do(unpublish(book, "1.0")) == ["release.unpublished"]
    assert book.do(unpublish(book, "2.0")) == ["release.unpublished", "name.placeholder_set"]
    assert book.state("foo").state == "placeholder"


def test_what_support_removed_an_owner_does_not_bring_back() -> None:
    book = standing("registered")
    book.do(unpublish(book, actor=SUPPORT))
    assert book.codes(r.Restore("foo", "1.0", BECAUSE, OWNER)) == ["restore_locked"]
    assert book.do(r.Restore("foo", "1.0", BECAUSE, ADMIN)) == ["project.restored", "release.restored"]


def test_a_restored_release_is_what_it_was_with_its_yank() -> None:
    book = standing("yanked")
    before = book.state("foo").releases
    book.do(unpublish(book), r.Restore("foo", "1.0", BECAUSE, ADMIN))
    assert book.state("foo").releases == before


def test_prohibiting_a_project_removes_every_release_and_keeps_every_tombstone() -> None:
    book = standing("registered")
    book.do(publishing("foo", "2.0"))
    assert book.do(r.Prohibit("foo", BECAUSE, ADMIN)) == [*["release.unpublished"] * 2, "name.prohibited"]
    state = book.state("foo")
    assert [(each.state, len(each.files)) for each in state.releases] == [("unpublished", 1)] * 2
    assert book.codes(r.Restore("foo", "1.0", BECAUSE, ADMIN)) == ["name_prohibited"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("foo-1.0-py3-none-any.whl", "foo-1.0.0-py3-none-any.whl"),
        ("foo-1.0-py2.py3-none-any.whl", "foo-1.0-py3.py2-none-any.whl"),
        ("foo-1.0-1-py3-none-any.whl", "foo-1.0-01-py3-none-any.whl"),
        ("foo-1.0-py3-none-any.whl", "Foo-1.0-py3-none-any.whl"),
        ("foo-1.0.tar.gz", "foo-1.0.zip"),
        ("foo-1.0.tar.gz", "foo-1.0.0.tar.gz"),
        ("foo-1.0.tar.gz", "FOO-1.0.tar.gz"),
    ],
)
def test_two_spellings_of_one_artifact_clash_whatever_their_bytes(first: str, second: str) -> None:
    """Trap 12: uniqueness of file names alone does not stop substitution."""
    for content in (b"x", b"other"):
        book = Book()
        book.do(r.Publish("foo", "1.0", (a_file(first),), OWNER))
        assert book.codes(r.Publish("foo", "1.0", (a_file(second, content),), OWNER)) == ["artifact_identity_conflict"]
        both = (a_file(first), a_file(second, content))
        assert Book().codes(r.Publish("foo", "1.0", both, OWNER)) == ["artifact_identity_conflict"]


def test_build_tags_and_platforms_are_artifacts_of_their_own() -> None:
    names = [
        "foo-1.0-py3-none-any.whl", "foo-1.0-1-py3-none-any.whl", "foo-1.0-2-py3-none-any.whl",
        "foo-1.0-1a-py3-none-any.whl", "foo-1.0-cp311-abi3-linux_x86_64.whl", "foo-1.0.tar.gz",
    ]  # fmt: skip
    book = Book()
    book.do(r.Publish("foo", "1.0", tuple(a_file(name) for name in names), OWNER))
    assert len({file.identity for file in book.state("foo").releases[0].files}) == len(names)


def test_the_file_names_of_one_name_may_be_spelled_as_tools_spell_them() -> None:
    book = Book()
    found = (a_file("foo_bar-1.0-py3-none-any.whl"), a_file("foo-bar-1.0.tar.gz"))
    assert book.do(r.Publish("foo-bar", "1.0", found, OWNER)) == ["project.created", "release.published"]


def test_the_same_bytes_may_be_published_under_two_names() -> None:
    """Edge case 25."""
    book = Book()
    book.do(publishing("foo"), publishing("bar"))
    assert book.state("foo").releases[0].files[0].sha256 == book.state("bar").releases[0].files[0].sha256


# Yanks and what is remembered of them.


def test_a_reason_that_changes_is_an_act_and_every_yank_stays_in_the_history() -> None:
    """Trap 14 and edge cases 13 and 14."""
    book = standing("registered")
    first, second = Reason("broken", "does not import"), Reason("broken", "does not install")
    assert book.do(r.Yank("foo", "1.0", first, OWNER)) == ["release.yanked"]
    assert book.do(r.Yank("foo", "1.0", second, OWNER)) == ["release.yank_reason_changed"]
    assert book.do(r.Unyank("foo", "1.0", None, OWNER)) == ["release.unyanked"]
    acts = [(act.type, act.version, act.mark.reason) for act in book.state("foo").history]
    assert acts[-3:] == [
        ("release.yanked", "1.0", first),
        ("release.yank_reason_changed", "1.0", second),
        ("release.unyanked", "1.0", None),
    ]


def test_an_admins_yank_takes_over_an_owners_and_the_owner_cannot_lift_it() -> None:
    """Edge case 15."""
    book = standing("yanked")
    assert book.do(r.Yank("foo", "1.0", BECAUSE, ADMIN)) == ["release.yank_reason_changed"]
    assert "admin_yank_locked" in book.codes(r.Unyank("foo", "1.0", None, OWNER))
    book.do(r.Unyank("foo", "1.0", None, ADMIN))
    assert book.state("foo").releases[0].yank is None


def test_a_file_added_to_a_yanked_release_is_yanked() -> None:
    """Edge case 47."""
    book = standing("yanked")
    book.do(r.Publish("foo", "1.0", (a_file("foo-1.0-py3-none-any.whl"),), OWNER))
    assert page.render(book.state("foo")).count(b'"yanked":"it steals tokens"') == 2


def test_clearing_brings_back_what_was_before_the_quarantine() -> None:
    """Trap 2: an overlay, not a status column."""
    book = standing("yanked")
    before = book.state("foo").releases
    book.do(r.Quarantine("foo", BECAUSE, ADMIN))
    assert list(installable(book.state("foo"))) == []
    book.do(r.Clear("foo", BECAUSE, ADMIN))
    assert book.state("foo").releases == before and len(list(installable(book.state("foo")))) == 1


def test_every_change_moves_the_serial_and_no_state_names_an_account() -> None:
    """Trap 1 and invariants I4 and I24."""
    book = standing("claimed")
    assert book.state("foo").serial == len(book.events)
    assert book.names["foo"].holder == "account-2"
    assert "account" not in repr(book.state("foo"))
    assert isinstance(book.events[-1].change, c.ClaimGranted)


# What lies over a project leaves it as it was.


def test_an_archived_project_that_was_quarantined_and_cleared_is_archived_again() -> None:
    book = standing("archived")
    book.do(r.Quarantine("foo", BECAUSE, ADMIN), r.Clear("foo", BECAUSE, ADMIN))
    assert book.state("foo").archived is not None
    assert book.codes(publishing("foo", "2.0")) == ["project_archived"]


def test_quarantine_of_one_release_hides_its_files_alone() -> None:
    book = standing("quarantined 1.0")
    book.do(publishing("foo", "2.0"))
    assert [release.version for release, _ in installable(book.state("foo"))] == ["2.0"]
    book.do(r.ClearRelease("foo", "1.0", BECAUSE, ADMIN))
    assert [release.version for release, _ in installable(book.state("foo"))] == ["1.0", "2.0"]


def test_a_removed_file_leaves_the_release_and_its_other_files() -> None:
    book = standing("one file left")
    assert [file.filename for _, file in installable(book.state("foo"))] == ["foo-1.0.tar.gz"]
    book.do(r.RestoreFile("foo", "1.0", WHEEL, BECAUSE))
    assert [file.filename for _, file in installable(book.state("foo"))] == [WHEEL, "foo-1.0.tar.gz"]


@pytest.mark.parametrize(
    ("state", "what", "event"),
    [
        ("placeholder", r.PurgeRelease("foo", "1.0"), "release.purged"),
        ("one file left", r.PurgeFile("foo", "1.0", WHEEL), "file.purged"),
    ],
)
def test_the_clock_purges_when_the_restore_window_is_over_and_not_a_second_before(
    state: str, what: r.Request, event: str
) -> None:
    for seconds, expected in ((30 * DAY - 1, []), (30 * DAY, [event])):
        book = standing(state)
        book.tick(seconds=seconds)
        assert book.do(what) == expected
        asked = deadlines.due(standing(state).state("foo"), POLICY, book.now)
        assert [each for each in asked if not isinstance(each, r.CloseDue)] == ([what] if expected else [])


def test_what_can_no_longer_be_restored_is_purged_when_the_policy_says_and_not_before() -> None:
    book = standing("placeholder")
    book.policy = replace(POLICY, restore=replace(POLICY.restore, window_s=0, purge_after_s=DAY))
    assert book.codes(r.Restore("foo", "1.0", BECAUSE, OWNER)) == ["restore_window_over"]
    book.tick(seconds=DAY - 1)
    assert (book.do(r.PurgeRelease("foo", "1.0")), deadlines.due(book.state("foo"), book.policy, book.now)) == ([], [])
    book.tick(seconds=1)
    assert deadlines.due(book.state("foo"), book.policy, book.now) == [r.PurgeRelease("foo", "1.0")]
    assert book.do(r.PurgeRelease("foo", "1.0")) == ["release.purged"]


def test_an_alternative_is_named_as_the_registry_names_it() -> None:
    with pytest.raises(ValueError, match="named other-project"):
        standing("registered").do(r.Deprecate("foo", BECAUSE, "Other_Project"))
