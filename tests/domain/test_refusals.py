"""Every reason that decide can give, once each, and all of them at once."""

import re
from collections.abc import Callable
from importlib import resources
from typing import Final

import pytest

from keys.state import Reason
from keys.times import stamp
from repo_service.domain import facts
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal
from tests.domain.book import Book
from tests.domain.cases import (
    CLOCK,
    MODERATOR,
    SUPPORT,
    SYSTEM,
    WHEEL,
    a_file,
    claim_openly,
    hand_on,
    pass_on,
    quietly,
    recipient,
    remove,
    reported,
    standing,
    unpublish,
    unpublish_all,
    verdict,
)
from tests.world import ADMIN, BECAUSE, OWNER, STRANGER, publishing

Ask = Callable[[Book], r.Request]


def with_files(*found: r.NewFile, version: str = "1.0", name: str = "foo") -> Ask:
    return lambda _: r.Publish(name, version, found, OWNER)


def owners_unpublish(dependents: r.Fact | None) -> Ask:
    return lambda _: r.Unpublish("foo", "1.0", BECAUSE, dependents, OWNER)


def later(days: float, ask: Ask) -> Ask:
    def asked(book: Book) -> r.Request:
        book.tick(days=days)
        return ask(book)

    return asked


def after(*steps: Callable[[Book], r.Request], ask: Ask) -> Ask:
    def asked(book: Book) -> r.Request:
        for each in steps:
            book.do(each(book))
        return ask(book)

    return asked


def yank(actor: r.Actor, text: str = "because") -> Ask:
    return lambda _: r.Yank("foo", "1.0", Reason("insecure", text), actor)


def approve(actor: r.Actor) -> Ask:
    return lambda _: r.ApproveYank("foo", "1.0", actor)


def unyank(actor: r.Actor) -> Ask:
    return lambda _: r.Unyank("foo", "1.0", None, actor)


def restore(actor: r.Actor) -> Ask:
    return lambda _: r.Restore("foo", "1.0", BECAUSE, actor)


def published(version: str, content: bytes = b"x", actor: r.Actor = OWNER) -> Ask:
    return lambda _: publishing("foo", version, content=content, actor=actor)


def renew(_: Book) -> r.Request:
    return r.Renew("foo", OWNER)


def reserve(actor: r.Actor) -> Ask:
    return lambda _: r.Reserve("foo", actor)


def restore_file(actor: r.Actor) -> Ask:
    return lambda _: r.RestoreFile("foo", "1.0", WHEEL, BECAUSE, actor)


def purge(_: Book) -> r.Request:
    return r.PurgeRelease("foo", "1.0", BECAUSE, ADMIN)


def purge_file(_: Book) -> r.Request:
    return r.PurgeFile("foo", "1.0", WHEEL, BECAUSE, ADMIN)


OF_X: Final = r.Actor("owner", "account-1", org="org-1")
OF_Y: Final = r.Actor("owner", "account-2", org="org-2")


def granted(prefix: str, actor: r.Actor = SUPPORT, org: str = "org-1") -> Ask:
    return lambda _: r.Grant(prefix, org, "Example Corp", actor)


def child(_: Book) -> r.Request:
    return r.GrantChild("foo-bar", OF_X)


def shared(_: Book) -> r.Request:
    return r.Share("foo", "org-2", "Example GmbH", OF_X)


def claimed_and_back(book: Book) -> r.Request:
    book.do(r.Release("foo", r.Actor("owner", "account-2")))
    return r.Restore("foo", "1.0", BECAUSE, ADMIN)


def taking(number: int, how: Callable[[str], r.Request]) -> list[Ask]:
    return [lambda _, each=each: how(f"x{each}y") for each in range(number)]  # type: ignore[misc]


ALONE: Final = r.Actor("admin", "account-9")


def restore_all(actor: r.Actor) -> Ask:
    return lambda _: r.RestoreProject("foo", BECAUSE, actor)


def unprohibit(_: Book) -> r.Request:
    return r.Unprohibit("foo", BECAUSE, ADMIN)


REFUSED: Final[list[tuple[str, Ask, list[str]]]] = [
    # publish: the name
    ("placeholder", published("2.0"), ["name_placeholder"]),
    ("prohibited", published("1.0"), ["name_prohibited"]),
    ("reserved", published("1.0", actor=STRANGER), ["name_reserved"]),
    ("reserved", published("1.0", actor=SYSTEM), ["name_reserved"]),
    ("claimed", published("2.0"), ["name_reserved"]),
    ("quarantined", published("2.0"), ["project_quarantined"]),
    ("absent", published("1.0", actor=SUPPORT), ["role_insufficient", "role_insufficient"]),
    ("registered", published("2.0", actor=MODERATOR), ["role_insufficient"]),
    # publish: the version
    *(
        ("absent", with_files(a_file("foo-1.0.tar.gz"), version=version), ["version_invalid"])
        for version in ("", "one", "1.0\n", " 1.0", "1.0+local", "１.0", "1.0.*", "1" * 5000, "1." * 300 + "1")
    ),
    *(
        ("registered", published(version), ["version_exists", "artifact_identity_conflict"])
        for version in ("1.0.0", "v1.0", "1", "01.0", "0!1.0")
    ),
    ("placeholder", published("1.0"), ["name_placeholder", "version_tombstoned"]),
    ("placeholder", published("v1.0.0"), ["name_placeholder", "version_tombstoned", "artifact_identity_conflict"]),
    # publish: the files
    ("absent", with_files(), ["files_missing"]),
    ("absent", with_files(a_file("bar-1.0.tar.gz")), ["filename_mismatch"]),
    ("absent", with_files(a_file("foo-1.1.tar.gz")), ["filename_mismatch"]),
    ("absent", with_files(a_file("foo-1.0+x.tar.gz")), ["filename_mismatch"]),
    ("absent", with_files(a_file("foo-1.0.exe")), ["filename_mismatch"]),
    ("absent", with_files(a_file("foo-1.0-py3.whl")), ["filename_mismatch"]),
    ("absent", with_files(a_file(f"foo-{'1' * 5000}.tar.gz")), ["file_invalid"]),
    ("absent", with_files(a_file("../foo-1.0.tar.gz")), ["file_invalid"]),
    ("absent", with_files(a_file("foo-1.0.tar.gz", content=b"")), ["file_invalid"]),
    ("absent", with_files(a_file("foo-1.0.tar.gz", url="ftp://x/foo")), ["file_invalid"]),
    ("absent", with_files(a_file("foo-1.0.tar.gz", uploaded_at="yesterday")), ["file_invalid"]),
    (
        "absent",
        with_files(a_file("foo-1.0.tar.gz", uploaded_at="2026-11-22T10:05:01Z")),
        ["upload_time_in_future"],
    ),
    ("registered", published("1.0", content=b"other"), ["file_exists"]),
    ("registered", with_files(a_file("foo-1.0.zip")), ["artifact_identity_conflict"]),
    ("registered", with_files(a_file("foo-1.0.0.tar.gz", b"other")), ["artifact_identity_conflict"]),
    # yank
    ("absent", yank(OWNER), ["release_not_found"]),
    ("registered", lambda _: r.Yank("foo", "9", BECAUSE, OWNER), ["release_not_found"]),
    ("registered", lambda _: r.Yank("foo", "no version", BECAUSE, OWNER), ["release_not_found"]),
    ("registered", yank(CLOCK), ["role_insufficient"]),
    *(
        ("registered", yank(r.Actor(kind, account, approver=approver)), ["second_approver_required"])
        for kind in ("admin", "moderator")
        for account, approver in (("a", None), ("a", "a"), (None, "b"), ("a", ""))
    ),
    ("placeholder", yank(OWNER), ["release_not_published"]),
    ("registered", approve(ADMIN), ["yank_not_held"]),
    ("absent", approve(ADMIN), ["release_not_found"]),
    ("placeholder", approve(ADMIN), ["release_not_published"]),
    *(
        ("registered", approve(r.Actor("admin", account, approver=approver)), ["second_approver_required"])
        for account, approver in (("a", None), ("a", "a"), (None, "b"), ("a", ""))
    ),
    *(("registered", approve(actor), ["role_insufficient"]) for actor in (OWNER, SUPPORT, MODERATOR, CLOCK)),
    ("registered", after(yank(ADMIN), ask=unyank(OWNER)), ["admin_yank_locked", "role_insufficient"]),
    ("registered", after(yank(ADMIN), ask=unyank(SUPPORT)), ["admin_yank_locked", "role_insufficient"]),
    ("registered", after(yank(ADMIN), ask=unyank(MODERATOR)), ["role_insufficient"]),
    ("registered", after(yank(ADMIN), ask=yank(OWNER, "other")), ["admin_yank_locked", "role_insufficient"]),
    ("registered", after(yank(SUPPORT), ask=unyank(OWNER)), ["admin_yank_locked", "role_insufficient"]),
    # unpublish
    ("registered", lambda b: unpublish(b, "9", OWNER), ["release_not_found"]),
    ("placeholder", lambda b: unpublish(b, "1.0", OWNER), ["release_not_published"]),
    ("registered", owners_unpublish(None), ["facts_missing"]),
    ("registered", owners_unpublish(r.Fact(12, "2026-11-22T10:00:00Z")), ["has_dependents"]),
    ("registered", owners_unpublish(r.Fact(0, "2026-11-21T09:59:59Z")), ["facts_stale"]),
    ("registered", owners_unpublish(r.Fact(0, "2027-11-22T10:00:00Z")), ["facts_stale"]),
    ("registered", later(3, lambda b: unpublish(b, actor=OWNER)), ["unpublish_window_over"]),
    ("quarantined", lambda b: unpublish(b, actor=OWNER), ["project_quarantined"]),
    ("registered", lambda b: quietly(b, downloads=300), ["too_many_downloads"]),
    ("registered", lambda b: quietly(b, owners=2), ["multiple_owners"]),
    ("registered", lambda b: quietly(b, dependents=1), ["has_dependents"]),
    ("registered", later(3, lambda b: r.Unpublish("foo", "1.0", BECAUSE, None, SUPPORT)), ["facts_missing"]),
    # restore
    ("absent", restore(OWNER), ["release_not_found"]),
    ("placeholder", later(30, restore(OWNER)), ["restore_window_over"]),
    (
        "registered",
        after(published("2.0"), lambda b: unpublish(b, actor=ADMIN), ask=restore(OWNER)),
        ["restore_locked"],
    ),
    ("claimed", restore(ADMIN), ["name_reserved", "restore_other_holder"]),
    ("claimed", claimed_and_back, ["restore_other_holder"]),
    # the name itself
    ("reserved", reserve(STRANGER), ["name_reserved"]),
    ("registered", reserve(OWNER), ["name_taken"]),
    ("placeholder", reserve(OWNER), ["name_placeholder"]),
    ("prohibited", reserve(OWNER), ["name_prohibited"]),
    ("absent", reserve(r.Actor("owner")), ["actor_id_missing"]),
    ("absent", reserve(r.Actor("owner", "")), ["actor_id_missing"]),
    ("absent", renew, ["name_unknown"]),
    ("vacant", renew, ["name_vacant"]),
    ("reserved", lambda _: r.Renew("foo", STRANGER), ["name_reserved"]),
    ("reserved", lambda _: r.Renew("foo", ADMIN), ["name_reserved", "role_insufficient"]),
    ("reserved", lambda _: r.Renew("foo", r.Actor("owner")), ["name_reserved"]),
    ("reserved", later(194, renew), ["reservation_not_renewable"]),
    ("reserved", after(renew, renew, ask=renew), ["renewal_limit"]),
    ("reserved", lambda _: r.Release("foo", STRANGER), ["name_reserved"]),
    ("registered", lambda _: r.Release("foo", OWNER), ["name_taken"]),
    ("absent", lambda _: r.Quarantine("foo", BECAUSE, ADMIN), ["name_unknown"]),
    ("placeholder", lambda _: r.Quarantine("foo", BECAUSE, ADMIN), ["name_placeholder"]),
    ("registered", lambda _: r.Quarantine("foo", BECAUSE, OWNER), ["role_insufficient"]),
    ("quarantined", lambda _: r.Clear("foo", BECAUSE, MODERATOR), ["role_insufficient"]),
    ("registered", lambda _: r.Claim("foo", "case", "account-2", SUPPORT), ["name_taken"]),
    ("registered", lambda _: r.Prohibit("foo", BECAUSE, MODERATOR), ["role_insufficient"]),
    # what lies over it
    ("archived", published("2.0"), ["project_archived"]),
    ("locked", published("2.0"), ["project_locked"]),
    ("locked", lambda b: unpublish(b, actor=OWNER), ["project_locked"]),
    ("closed 1.0", with_files(a_file(WHEEL)), ["release_closed"]),
    ("registered", later(14, with_files(a_file(WHEEL))), ["release_closed"]),
    ("quarantined 1.0", with_files(a_file(WHEEL)), ["release_quarantined"]),
    ("registered", later(14, lambda _: r.CloseDue("foo", ADMIN)), ["role_insufficient"]),
    ("registered", lambda _: r.QuarantineRelease("foo", "9", BECAUSE, ADMIN), ["release_not_found"]),
    ("placeholder", lambda _: r.CloseRelease("foo", "1.0"), ["release_not_published"]),
    # one file
    ("registered", lambda b: remove(b, filename="foo-1.0.tar.gz"), ["last_file"]),
    ("registered", remove, ["file_not_found"]),
    ("two files", later(3, remove), ["unpublish_window_over"]),
    ("one file left", with_files(a_file(WHEEL)), ["filename_tombstoned"]),
    ("one file left", with_files(a_file(WHEEL, b"other")), ["file_exists"]),
    ("one file left", later(30, restore_file(OWNER)), ["restore_window_over"]),
    ("two files", after(lambda b: remove(b, ADMIN), ask=restore_file(OWNER)), ["restore_locked"]),
    ("one file left", lambda _: r.PurgeFile("foo", "1.0", WHEEL, None, OWNER), ["role_insufficient"]),
    # for ever
    ("placeholder", after(purge, ask=restore(ADMIN)), ["purged"]),
    ("one file left", after(purge_file, ask=restore_file(ADMIN)), ["purged"]),
    ("registered", lambda _: r.PurgeRelease("foo", "1.0", None, ADMIN), ["role_insufficient"]),
    ("absent", purge, ["release_not_found"]),
    ("held", published("1.0"), ["name_held"]),
    # namespaces
    ("granted", published("1.0"), ["name_in_namespace"]),
    ("granted", reserve(OWNER), ["name_in_namespace"]),
    ("absent", granted("foo", SYSTEM), ["role_insufficient"]),
    ("absent", granted("foo", OF_X), ["feature_disabled"]),
    ("absent", granted("foo-b-c-d"), ["namespace_too_deep"]),
    ("prohibited", granted("foo"), ["name_prohibited"]),
    ("granted", granted("foo", org="org-2"), ["namespace_taken"]),
    ("granted", granted("foo-bar", org="org-2"), ["namespace_overlap"]),
    ("absent", lambda _: r.GrantChild("foo-bar", OF_X), ["namespace_unknown"]),
    ("granted", lambda _: r.GrantChild("foo-bar", OF_Y), ["namespace_not_owned"]),
    ("granted", lambda _: r.GrantChild("foo-bar", SUPPORT), ["role_insufficient"]),
    ("granted", lambda _: r.GrantChild("foo", OF_Y), ["namespace_taken"]),
    ("granted", after(child, ask=lambda _: r.GrantChild("foo-bar-baz", OF_X)), ["grandchild_grant"]),
    (
        "granted",
        after(child, ask=lambda _: r.GrantChild("foo-bar-baz-x", OF_Y)),
        ["namespace_not_owned", "namespace_too_deep", "grandchild_grant"],
    ),
    ("absent", lambda _: r.Share("foo", "org-2", "Y", OF_X), ["namespace_unknown"]),
    ("granted", lambda _: r.Share("foo", "org-2", "Y", OF_Y), ["namespace_not_owned"]),
    ("granted", lambda _: r.Share("foo", "org-2", "Y", OWNER), ["namespace_not_owned"]),
    ("granted", after(shared, ask=lambda _: r.Unshare("foo", "org-2", OF_Y)), ["namespace_not_owned"]),
    ("granted", lambda _: r.HandOver("foo", "org-2", "Y", OF_Y), ["namespace_not_owned"]),
    ("granted", after(child, ask=lambda _: r.HandOver("foo", "org-2", "Y", OF_X)), ["namespace_overlap"]),
    ("granted", after(child, ask=lambda _: r.HandOver("foo-bar", "org-2", "Y", OF_X)), ["namespace_overlap"]),
    ("granted", lambda _: r.EndGrant("foo", OF_Y), ["namespace_not_owned"]),
    ("granted", after(shared, ask=lambda _: r.EndGrant("foo", OF_X)), ["namespace_shared"]),
    ("granted", after(child, ask=lambda _: r.EndGrant("foo", SUPPORT)), ["namespace_has_children"]),
    ("absent", lambda _: r.Assign("foo", "org-1", SUPPORT), ["name_unknown"]),
    ("registered", lambda _: r.Assign("foo", "org-1", OWNER), ["role_insufficient"]),
    ("reserved", after(granted("foo", org="org-2"), ask=renew), ["reservation_not_renewable"]),
    # a new name
    ("absent", lambda _: publishing("json"), ["name_stdlib"]),
    ("registered", lambda _: publishing("f00", actor=STRANGER), ["name_similar"]),
    ("absent", after(*taking(20, publishing), ask=published("1.0")), ["rate_limited"]),
    ("absent", after(*taking(10, lambda name: r.Reserve(name, OWNER)), ask=reserve(OWNER)), ["reservation_quota"]),
    (
        "absent",
        after(*taking(20, lambda name: r.OpenSession(name, OWNER)), ask=lambda _: r.OpenSession("foo", OWNER)),
        ["rate_limited", "reservation_quota"],
    ),
    ("placeholder", after(*taking(19, publishing), ask=lambda b: claim_openly(b, OWNER)), ["rate_limited"]),
    ("registered", lambda _: r.Respell("foo", "FOO", MODERATOR), ["role_insufficient"]),
    ("reserved", lambda _: r.Respell("foo", "FOO", OWNER), ["name_reserved"]),
    # a whole project
    ("absent", unpublish_all, ["name_unknown"]),
    ("placeholder", unpublish_all, ["name_placeholder"]),
    ("quarantined", unpublish_all, ["project_quarantined", "role_insufficient"]),
    ("quarantined 1.0", unpublish_all, ["release_quarantined"]),
    ("quarantined 1.0", lambda b: unpublish(b, actor=OWNER), ["release_quarantined"]),
    ("registered", later(3, unpublish_all), ["unpublish_window_over"]),
    ("registered", lambda _: r.UnpublishProject("foo", BECAUSE), ["facts_missing"]),
    ("placeholder", later(30, restore_all(OWNER)), ["restore_window_over"]),
    ("placeholder", after(purge, ask=restore_all(ADMIN)), ["purged"]),
    ("claimed", restore_all(ADMIN), ["name_reserved"]),
    ("removed", restore_all(ADMIN), ["name_prohibited"]),
    ("registered", lambda _: r.RemoveProject("foo", "malware", BECAUSE, ALONE), ["second_approver_required"]),
    ("registered", lambda _: r.RemoveProject("foo", "malware", BECAUSE, MODERATOR), ["role_insufficient"]),
    ("absent", lambda _: r.RemoveProject("foo", "malware", BECAUSE, ADMIN), ["name_unknown"]),
    # verdicts
    ("absent", lambda _: verdict("quarantine"), ["name_unknown"]),
    ("reserved", lambda _: verdict("remove", ADMIN), ["name_reserved"]),
    ("registered", lambda _: verdict("quarantine", versions=("9", "1.0", "8")), ["release_not_found"] * 2),
    ("registered", lambda _: verdict("ok", OWNER), ["role_insufficient"]),
    ("registered", lambda _: verdict("remove", ALONE), ["second_approver_required"]),
    (
        "registered",
        after(
            published("2.0", b"other"),
            lambda _: verdict("quarantine"),
            ask=lambda _: verdict("ok", ADMIN, versions=("2.0",)),
        ),
        ["takedown_covers_more"],
    ),
    ("removed", after(unprohibit, ask=restore(ADMIN)), ["content_taken_down"]),
    ("registered", lambda _: r.Quarantine("foo", BECAUSE, SYSTEM), ["feature_disabled"]),
    ("registered", lambda b: reported(b, trusted=0), ["too_few_observers"]),
    ("registered", later(1, lambda b: reported(b, observers=1)), ["too_few_observers"]),
    # hands
    ("locked", lambda b: pass_on(b, ADMIN), ["project_locked"]),
    ("locked", pass_on, ["project_locked"]),
    ("quarantined", pass_on, ["project_quarantined"]),
    ("registered", lambda b: pass_on(b, offer_expires_at=stamp(b.now)), ["transfer_offer_over"]),
    (
        "registered",
        lambda b: r.TransferProject("foo", recipient(b, state="suppressed"), OWNER),
        ["recipient_unverified"],
    ),
    ("registered", lambda b: hand_on(b), ["name_taken"]),
    ("reserved", lambda b: r.TransferReservation("foo", recipient(b), OWNER), ["feature_disabled"]),
    ("reserved", lambda b: hand_on(b, STRANGER), ["name_reserved"]),
    ("session", lambda b: hand_on(b), ["session_not_transferable"]),
    ("session", renew, ["reservation_not_renewable"]),
    ("session", reserve(OWNER), ["name_reserved"]),
    ("session", lambda _: r.OpenSession("foo", STRANGER), ["name_reserved"]),
    ("registered", lambda _: r.OpenSession("foo", OWNER), ["name_taken"]),
    ("placeholder", lambda b: claim_openly(b, STRANGER), ["name_placeholder"]),
    ("placeholder", lambda _: r.ClaimOpen("foo", OWNER), ["feature_disabled"]),
    ("registered", after(lambda b: unpublish(b), ask=lambda b: claim_openly(b)), ["needs_support"]),
]


@pytest.mark.parametrize(("state", "ask", "codes"), REFUSED)
def test_a_request_is_refused_for_exactly_this(state: str, ask: Ask, codes: list[str]) -> None:
    book = standing(state)
    assert book.codes(ask(book)) == codes


def test_there_is_a_case_for_every_code_that_decide_knows() -> None:
    rooms = (
        *("brake", "case", "decide", "facts", "files", "limits", "namespaces", "naming", "overlays", "projects"),
        *("publishing", "releases", "standing", "takedowns", "transfers"),
    )
    source = "".join(resources.files("repo_service.domain").joinpath(f"{room}.py").read_text() for room in rooms)
    named = {f"name_{state}" for state in ("placeholder", "prohibited", "vacant")} | {"name_taken"}
    known = named | set(re.findall(r'Why\(\s*"(\w+)"', source)) | {"filename_mismatch", "file_invalid"}
    known |= {question.code for question in (facts.DEPENDENTS, facts.DOWNLOADS, facts.OWNERS)}
    # Never by the standard policy: test_naming.py, test_versions.py, test_projects.py.
    known -= {"name_invalid", "version_full", "confirmation_missing"}
    assert known == {code for _, _, codes in REFUSED for code in codes}


def test_all_reasons_come_at_once() -> None:
    book = standing("quarantined")
    book.tick(days=4)
    stale = r.Unpublish("foo", "1.0", BECAUSE, r.Fact(3, "2026-11-22T10:00:00Z"), OWNER)
    assert book.codes(stale) == ["project_quarantined", "unpublish_window_over", "facts_stale"]
    many = r.Publish(
        "foo", "1.0", (a_file("bar-1.0.tar.gz"), a_file("foo-1.0.tar.gz", b"other"), a_file("foo-1.0.zip")), OWNER
    )
    assert book.codes(many) == [
        "project_quarantined",
        "filename_mismatch",
        "file_exists",
        "artifact_identity_conflict",
    ]


def test_a_reason_names_both_values() -> None:
    book = standing("registered")
    book.tick(hours=80)
    decision = book.decide(unpublish(book, actor=OWNER))
    assert isinstance(decision, Refusal)
    (why,) = decision.reasons
    assert why.sentence == (
        "foo 1.0 was published 80 h ago; an owner can unpublish within 72 h. Yank it, or ask support"
    )
    assert why.params == {"age_s": 80 * 3600, "window_s": 72 * 3600, "until": "2026-11-25T10:00:00Z"}


def test_a_refusal_shows_of_a_holder_what_the_registry_chose_to_show_and_never_the_account() -> None:
    book = standing("reserved")
    decision = book.decide(publishing("foo", actor=STRANGER))
    assert isinstance(decision, Refusal)
    assert "Example Corp" in decision.reasons[0].sentence
    assert "account-1" not in str(decision)
    book = standing("claimed")
    decision = book.decide(r.Reserve("foo", OWNER))
    assert isinstance(decision, Refusal) and "account" not in str(decision)


def test_a_missing_fact_counts_as_no_and_never_as_zero() -> None:
    book = standing("registered")
    assert book.codes(r.Unpublish("foo", "1.0", BECAUSE, None, OWNER)) == ["facts_missing"]
    with pytest.raises(ValueError, match="-1"):
        r.Fact(-1, stamp(book.now))


@pytest.mark.parametrize("display", ["bar", "Foo!", "fo\u00f6", "foo ", ""])
def test_a_name_is_shown_only_as_a_spelling_of_itself(display: str) -> None:
    with pytest.raises(ValueError):
        publishing("foo", display=display)
    with pytest.raises(ValueError):
        r.Reserve("foo", OWNER, display=display)


@pytest.mark.parametrize("digest", ["", "ab", "AB" * 32, "../" * 9, "0" * 65])
def test_a_file_is_named_by_a_whole_sha256(digest: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case hexadecimal digits"):
        r.NewFile("foo-1.0.tar.gz", digest, 1)
    with pytest.raises(ValueError, match="64 lower-case hexadecimal digits"):
        r.NewFile("foo-1.0.tar.gz", "ab" * 32, 1, core_metadata=digest)


def test_nobody_but_the_clock_asks_for_an_expiry() -> None:
    book = standing("reserved")
    book.tick(days=500)
    assert book.codes(r.Expire("foo", ADMIN)) == ["role_insufficient"]
    assert book.codes(r.Expire("foo", CLOCK)) == []
