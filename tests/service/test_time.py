"""What time does by itself, through the journal: in batches, after downtime, and never before somebody could know."""

from typing import Any, Final

import pytest

from keys.state import NameState
from repo_service.accepting import intake, sweeping
from repo_service.accepting.sweeping import SWEPT
from repo_service.domain import requests as r
from tests.domain.cases import WHEEL, a_file
from tests.service.door import Door
from tests.world import ADMIN, BECAUSE, OWNER, STRANGER, World, publishing

DAY: Final = 86_400


def state(world: World, name: str = "foo") -> NameState:
    with world.service.journal.reading() as view:
        found = view.name(name).state
    assert found is not None
    return found


def rounds(world: World, days: int) -> None:
    """A service that is up: a round a day."""
    for _ in range(days):
        world.tick(days=1)
        world.service.round()


def notices(door: Door) -> list[str]:
    return [each["id"] for each in door.get("/v1/notices").get_json()["notices"]]


# Releases close.


def test_the_clock_closes_a_release_when_its_window_is_over_and_every_client_sees_since_when(world: World) -> None:
    """Machine C1."""
    world.do(publishing("foo"))
    world.tick(days=14, seconds=-1)
    world.service.round()
    assert state(world).releases[0].closed is None
    world.tick(seconds=1)
    world.service.round()
    closed = world.client().page("foo").state.releases[0].closed
    assert closed is not None and (closed.at, closed.by) == ("2026-12-06T10:00:00Z", "clock")
    with pytest.raises(intake.Refused, match="takes no new files since"):
        world.record(r.Publish("foo", "1.0", (a_file(WHEEL),), OWNER))


def test_before_the_sweep_an_owner_is_refused_by_the_date_alone(world: World) -> None:
    """Edge case 47: a file lands before the boundary or not at all."""
    world.do(publishing("foo"))
    world.tick(days=14)
    with pytest.raises(intake.Refused, match="took new files until 2026-12-06T10:00:00Z"):
        world.record(r.Publish("foo", "1.0", (a_file(WHEEL),), OWNER))


def test_thousands_of_old_releases_close_in_batches_and_in_one_snapshot(world: World) -> None:
    many = [publishing(f"old-{number}", actor=r.Actor("system")) for number in range(SWEPT + 20)]
    for request in (*many, *(publishing("foo", f"{number}.0") for number in range(1, 30))):
        world.record(request)
    first = world.service.round()
    world.tick(days=14)
    closed = world.service.round()
    assert first is not None and closed is not None and closed.generation == first.generation + 1
    assert all(each.closed for name in ("foo", "old-0", f"old-{SWEPT + 19}") for each in state(world, name).releases)
    assert sweeping.sweep(world.service.journal, world.now) == 0


def test_the_registry_brings_old_files_one_by_one_although_the_first_has_closed_the_release(world: World) -> None:
    system, old = r.Actor("system"), "2015-05-05T05:05:05Z"
    world.do(r.Publish("foo", "1.0", (a_file("foo-1.0.tar.gz", uploaded_at=old),), system))
    world.service.round()
    assert state(world).releases[0].closed is not None
    world.do(r.Publish("foo", "1.0", (a_file(WHEEL, uploaded_at=old),), system))
    assert len(world.client().page("foo").state.releases[0].files) == 2
    world.tick(seconds=1)
    with pytest.raises(intake.Refused, match="takes no new files"):
        world.record(r.Publish("foo", "1.0", (a_file("foo-1.0-1-py3-none-any.whl"),), system))
    with pytest.raises(intake.Refused, match="takes no new files"):
        world.record(r.Publish("foo", "1.0", (a_file("foo-1.0-1-py3-none-any.whl", uploaded_at=old),), OWNER))


# Reservations end.


def test_a_renewal_in_the_second_of_the_end_is_grace_and_in_the_second_after_grace_too_late(
    world: World,
) -> None:
    """Edge cases 6 and 7: refused, and the name is nobody else's until the event."""
    world.do(r.Reserve("foo", OWNER))
    rounds(world, 180)
    with pytest.raises(intake.Refused, match="is reserved"):
        world.record(r.Reserve("foo", STRANGER))
    assert intake.preview(world.service.journal, intake.Item(r.Renew("foo", OWNER)), world.now).outcome == "allow"
    world.tick(days=14)
    with pytest.raises(intake.Refused, match="ended on 2027-06-04T10:00:00Z"):
        world.record(r.Renew("foo", OWNER))
    with pytest.raises(intake.Refused, match="is reserved"):
        world.record(r.Reserve("foo", STRANGER))
    world.service.round()
    assert world.record(r.Reserve("foo", STRANGER)).events == 1


@pytest.mark.parametrize("down", [21, 100])
def test_after_downtime_nobody_loses_a_name_without_having_been_told(world: World, down: int) -> None:
    """Edge case 8: the end is as much later as the last reminder came late."""
    world.do(r.Reserve("foo", OWNER), r.Reserve("bar", STRANGER))
    rounds(world, 179)
    world.tick(days=down)
    world.service.round()
    assert "foo/1/reservation/0/0" in notices(Door(world))
    assert state(world).state == "reserved"
    world.tick(days=14, seconds=-1)
    world.service.round()
    assert world.record(r.Renew("bar", STRANGER)).events == 1
    assert state(world).state == "reserved"
    world.tick(seconds=1)
    world.service.round()
    assert (state(world).state, state(world, "bar").state) == ("vacant", "reserved")


def test_a_reminder_that_was_sent_late_leaves_its_holder_the_whole_grace(world: World) -> None:
    world.do(r.Reserve("foo", OWNER))
    rounds(world, 187)
    door = Door(world)
    said = door.post("/v1/notices/sent", {"id": "foo/1/reservation/0/0"})
    assert (said.status_code, said.get_json()["at"]) == (200, "2027-05-28T10:00:00Z")
    rounds(world, 13)
    assert state(world).state == "reserved"
    rounds(world, 1)
    assert state(world).state == "vacant"


def test_a_contact_that_bounces_is_recorded_gets_no_second_reminder_and_the_end_is_by_rule(world: World) -> None:
    """Edge case 57."""
    world.do(r.Reserve("foo", OWNER))
    rounds(world, 180)
    door = Door(world, "registry")
    listed = notices(door)
    assert listed == [f"foo/1/reservation/0/{days}" for days in (42, 14, 3, 0)]
    for identifier, outcome in zip(listed, ("sent", "failed", "failed", "failed"), strict=True):
        assert door.post(f"/v1/notices/{outcome}", {"id": identifier}).get_json()["outcome"] == outcome
    assert notices(door) == []
    assert b"failed" not in door.get("/v1/events").data
    world.tick(days=14)
    world.service.round()
    assert state(world).state == "vacant"


def test_a_notice_is_acknowledged_once_and_what_was_said_first_stays_unless_it_was_sent_after_all(world: World) -> None:
    world.do(r.Reserve("foo", OWNER))
    rounds(world, 138)
    door, body = Door(world), {"id": "foo/1/reservation/0/42"}
    first = door.post("/v1/notices/failed", body).get_json()
    world.tick(hours=1)
    assert door.post("/v1/notices/failed", body).get_json() == first
    assert door.post("/v1/notices/sent", body).get_json()["at"] != first["at"]
    for wrong in ("foo/1/reservation/0/14", "bar/1/reservation/0/42", "foo"):
        answer = door.post("/v1/notices/sent", {"id": wrong})
        assert (answer.status_code, answer.get_json()["code"]) == (404, "notice_unknown")
    assert door.post("/v1/notices/read", body).status_code == 404


def test_a_token_for_some_names_acknowledges_their_notices_alone(world: World) -> None:
    world.do(r.Reserve("foo", OWNER))
    rounds(world, 138)
    door, body = Door(world), {"id": "foo/1/reservation/0/42"}
    answer = door.post("/v1/notices/sent", body, token=door.new_token("registry", names=("bar",)))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "caveat_project")
    assert door.post("/v1/notices/sent", body, token=door.new_token("registry", names=("foo",))).status_code == 200


# An account that may hold nothing any more.


def banned(door: Door, key: str = "ban", **more: Any) -> Any:
    body = {"reason": {"code": "banned"}, "actor": {"kind": "moderator", "id": "account-6"}, **more}
    return door.post("/v1/holders/account-1/revoke", body, key=key)


def test_all_reservations_of_a_banned_account_end_at_once_and_its_projects_go_on(world: World) -> None:
    """Edge case 9; a ban that is lifted brings nothing back."""
    world.do(*(r.Reserve(name, OWNER) for name in ("one", "two")), r.OpenSession("three", OWNER))
    world.do(r.Reserve("theirs", STRANGER), publishing("foo"))
    door = Door(world, "moderator")
    answer = banned(door)
    assert (answer.status_code, [each["name"] for each in answer.get_json()["items"]]) == (200, ["one", "three", "two"])
    assert {state(world, name).state for name in ("one", "two", "three")} == {"vacant"}
    assert (state(world, "theirs").state, state(world).state) == ("reserved", "registered")
    again = [each["change"] for each in banned(door).get_json()["items"]]
    assert again == [each["change"] for each in answer.get_json()["items"]]
    assert banned(door, key="other").get_json() == {"items": []}
    assert banned(door, reason={"code": "abuse"}).get_json()["code"] == "idempotency_key_reused"


def test_either_all_reservations_of_an_account_end_or_none(world: World) -> None:
    world.do(*(r.Reserve(name, OWNER) for name in ("one", "two")))
    answer = banned(Door(world, "admin"), actor={"kind": "owner", "id": "account-1"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "role_insufficient")
    assert {state(world, name).state for name in ("one", "two")} == {"reserved"}
    (attempt,) = Door(world, "auditor").get("/v1/refusals").get_json()["refusals"]
    assert (attempt["refusal"], attempt["verb"]) == (answer.get_json()["refusal"], "revoke")


def test_a_policy_that_gives_more_time_is_followed_and_nobody_is_asked_again_before(world: World) -> None:
    world.do(publishing("foo"), r.Unpublish("foo", "1.0", BECAUSE, None, ADMIN))
    longer = world.service.folder / "policy.toml"
    longer.write_text(
        'extends = "standard"\nname = "longer"\nversion = 1\nemergency = "x"\n[restore]\nwindow_s = 8640000\n'
        "purge_after_s = 8640000\n"
    )
    world.service.announce(world.service.named_policy("policy.toml"), ("admin-1", "admin-2"))
    world.tick(days=30)
    assert sweeping.sweep(world.service.journal, world.now) == 0
    with world.service.journal.reading() as view:
        assert view.due(world.now) == []
    world.tick(days=70)
    assert sweeping.sweep(world.service.journal, world.now) == 1
