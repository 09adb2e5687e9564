"""Into whose hands a name comes: transfers, upload sessions and placeholders that anybody may claim."""

from dataclasses import replace

from keys.times import stamp
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted
from repo_service.domain.policy import preset
from repo_service.wiring import presets
from tests.domain.book import POLICY, Book
from tests.domain.cases import ADMIN, BECAUSE, SUPPORT, claim_openly, hand_on, pass_on, recipient, standing, unpublish
from tests.world import OWNER, STRANGER, publishing

DAY = 86_400

# Transfers.


def test_a_project_changes_hands_with_its_releases_and_in_its_generation() -> None:
    book = standing("registered")
    before = book.state("foo")
    assert book.do(pass_on(book)) == ["transfer.accepted"]
    after = book.state("foo")
    assert (after.holder_epoch, after.generation, after.releases) == (1, before.generation, before.releases)
    assert "account" not in repr(after)


def test_what_the_old_holder_began_is_cancelled_when_the_project_changes_hands_and_both_are_told() -> None:
    """Edge case 26."""
    book = standing("registered")
    book.do(r.Yank("foo", "1.0", BECAUSE, r.Actor("owner", "account-1")))
    decision = book.decide(pass_on(book))
    assert isinstance(decision, Accepted)
    assert [(each.code, "its old and its new holder" in each.detail) for each in decision.warnings] == [
        ("pending_yank_cancelled", True)
    ]
    assert book.do(pass_on(book)) == ["transfer.accepted", "release.yank_cancelled"]
    book.tick(days=2)
    assert book.do(r.YankDue("foo", "1.0")) == []


def test_an_offer_is_accepted_until_the_second_before_it_ends() -> None:
    """Edge case 62."""
    book = standing("registered")
    until = stamp(book.now)
    book.tick(seconds=-1)
    assert book.codes(pass_on(book, offer_expires_at=until)) == []
    book.tick(seconds=1)
    assert book.codes(pass_on(book, offer_expires_at=until)) == ["transfer_offer_over"]


def test_nothing_passes_to_an_account_whose_contact_is_not_verified_now() -> None:
    """Edge case 62, and whatever phase the rule about an actor's own contact is in."""
    for state, age, refused in (
        ("verified", 0, []),
        ("verified", DAY, []),
        ("verified", DAY + 1, ["recipient_unverified"]),
        ("unverified", 0, ["recipient_unverified"]),
        ("suppressed", 0, ["recipient_unverified"]),
    ):
        book = standing("registered")
        asked = r.TransferProject("foo", recipient(book, state=state), OWNER)
        book.tick(seconds=age)
        assert book.codes(asked) == refused


def test_a_reservation_passes_to_a_new_generation_and_keeps_its_end() -> None:
    book = standing("reserved")
    before = book.state("foo").reservation
    assert before is not None
    assert book.do(hand_on(book)) == ["reservation.transferred"]
    state = book.state("foo")
    assert state.generation == 2 and book.names["foo"].holder == "account-4"
    assert state.reservation == replace(before, holder="Heir Ltd")
    assert book.codes(r.Renew("foo", OWNER)) == ["name_reserved"]
    assert book.do(hand_on(book)) == []
    book.do(publishing("foo", actor=r.Actor("owner", "account-4")))


def test_who_lost_every_owner_is_locked_by_the_registry_until_an_admin_unlocks_it() -> None:
    """Edge case 27: no orphan with open rights."""
    book = standing("registered")
    book.do(r.Lock("foo", replace(BECAUSE, code="orphaned"), r.Actor("system")))
    assert book.codes(publishing("foo", "2.0")) == ["project_locked"]
    assert book.codes(pass_on(book, SUPPORT)) == ["project_locked"]
    book.do(r.Unlock("foo", BECAUSE, ADMIN), pass_on(book, SUPPORT))
    assert book.state("foo").holder_epoch == 1


def test_where_holders_are_not_shown_no_page_says_who_holds_a_name() -> None:
    book = Book()
    book.policy = replace(POLICY, reservations=replace(POLICY.reservations, show_holder=False))
    book.do(r.Reserve("foo", OWNER, holder="Example Corp"))
    assert "Example Corp" not in repr(book.state("foo"))


# Upload sessions (PEP 694).


def test_a_second_session_for_a_name_is_refused_until_the_first_is_cancelled_and_no_generation_shows_it() -> None:
    """Edge case 11."""
    book = standing("session")
    assert book.codes(r.OpenSession("foo", STRANGER)) == ["name_reserved"]
    assert book.do(r.Release("foo", OWNER)) == ["session.cancelled"]
    assert book.do(r.OpenSession("foo", STRANGER)) == ["session.opened"]
    book.do(publishing("foo", actor=STRANGER))
    assert (book.state("foo").state, book.state("foo").generation) == ("registered", 1)


def test_a_session_on_a_name_that_somebody_held_begins_one_generation_however_often_it_is_given_up() -> None:
    book = standing("vacant")
    for _ in range(3):
        book.do(r.OpenSession("foo", OWNER), r.Release("foo", OWNER))
    book.do(r.Reserve("foo", STRANGER))
    assert book.state("foo").generation == 2
    book.do(r.Release("foo", STRANGER), r.Reserve("foo", OWNER))
    assert book.state("foo").generation == 3


def test_a_session_ends_without_grace_to_the_second() -> None:
    for seconds, expected in ((7 * DAY - 1, []), (7 * DAY, ["session.expired"])):
        book = standing("session")
        book.tick(seconds=seconds)
        assert book.do(r.Expire("foo")) == expected


def test_a_session_is_of_its_account_and_becomes_the_project() -> None:
    book = standing("session")
    assert book.codes(publishing("foo", actor=STRANGER)) == ["name_reserved"]
    assert book.do(r.OpenSession("foo", OWNER)) == []
    assert book.do(publishing("foo")) == ["reservation.converted", "release.published"]


def test_a_session_keeps_a_name_where_accounts_reserve_none_and_only_where_sessions_keep_names() -> None:
    book = Book()
    book.policy = preset("pypi", presets())
    verified = replace(OWNER, contact=r.Contact("verified", stamp(book.now)))
    assert book.codes(r.Reserve("foo", verified)) == ["feature_disabled"]
    assert book.codes(r.OpenSession("foo", verified)) == []
    book.policy = replace(POLICY, reservations=replace(POLICY.reservations, session_days=0))
    assert book.codes(r.OpenSession("foo", OWNER)) == ["feature_disabled"]


# Placeholders that are open to claims.


def test_an_open_placeholder_is_its_last_holders_for_a_time_and_anybodys_from_the_second_after() -> None:
    def asked(seconds: int) -> tuple[list[str], list[str]]:
        book = standing("registered")
        book.do(unpublish(book, actor=OWNER))
        book.tick(seconds=seconds)
        return book.codes(claim_openly(book, OWNER)), book.codes(claim_openly(book, STRANGER))

    assert asked(0) == ([], ["name_placeholder"])
    assert asked(DAY - 1) == ([], ["name_placeholder"])
    assert asked(DAY) == ([], [])


def test_who_took_a_project_over_is_its_last_holder() -> None:
    book = standing("registered")
    book.do(pass_on(book, SUPPORT), unpublish(book, actor=r.Actor("owner")))
    assert book.codes(claim_openly(book, OWNER)) == ["name_placeholder"]
    assert book.codes(claim_openly(book, STRANGER)) == []


def test_an_open_claim_begins_a_generation_and_ends_in_the_placeholder_again() -> None:
    """Edge cases 4 and 5, for claims that nobody has to grant."""
    book = standing("placeholder")
    book.tick(days=1)
    assert book.do(claim_openly(book, STRANGER)) == ["placeholder.claimed_open"]
    assert (book.state("foo").state, book.state("foo").generation) == ("reserved", 2)
    assert "version_tombstoned" in book.codes(publishing("foo", "v1.0", actor=STRANGER))
    book.tick(days=194)
    book.do(r.Expire("foo"))
    assert (book.state("foo").state, book.state("foo").generation) == ("placeholder", 2)
    assert book.codes(claim_openly(book, OWNER)) == ["name_placeholder"]
    book.tick(days=1)
    book.do(claim_openly(book, OWNER))
    assert book.state("foo").generation == 3


def test_what_moderators_emptied_is_never_open_to_claims_whoever_held_it_since() -> None:
    book = standing("registered")
    book.do(unpublish(book, actor=ADMIN), r.Claim("foo", "case-7", "account-2", SUPPORT))
    book.tick(days=500)
    book.do(r.Expire("foo"))
    book.tick(days=500)
    assert book.codes(claim_openly(book, STRANGER)) == ["needs_support"]
    lifted = standing("placeholder")
    lifted.do(r.Prohibit("foo", BECAUSE, ADMIN), r.Unprohibit("foo", BECAUSE, ADMIN))
    assert lifted.codes(claim_openly(lifted, OWNER)) == ["needs_support"]


def test_a_refusal_says_from_when_a_placeholder_can_be_claimed_or_that_support_grants_it() -> None:
    book = standing("placeholder")
    assert "support grants" in str(book.decide(r.Reserve("foo", STRANGER)))
    claim_openly(book)
    assert "claimed from 2026-11-23T10:00:00Z on" in str(book.decide(r.Reserve("foo", STRANGER)))


def test_names_that_are_kept_count_together_however_they_are_kept() -> None:
    book = standing("placeholder")
    for number in range(20):
        book.tick(hours=1)
        book.do((r.OpenSession if number % 2 else r.Reserve)(f"x{number}y", OWNER))
        if number == 8:
            book.tick(hours=24)  # ten reservations a day
    assert book.codes(r.OpenSession("another", OWNER)) == ["reservation_quota"]
    assert book.codes(claim_openly(book)) == ["reservation_quota"]
