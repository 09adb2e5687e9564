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
