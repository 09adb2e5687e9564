"""What a registry's programs read: every event once, in order, with the release that signs it, and no account."""

from typing import Any

import pytest

from keys import names
from repo_service.domain import requests as r
from tests.service.door import Door
from tests.world import ADMIN, BECAUSE, OWNER, World, publishing


@pytest.fixture
def door(world: World) -> Door:
    world.do(publishing("foo"), r.Yank("foo", "1.0", BECAUSE, ADMIN))
    world.record(r.Reserve("kept", OWNER, "Example Corp"))
    return Door(world, "admin")


def read(door: Door, path: str) -> Any:
    answer = door.get(path)
    assert answer.status_code == 200, answer.get_data()
    return answer.get_json()


def test_the_feed_has_every_event_once_in_order_with_what_signs_it(door: Door) -> None:
    events = read(door, "/v1/events")["events"]
    assert [event["type"] for event in events] == ["project.created", "release.published", "release.yanked"]
    assert [event["signed_in"] for event in events] == [2, 2, 2]
    door.world.service.round()
    last = read(door, "/v1/events")["events"][-1]
    assert (last["type"], last["signed_in"]) == ("name.reserved", 3)


def test_the_feed_is_read_on_from_where_it_was_left(door: Door) -> None:
    seen, after = [], "0-0"
    for expected in (2, 1, 0):
        part = read(door, f"/v1/events?after={after}&limit=2")
        assert len(part["events"]) == expected
        seen, after = seen + [event["seq"] for event in part["events"]], part["next"]
    assert len(seen) == len(set(seen)) == 3
    door.world.service.round()
    assert [event["name"] for event in read(door, f"/v1/events?after={after}")["events"]] == ["kept"]


def test_no_account_is_in_the_feed_or_a_history(door: Door) -> None:
    for path in ("/v1/events", "/v1/names/kept/history", "/v1/names/foo/history"):
        assert "account" not in door.get(path).get_data(as_text=True)


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1", "after=1-", "limit=1e3", "after=１-0", "after=0-" + "9" * 99]
)
def test_rubbish_in_a_query_is_malformed(door: Door, query: str) -> None:
    assert door.get(f"/v1/events?{query}").get_json()["code"] == "malformed"


def test_a_history_is_one_name_s(door: Door) -> None:
    assert {event["name"] for event in read(door, "/v1/names/Foo/history")["events"]} == {"foo"}
    assert [event["signed_in"] for event in read(door, "/v1/names/kept/history")["events"]] == [None]
    assert door.get("/v1/names/nobody/history").status_code == 404


@pytest.mark.parametrize(
    ("request_", "standing"),
    [
        (None, "free"),
        (publishing("asked"), "taken"),
        (r.Reserve("asked", OWNER, "Example Corp"), "reserved"),
        (r.Prohibit("asked", BECAUSE, ADMIN), "prohibited"),
    ],
)
def test_a_name_says_whether_it_can_be_had(door: Door, request_: r.Request | None, standing: str) -> None:
    if request_ is not None:
        door.world.do(request_)
    answer = read(door, "/v1/names/Asked/availability")
    assert answer["standing"] == standing
    assert (answer["until"] is not None) == (standing == "reserved")
    assert answer["proof"]["target"] == names.page_path("asked")
    assert (answer["proof"]["sha256"] is None) == (standing == "free")


def test_a_held_and_a_removed_name_cannot_be_had(tmp_path: Any) -> None:
    door = Door(World(tmp_path, held=("internal",)), "admin")
    assert read(door, "/v1/names/internal/availability")["standing"] == "held"
    door.world.do(publishing("gone"), r.Unpublish("gone", "1.0", BECAUSE, None, r.Actor("support")))
    assert read(door, "/v1/names/gone/availability")["standing"] == "placeholder"
    door.world.do(r.Reserve("back", OWNER), r.Release("back", OWNER))
    assert read(door, "/v1/names/back/availability")["standing"] == "free"


def ids(door: Door) -> list[str]:
    return [notice["id"] for notice in read(door, "/v1/notices")["notices"]]


def test_the_holder_is_reminded_on_each_day_of_the_policy_and_the_ids_stay_the_same(door: Door) -> None:
    door.world.service.round()
    assert ids(door) == []
    seen = []
    for days in (180 - 42, 42 - 14, 14 - 3, 3):
        door.world.tick(days=days)
        door.world.service.round()
        now = ids(Door(door.world, "admin"))
        assert now[: len(seen)] == seen and len(now) == len(seen) + 1
        seen = now
    assert seen == [f"kept/1/reservation/0/{days}" for days in (42, 14, 3, 0)]
    door.world.tick(days=14)
    door.world.service.round()
    assert ids(Door(door.world, "admin")) == []


def test_owners_are_told_of_a_yank_that_waits_and_of_what_can_still_be_restored(door: Door) -> None:
    door.world.do(publishing("bar"), r.Yank("bar", "1.0", BECAUSE, r.Actor("owner", "account-1")))
    (held,) = read(door, "/v1/notices")["notices"]
    assert held["audience"] == "owners" and "will be yanked at" in held["sentence"]
    door.world.do(r.Unpublish("bar", "1.0", BECAUSE, None, r.Actor("support")))
    (removed,) = read(door, "/v1/notices")["notices"]
    assert "can be restored until" in removed["sentence"]
    assert "account" not in str((held, removed))
