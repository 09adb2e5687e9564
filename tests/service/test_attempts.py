"""Refused attempts: each is remembered with all its reasons, though nothing of it was done, and not for ever."""

from typing import Any

import pytest

from repo_service.accepting.attempts import KEPT
from tests.service.door import OWNER, Door
from tests.world import World, publishing

YANK = "/v1/projects/foo/releases/9.0/yank"
BROKEN = {"code": "broken", "text": "does not start"}


@pytest.fixture
def door(world: World) -> Door:
    world.do(publishing("foo"), publishing("bar"))
    return Door(world)


def attempts(door: Door, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = door.get(f"/v1/refusals{query}").get_json()["refusals"]
    return found


def test_a_refused_attempt_is_remembered_with_who_asked_for_what_and_every_reason(door: Door) -> None:
    door.world.tick(days=4)
    body = {"reason": BROKEN, "dependents": {"value": 2, "as_of": "2026-11-26T10:00:00Z"}, "actor": {"id": "account-1"}}
    problem = door.post("/v1/projects/Foo/releases/1.0/unpublish", body).get_json()
    (attempt,) = attempts(door)
    assert attempt == {
        "refusal": problem["refusal"], "at": "2026-11-26T10:00:00Z", "client": "client:the admin", "verb": "unpublish",
        "name": "foo", "version": "1.0", "by": "owner", "reasons": problem["reasons"], "policy": "standard/1",
    }  # fmt: skip
    assert [reason["code"] for reason in attempt["reasons"]] == ["unpublish_window_over", "has_dependents"]
    assert (problem["serial"], problem["alternatives"]) == (2, ["yank", "deprecate"])
    assert attempt["reasons"][0] == {
        "code": "unpublish_window_over",
        "detail": "foo 1.0 was published 96 h ago; an owner can unpublish within 72 h. Yank it, or ask support",
        "params": {"age_s": 96 * 3600, "window_s": 72 * 3600, "until": "2026-11-25T10:00:00Z"},
        "help": "yank or deprecate it, or ask support to unpublish it",
        "verbs": ["yank", "deprecate"],
        "ask": "support",
    }


def test_the_newest_attempts_come_first_and_those_before_them_after(door: Door) -> None:
    for number in range(101):
        door.post(f"/v1/projects/foo/releases/9.{number}/yank", {})
    first = door.get("/v1/refusals").get_json()
    assert [each["version"] for each in first["refusals"]] == [f"9.{number}" for number in range(100, 0, -1)]
    rest = door.get(f"/v1/refusals?after={first['next']}").get_json()
    assert ([each["version"] for each in rest["refusals"]], rest["next"]) == (["9.0"], None)


def test_attempts_are_asked_for_by_name_in_any_spelling(door: Door) -> None:
    door.post(YANK, {})
    door.post("/v1/projects/bar/releases/9.0/yank", {})
    assert [each["name"] for each in attempts(door)] == ["bar", "foo"]
    assert [each["name"] for each in attempts(door, "?name=FOO")] == ["foo"]
    assert attempts(door, "?name=nobody") == attempts(door, "?after=nothing") == []
    for query in ("?nam=foo", "?name=foo&limit=1"):
        assert door.get(f"/v1/refusals{query}").get_json()["code"] == "malformed"


def test_what_was_only_asked_about_or_never_came_in_is_no_attempt(door: Door) -> None:
    assert door.post(f"{YANK}?dry_run=true", {}).get_json()["outcome"] == "deny"
    assert door.post(YANK, {"reason": 1}).status_code == 422
    assert door.post(YANK, {}, If_Match='"serial-7"').status_code == 412
    assert door.post(YANK, {}, token=door.new_token("auditor")).status_code == 403
    assert door.post(YANK, {}, token="nobody").status_code == 401
    assert door.get("/v1/projects/foo/releases/9.0/unpublish-eligibility").get_json()["outcome"] == "deny"
    assert attempts(door) == []


def test_each_attempt_counts_and_none_uses_up_its_key(door: Door) -> None:
    for _ in range(2):
        assert door.post(YANK, {}, key="once").status_code == 404
    assert len({each["refusal"] for each in attempts(door)}) == 2
    door.publish("foo", "9.0")
    assert door.post(YANK, {"actor": {"id": "a", "approver": "b"}}, key="once").get_json()["changed"]


def test_an_attempt_names_no_account_and_is_in_nothing_signed(door: Door) -> None:
    door.post("/v1/names/foo/reserve", {"actor": {"id": "account-7", "approver": "account-8"}})
    assert "account" not in door.get("/v1/refusals").get_data(as_text=True)
    door.world.service.round()
    assert b"name_taken" not in b"".join(path.read_bytes() for path in door.world.public.rglob("*.json"))


def test_attempts_are_forgotten_after_their_time(door: Door) -> None:
    door.post(YANK, {})
    door.world.tick(seconds=KEPT.total_seconds())
    door.world.service.round()
    assert len(attempts(Door(door.world))) == 1
    door.world.tick(seconds=1)
    door.world.service.round()
    assert attempts(Door(door.world)) == []


def test_of_a_batch_the_item_that_was_refused_is_remembered(door: Door) -> None:
    items = [{"verb": "archive", "name": "foo"}, {"verb": "yank", "name": "bar", "version": "9.0"}]
    problem = door.post("/v1/batch", {"items": items}).get_json()
    assert [(each["refusal"], each["name"]) for each in attempts(door)] == [(problem["refusal"], "bar")]
    assert problem["item"] == 1
    both = [{"verb": "yank", "name": name, "version": "9.0"} for name in ("foo", "bar")]
    rows = door.post("/v1/batch", {"mode": "each", "items": both}).get_json()["items"]
    assert [each["refusal"] for each in attempts(door)][1::-1] == [row["problem"]["refusal"] for row in rows]


def test_a_numbered_change_that_is_refused_in_its_turn_is_one_attempt_however_often_it_is_sent(door: Door) -> None:
    body = {"source_seq": 1, "reason": {"code": "broken"}, "actor": OWNER}
    answers = [door.post("/v1/projects/foo/releases/7.0/yank", body, key="one").get_json() for _ in range(2)]
    assert answers[0] == answers[1] and answers[0]["reasons"][0]["help"] and answers[0]["source_seq"] == 1
    assert [each["refusal"] for each in attempts(door)] == [answers[0]["refusal"]]
    again = door.get(f"/v1/changes/{answers[0]['change']}").get_json()
    assert (again["status"], again["refusal"], again["reasons"]) == (
        "refused", answers[0]["refusal"], answers[0]["reasons"],
    )  # fmt: skip


def test_a_numbered_batch_that_is_refused_is_an_attempt_though_nothing_of_it_is_kept(door: Door) -> None:
    item = {"verb": "yank", "name": "foo", "version": "7.0", "source_seq": 1, "reason": {"code": "broken"}}
    answer = door.post("/v1/batch", {"items": [{**item, "actor": OWNER}]}).get_json()
    assert [each["refusal"] for each in attempts(door)] == [answer["refusal"]]


def test_numbers_go_with_all_or_none_and_stand_for_what_their_sender_saw(door: Door) -> None:
    item = {"verb": "deprecate", "name": "foo", "source_seq": 1, "reason": {"code": "old"}, "actor": OWNER}
    each = door.post("/v1/batch", {"mode": "each", "items": [item]}).get_json()
    assert (each["code"], each["detail"][:11]) == ("malformed", "mode: is al")
    seen = door.post("/v1/batch", {"items": [{**item, "expected_serial": 1}]}).get_json()
    assert seen["code"] == "malformed" and seen["detail"].startswith("items[0].expected_serial: does not go")
    assert attempts(door) == []
