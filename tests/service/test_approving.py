"""Two admins bring a held yank into force, one cancels it; and what each of them is told where it is not so."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from client_verify.answers import Found
from keys.state import Reason
from keys.times import stamp
from repo_service.accepting import approving, halting
from repo_service.accepting.approving import ApprovedAlready, Hold, NotHeld, TokenGone
from repo_service.accepting.turned_away import PreviewStale, Refused, SerialMoved
from repo_service.domain import requests as r
from repo_service.domain.flags import SetFlag
from repo_service.storage.approvals import Approval
from repo_service.storage.requestreading import ChangeRecord
from repo_service.storage.searching import Search
from repo_service.storage.tokens import Token
from repo_service.web.auth import new_token
from tests.world import BECAUSE, World, publishing

ALONE = r.Actor("owner", "account-1")


@pytest.fixture
def world(world: World) -> World:
    """``foo`` has one release, and its yank waits."""
    world.do(publishing("foo"), r.Yank("foo", "1.0", BECAUSE, ALONE))
    return world


def admin(world: World, client: str, days: float = 30) -> Token:
    _, token = new_token("admin", client, stamp(world.now + timedelta(days=days)))
    with world.service.journal.writing() as pen:
        pen.add_token(token)
    return token


def held(world: World) -> Hold:
    with world.service.journal.reading_with(Search) as view:
        (found,) = approving.holds(view, world.now)
    return found


def waits(world: World) -> bool:
    with world.service.journal.reading_with(Search) as view:
        return approving.hold(view, "foo", "1.0", world.now) is not None


def approve(world: World, by: Token, hold: Hold | None = None) -> ChangeRecord | Approval:
    return approving.approve(world.service.journal, (hold or held(world)).seen, by, world.now)


def test_what_waits_is_listed_with_what_the_brake_said_and_what_approving_would_do(world: World) -> None:
    found = held(world)
    assert (found.name, found.version, found.held.mark.by, found.would.outcome) == ("foo", "1.0", "owner", "allow")
    assert "last release of foo" in (found.why or "") and found.approvals == ()


def test_the_second_admin_makes_it_true_as_one_change_that_names_both_and_clients_see_it(world: World) -> None:
    first, second = admin(world, "ada"), admin(world, "grace")
    assert isinstance(approve(world, first), Approval) and waits(world)
    assert [each.admin for each in held(world).approvals] == ["ada"]
    done = approve(world, second)
    assert isinstance(done, ChangeRecord) and done.events == 1
    with world.service.journal.reading() as view:
        event = view.events("foo")[-1]
        state = view.name("foo").state
    assert (event.by, event.actor, event.approver) == ("admin", "client:ada", "client:grace")
    assert state is not None and state.releases[0].yank is not None and state.releases[0].yank.kind == "owner"
    world.service.round()
    seen = world.client().page("foo")
    assert isinstance(seen, Found) and [bool(each.yank) for each in seen.state.releases] == [True]
    assert not waits(world)


def test_the_same_admin_twice_is_one_admin_also_with_another_token(world: World) -> None:
    first, again = admin(world, "ada"), admin(world, "ada")
    approve(world, first)
    for token in (first, again):
        with pytest.raises(ApprovedAlready, match="another admin"):
            approve(world, token)
    assert waits(world)


def test_who_saw_another_serial_approves_nothing_and_their_word_does_not_count_later(world: World) -> None:
    first, second = admin(world, "ada"), admin(world, "grace")
    seen = held(world)
    approve(world, first)
    world.do(publishing("foo", "2.0"))
    with pytest.raises(SerialMoved):
        approve(world, second, seen)
    assert isinstance(approve(world, second), Approval), "the first one saw another state of the name"
    assert waits(world)
    assert isinstance(approve(world, first), ChangeRecord)


def test_who_saw_something_else_follow_from_it_approves_nothing(world: World) -> None:
    seen = replace(held(world).seen, digest="0" * 64)
    with pytest.raises(PreviewStale):
        approving.approve(world.service.journal, seen, admin(world, "ada"), world.now)
    assert held(world).approvals == ()


def test_an_approval_counts_for_an_hour_and_not_a_second_longer(world: World) -> None:
    first, second = admin(world, "ada"), admin(world, "grace")
    approve(world, first)
    world.tick(hours=1)
    assert held(world).approvals == ()
    assert isinstance(approve(world, second), Approval) and waits(world)
    world.tick(seconds=3599)
    assert isinstance(approve(world, first), ChangeRecord)


def revoke(world: World, token: Token) -> None:
    with world.service.journal.writing() as pen:
        pen.revoke_token(token.id, world.now)


def test_the_word_of_somebody_whose_token_was_revoked_since_does_not_count(world: World) -> None:
    first, second = admin(world, "ada"), admin(world, "grace")
    approve(world, first)
    revoke(world, first)
    assert isinstance(approve(world, second), Approval) and waits(world)


@pytest.mark.parametrize("act", [approving.approve, approving.cancel])
def test_who_was_revoked_since_the_page_was_opened_does_nothing(world: World, act: Callable[..., object]) -> None:
    one = admin(world, "ada")
    seen = held(world).seen
    revoke(world, one)
    with pytest.raises(TokenGone):
        act(world.service.journal, seen, one, world.now)
    assert waits(world) and held(world).approvals == ()


def test_one_admin_cancels_and_then_there_is_nothing_to_approve(world: World) -> None:
    first, second = admin(world, "ada"), admin(world, "grace")
    seen = held(world)
    approve(world, first)
    approving.cancel(world.service.journal, seen.seen, second, world.now)
    assert not waits(world)
    for act in (approving.approve, approving.cancel):
        with pytest.raises(SerialMoved):
            act(world.service.journal, seen.seen, first, world.now)
    with world.service.journal.reading_with(Search) as view:
        assert view.approvals("foo", "1.0") == [], "what was approved is gone with the yank that it was about"


def test_cancelling_never_lifts_a_yank_that_is_in_force(world: World) -> None:
    one, seen = admin(world, "ada"), held(world).seen
    world.tick(days=1)
    world.service.round()
    with pytest.raises(NotHeld):
        approving.cancel(world.service.journal, replace(seen, serial=world.serial("foo")), one, world.now)


def test_of_two_at_the_same_moment_one_is_the_first_and_the_other_makes_it_true(world: World) -> None:
    both, seen = [admin(world, "ada"), admin(world, "grace")], held(world)
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda one: approve(world, one, seen), both))
    assert sorted(type(each).__name__ for each in said) == ["Approval", "ChangeRecord"] and not waits(world)


def test_while_the_registry_is_read_only_nothing_is_approved_and_the_attempt_is_remembered(world: World) -> None:
    one = admin(world, "ada")
    halting.set_flag(world.service.journal, SetFlag("read_only", Reason("restore")), "tests", None, world.now)
    with pytest.raises(Refused, match="read-only"):
        approve(world, one)
    with world.service.journal.reading() as view:
        assert [each.verb for each in view.refusals("foo", None, 9)] == ["approve"]
