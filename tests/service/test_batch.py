"""Several changes in one call: in order, all or none, and nobody may do in a batch what they may not do alone."""

from typing import Any

import pytest

from tests.service.door import Door, publication
from tests.world import World, publishing

WHY = {"reason": {"code": "broken", "text": "does not start"}, "actor": {"id": "a", "approver": "b"}}


@pytest.fixture
def door(world: World) -> Door:
    world.do(publishing("foo"), publishing("bar"))
    return Door(world, "admin")


def yank(name: str, version: str = "1.0") -> dict[str, Any]:
    return {"verb": "yank", "name": name, "version": version, **WHY}


def events(door: Door) -> int:
    with door.world.service.journal.reading() as view:
        return view.counts()["events"]


def test_everything_in_a_batch_is_done_in_order_in_one_call(door: Door) -> None:
    items = [
        yank("foo"),
        {"verb": "publish", "name": "baz", "version": "1.0", **publication("baz")},
        {"verb": "deprecate", "name": "baz", "reason": {"code": "moved"}, "alternative": "foo"},
        {"verb": "reserve", "name": "kept", "actor": {"id": "account-1"}},
    ]
    answer = door.post("/v1/batch", {"items": items})
    assert answer.status_code in (200, 202), answer.get_json()
    assert [item["name"] for item in answer.get_json()["items"]] == ["foo", "baz", "baz", "kept"]
    door.world.service.round()
    state = door.world.client().page("baz").state
    assert state.deprecated is not None and state.deprecated.alternative == "foo"


def test_one_refusal_leaves_nothing_of_the_whole_and_says_which_it_is(door: Door) -> None:
    before = events(door)
    answer = door.post("/v1/batch", {"items": [yank("foo"), yank("bar"), yank("foo", "9.0")]})
    assert answer.status_code == 404
    assert (answer.get_json()["item"], answer.get_json()["code"]) == (2, "release_not_found")
    assert events(door) == before


def test_the_same_batch_again_is_answered_the_same_and_done_once(door: Door) -> None:
    body = {"items": [yank("foo"), yank("bar")]}
    first = door.post("/v1/batch", body, key="batch-1").get_json()["items"]
    made = events(door)
    again = door.post("/v1/batch", body, key="batch-1").get_json()["items"]
    assert [item["change"] for item in again] == [item["change"] for item in first] and events(door) == made
    more = {"verb": "reserve", "name": "kept", "actor": {"id": "account-1"}}
    for items in ([yank("bar"), yank("foo")], [yank("foo")], [yank("foo"), yank("bar"), more]):
        other = door.post("/v1/batch", {"items": items}, key="batch-1")
        assert other.get_json()["code"] == "idempotency_key_reused"
    assert events(door) == made


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"items": {}},
        {"items": [1]},
        {"items": [{"verb": "yank"}]},
        {"items": [{"name": "foo", "verb": "yank"}]},
        {"items": [{"name": "foo", "version": "1.0", "verb": ["yank"]}]},
        {"items": [{**yank("foo"), "more": 1}]},
        {"items": [yank("foo")] * 1001},
        {"items": [yank("foo")], "mode": "some"},
        {"items": [yank("foo")], "mode": ["all"]},
        {"items": [yank("foo")], "made": "each"},
        {"items": [{**yank("foo"), "expected_serial": "2"}]},
        {"items": [{**yank("foo"), "expected_serial": -1}]},
        {"items": [{**yank("foo"), "expected_serial": True}]},
    ],
)
def test_what_is_no_batch_is_malformed_and_writes_nothing(door: Door, body: Any) -> None:
    before = events(door)
    answer = door.post("/v1/batch", body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "malformed")
    assert events(door) == before


def test_an_item_names_where_it_is_wrong(door: Door) -> None:
    answer = door.post("/v1/batch", {"items": [yank("foo"), {**yank("bar"), "reason": {"code": "A B"}}]})
    assert "items[1].reason" in answer.get_json()["detail"]


def test_a_batch_is_no_way_round_a_role_or_a_scope(door: Door) -> None:
    prohibit = {"verb": "prohibit", "name": "foo", "reason": {"code": "x"}, "actor": {"kind": "admin"}}
    moderator = Door(door.world, "moderator")
    assert moderator.post("/v1/batch", {"items": [prohibit]}).get_json()["code"] == "role_insufficient"
    for scope, code in (({"actions": ("unyank",)}, "caveat_action"), ({"names": ("bar",)}, "caveat_project")):
        token = door.new_token("registry", **scope)
        before = events(door)
        answer = door.post("/v1/batch", {"items": [yank("foo")]}, token=token)
        assert (answer.status_code, answer.get_json()["code"]) == (403, code)
        assert events(door) == before
    allowed = door.new_token("registry", actions=("yank",), names=("foo",))
    assert door.post("/v1/batch", {"items": [yank("foo")]}, token=allowed).status_code in (200, 202)
    assert door.post("/v1/batch", {"items": [yank("foo"), yank("bar")]}, token=allowed).status_code == 403


# Each on its own.


def test_each_change_of_a_batch_is_done_or_turned_away_by_itself_in_order(door: Door) -> None:
    items = [yank("foo"), yank("foo", "9.0"), {"verb": "archive", "name": "bar"}, {"verb": "archive", "name": "nobody"}]
    answer = door.post("/v1/batch", {"mode": "each", "items": items})
    found = answer.get_json()
    assert (answer.status_code, found["done"], found["turned_away"]) == (207, 2, 2)
    assert [[*row] for row in found["items"]] == [["receipt"], ["problem"], ["receipt"], ["problem"]]
    assert [found["items"][row]["receipt"]["name"] for row in (0, 2)] == ["foo", "bar"]
    problems = [found["items"][row]["problem"] for row in (1, 3)]
    assert [(each["status"], each["code"]) for each in problems] == [(404, "release_not_found"), (404, "name_unknown")]
    assert problems[0]["reasons"] and problems[0]["detail"].endswith("Nothing was written.")


def test_a_batch_of_which_each_was_done_is_no_multi_status(door: Door) -> None:
    assert door.post("/v1/batch", {"mode": "each", "items": [yank("foo"), yank("bar")]}).status_code == 200


def test_a_batch_sent_again_is_answered_what_was_done_and_tries_what_was_not(door: Door) -> None:
    body = {"mode": "each", "items": [yank("foo"), yank("foo", "2.0"), yank("bar")]}
    first = door.post("/v1/batch", body, key="once").get_json()
    made = events(door)
    assert door.post("/v1/batch", body, key="once").get_json()["items"][0] == first["items"][0]
    assert events(door) == made
    door.publish("foo", "2.0")
    again = door.post("/v1/batch", body, key="once")
    rows = again.get_json()["items"]
    assert (again.status_code, rows[0], rows[2]) == (200, first["items"][0], first["items"][2])
    assert rows[1]["receipt"]["changed"]


def test_another_change_in_the_place_of_one_that_was_done_is_turned_away(door: Door) -> None:
    door.post("/v1/batch", {"mode": "each", "items": [yank("foo"), yank("bar")]}, key="once")
    answer = door.post(
        "/v1/batch", {"mode": "each", "items": [yank("foo"), {"verb": "archive", "name": "bar"}]}, key="once"
    )
    assert answer.get_json()["items"][1]["problem"]["code"] == "idempotency_key_reused"
    assert [*answer.get_json()["items"][0]] == ["receipt"]


@pytest.mark.parametrize("mode", ["all", "each"])
def test_what_the_door_turns_away_turns_the_whole_batch_away(door: Door, mode: str) -> None:
    before = events(door)
    lost = {"filename": "foo-3.0.tar.gz", "sha256": "ab" * 32, "size": 1}
    for item in (
        {"verb": "publish", "name": "foo", "version": "3.0", "files": [lost]},
        {"verb": "yankk", "name": "foo"},
    ):
        answer = door.post("/v1/batch", {"mode": mode, "items": [yank("foo"), item]})
        assert answer.status_code == 422
    assert events(door) == before


# The serials that its sender saw.


def lock(name: str, seen: int | None, verb: str = "lock") -> dict[str, Any]:
    """As it is sent: ``post`` adds no serial to what has one, even if it is null."""
    because = {"actor": {"kind": "admin"}, "reason": {"code": "abuse"}}
    return {"verb": verb, "name": name, "expected_serial": seen, **because}


def test_an_item_says_the_serial_that_its_sender_saw_before_the_batch(door: Door) -> None:
    items = [lock("foo", 2), lock("bar", 2), lock("foo", 2, "unlock"), lock("new", 0, "quarantine")]
    answer = door.post("/v1/batch", {"mode": "each", "items": items}).get_json()
    assert [[*row] for row in answer["items"]] == [["receipt"]] * 3 + [["problem"]]
    assert answer["items"][3]["problem"]["code"] == "name_unknown"
    assert (door.serial("foo"), door.serial("bar")) == (4, 3)
    again = door.post("/v1/batch", {"items": [lock("foo", 4), lock("foo", 4, "unlock"), lock("foo", 4)]})
    assert again.status_code == 200 and door.serial("foo") == 7


@pytest.mark.parametrize("mode", ["all", "each"])
def test_an_item_about_what_its_sender_did_not_see_is_turned_away(door: Door, mode: str) -> None:
    for seen, status, code in ((1, 412, "serial_mismatch"), (None, 428, "precondition_required")):
        before = events(door)
        answer = door.post(
            "/v1/batch", {"mode": mode, "items": [{"verb": "unarchive", "name": "bar"}, lock("foo", seen)]}
        )
        problem = answer.get_json()["items"][1]["problem"] if mode == "each" else answer.get_json()
        assert (problem["status"], problem["code"]) == (status, code)
        assert mode == "each" or (answer.status_code, problem["item"]) == (status, 1)
        assert events(door) == before


def test_a_batch_half_done_can_be_sent_again_with_the_serials_it_had(door: Door) -> None:
    """The answer was lost: what was done moved the names, and that is no reason to turn the rest away."""
    whole = [lock("foo", 2), lock("foo", 2, "unlock"), lock("bar", 2)]
    door.post("/v1/batch", {"mode": "each", "items": whole[:1]}, key="once")
    answer = door.post("/v1/batch", {"mode": "each", "items": whole}, key="once")
    assert (answer.status_code, answer.get_json()["done"]) == (200, 3)
    assert (door.serial("foo"), door.serial("bar")) == (4, 3)


# Previews.


def test_a_batch_s_preview_says_of_each_what_it_would_do_after_those_before_it(door: Door) -> None:
    items = [
        {"verb": "reserve", "name": "kept", "actor": {"id": "account-1"}},
        {"verb": "publish", "name": "kept", "version": "1.0", **publication("kept")},
        {"verb": "reserve", "name": "kept", "actor": {"id": "account-2"}},
        lock("foo", 1),
        yank("bar", "9.0"),
        lock("bar", 2),
        lock("bar", 2, "unlock"),
    ]
    before = events(door)
    answer = door.post("/v1/batch?dry_run=true", {"items": items})
    found = answer.get_json()
    assert (answer.status_code, found["allowed"], found["turned_away"]) == (200, 4, 3)
    assert found["items"][3]["problem"]["code"] == "serial_mismatch"
    rows = [row.get("preview") for row in found["items"]]
    assert rows[1]["would"]["events"] == ["reservation.converted", "release.published"]
    assert (rows[0]["serial"], rows[1]["serial"], rows[2]["reasons"][0]["code"]) == (0, 1, "name_taken")
    assert (rows[4]["outcome"], rows[6]["would"]["events"]) == ("deny", ["project.unlocked"])
    assert events(door) == before and door.serial("kept") == 0
    assert door.get("/v1/refusals").get_json()["refusals"] == []


def test_a_preview_of_a_batch_is_what_the_batch_does(door: Door) -> None:
    items = [yank("foo"), yank("foo", "9.0"), {"verb": "archive", "name": "foo"}]
    previewed = door.post("/v1/batch?dry_run=true", {"mode": "each", "items": items}).get_json()
    done = door.post("/v1/batch", {"mode": "each", "items": items}).get_json()
    assert (previewed["allowed"], previewed["turned_away"]) == (done["done"], done["turned_away"])
    for row, did in zip(previewed["items"], done["items"], strict=True):
        would = row["preview"]
        if "receipt" in did:
            assert would["serial"] + len(would["would"]["events"]) == did["receipt"]["serial"]
        else:
            assert would["reasons"] == did["problem"]["reasons"]
