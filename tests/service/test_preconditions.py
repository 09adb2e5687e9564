"""Looking before leaping: a preview writes nothing, and a change can insist on the state that its sender saw."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from keys.times import stamp
from repo_service.accepting import intake
from repo_service.domain import requests as r
from tests.service.door import Door, publication
from tests.world import BECAUSE, OWNER, World, publishing

YANK = "/v1/projects/foo/releases/1.0/yank"
BROKEN = {"code": "broken"}
WHY = {"reason": BROKEN, "actor": {"id": "a", "approver": "b"}}


@pytest.fixture
def door(world: World) -> Door:
    world.do(publishing("foo"))
    return Door(world, "admin")


def unseen(door: Door, path: str, body: Any) -> TestResponse:
    """Send a change without saying what was looked at, which the door's own ``post`` would add."""
    return door.post(f"/v1/{path}", json.dumps(body).encode())


def test_a_preview_says_what_would_happen_and_writes_nothing(door: Door) -> None:
    with door.world.service.journal.reading() as view:
        before = view.counts()
    answer = door.post(f"{YANK}?dry_run=true", WHY)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"serial-2"')
    found = answer.get_json()
    assert {key: value for key, value in found.items() if key != "preview_digest"} == {
        "name": "foo", "serial": 2, "policy": "standard/1", "outcome": "allow", "reasons": [], "warnings": [],
        "would": {
            "events": ["release.yanked"],
            "state_after": {"name": "registered", "project": "active", "release": "yanked"},
            "placeholder": False, "reversible_until": None, "notices": 0,
        },
        "alternatives": [], "valid_until": "2026-11-22T10:15:00Z",
    }  # fmt: skip
    with door.world.service.journal.reading() as view:
        assert view.counts() == before
        assert view.name("foo").state == door.world.client().page("foo").state


def test_a_preview_spends_no_key_and_warns_as_the_change_would(door: Door) -> None:
    alone = {**WHY, "actor": {"id": "a"}}
    answer = door.post(f"{YANK}?dry_run=true", alone, key="once").get_json()
    assert answer["would"]["events"] == ["release.yank_held"] and answer["warnings"][0]["code"] == "mass_yank_brake"
    assert (answer["would"]["state_after"]["release"], answer["would"]["notices"]) == ("yank_held", 1)
    assert door.post(YANK, WHY, key="once").get_json()["changed"]


def test_a_preview_gives_every_reason_as_the_refusal_would_and_is_no_error(door: Door) -> None:
    path = "/v1/projects/foo/releases/9.0/yank"
    previewed, refused = door.post(f"{path}?dry_run=true", WHY), door.post(path, WHY)
    assert (previewed.status_code, refused.status_code) == (200, 404)
    found, problem = previewed.get_json(), refused.get_json()
    assert (found["outcome"], found["would"]) == ("deny", None)
    for shared in ("reasons", "alternatives", "policy", "serial"):
        assert found[shared] == problem[shared]


def test_a_preview_of_what_is_already_so_would_do_nothing(door: Door) -> None:
    found = door.post("/v1/projects/foo/releases/1.0/publish?dry_run=true", publication("foo")).get_json()
    assert (found["outcome"], found["reasons"][0]["code"]) == ("deny", "file_exists")
    would = door.post("/v1/projects/foo/unarchive?dry_run=true", {}).get_json()["would"]
    assert (would["events"], would["state_after"]["project"]) == ([], "active")


def test_a_preview_of_a_removal_says_what_is_left_and_until_when_it_can_be_restored(door: Door) -> None:
    body = {"reason": BROKEN, "dependents": {"value": 0, "as_of": "2026-11-22T10:00:00Z"}}
    would = door.post("/v1/projects/foo/releases/1.0/unpublish?dry_run=true", body).get_json()["would"]
    assert would == {
        "events": ["release.unpublished", "name.placeholder_set"],
        "state_after": {"name": "placeholder", "project": None, "release": "unpublished"},
        "placeholder": True, "reversible_until": "2026-12-22T10:00:00Z", "notices": 1,
    }  # fmt: skip


def test_what_only_support_may_do_is_said_as_that(door: Door) -> None:
    door.world.tick(days=4)
    body = {"reason": BROKEN, "dependents": {"value": 0, "as_of": stamp(door.world.now)}}
    path = "/v1/projects/foo/releases/1.0/unpublish?dry_run=true"
    found = door.post(path, body).get_json()
    assert (found["outcome"], found["alternatives"]) == ("needs_support", ["yank", "deprecate"])
    assert found["reasons"][0]["params"]["until"] == "2026-11-25T10:00:00Z"
    door.post("/v1/projects/foo/quarantine", {"actor": {"kind": "admin"}, "reason": BROKEN})
    assert door.post(path, body).get_json()["outcome"] == "deny"


def test_a_preview_says_it_may_be_another_answer_after_what_is_known_to_come(door: Door) -> None:
    found = door.post("/v1/names/bar/reserve?dry_run=true", {"actor": {"id": "a"}}).get_json()
    assert (found["serial"], found["valid_until"]) == (0, "2026-11-22T10:15:00Z")
    door.post(YANK, {**WHY, "actor": {"id": "a"}})
    door.world.tick(hours=23, minutes=55)
    found = door.post("/v1/projects/foo/archive?dry_run=true", {}).get_json()
    assert found["valid_until"] == "2026-11-23T10:00:00Z"


def test_who_may_not_do_it_is_not_told_what_it_would_do(door: Door) -> None:
    token = door.new_token("moderator")
    assert door.post(f"{YANK}?dry_run=true", WHY, token=token).status_code == 403
    eligibility = "/v1/projects/foo/releases/1.0/unpublish-eligibility"
    assert door.get(eligibility, token).get_json()["code"] == "role_insufficient"
    yanker = door.new_token("registry", actions=("yank",))
    assert door.get(eligibility, yanker).get_json()["code"] == "caveat_action"
    assert door.get(eligibility, door.new_token("registry", actions=("unpublish",))).status_code == 200


# What was previewed is done, or nothing.


def test_the_commit_does_what_was_previewed_also_some_time_later(door: Door) -> None:
    alone = {**WHY, "actor": {"id": "a"}}
    digest = door.post(f"{YANK}?dry_run=true", alone).get_json()["preview_digest"]
    door.world.tick(minutes=10)
    assert digest == door.post(f"{YANK}?dry_run=true", alone).get_json()["preview_digest"]
    answer = door.post(YANK, alone, If_Preview_Match=digest, key="once")
    assert answer.get_json()["changed"]
    assert door.post(YANK, alone, If_Preview_Match=digest, key="once").get_json() == answer.get_json()


def test_a_preview_that_is_no_longer_true_is_not_committed(door: Door) -> None:
    """Edge case 59: the answer said allow, something changed, the commit is 409 preview_stale."""
    alone = {**WHY, "actor": {"id": "a"}}
    digest = door.post(f"{YANK}?dry_run=true", alone).get_json()["preview_digest"]
    assert door.serial("foo") == 2
    for body in ({**alone, "reason": {"code": "other"}}, WHY):
        assert door.post(YANK, body, If_Preview_Match=digest).get_json()["code"] == "preview_stale"
    door.publish("foo", "2.0")
    answer = door.post(YANK, alone, If_Preview_Match=digest)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "preview_stale")
    assert answer.get_json()["detail"].endswith("Nothing was written.")
    assert door.serial("foo") == 3


def test_what_is_refused_at_the_commit_gives_its_reasons_whatever_the_preview_said(door: Door) -> None:
    """Edge case 63, in part: what was set between preview and commit refuses the commit."""
    digest = door.post("/v1/projects/foo/archive?dry_run=true", {}).get_json()["preview_digest"]
    door.post("/v1/projects/foo/lock", {"actor": {"kind": "admin"}, "reason": BROKEN})
    answer = door.post("/v1/projects/foo/archive", {}, If_Preview_Match=digest)
    assert answer.get_json()["code"] == "project_locked"


@pytest.mark.parametrize("header", ["", "x", "A" * 64, '"' + "a" * 64 + '"', "a" * 65])
def test_rubbish_as_a_preview_is_malformed(door: Door, header: str) -> None:
    assert door.post(YANK, WHY, If_Preview_Match=header).get_json()["code"] == "malformed"


def test_an_owner_is_told_whether_they_may_unpublish(door: Door) -> None:
    path = "/v1/projects/Foo/releases/v1.0.0/unpublish-eligibility"
    found = door.get(f"{path}?dependents=0&as_of=2026-11-22T10:00:00Z&contact=verified")
    assert (found.status_code, found.headers["ETag"]) == (200, '"serial-2"')
    assert (found.get_json()["outcome"], found.get_json()["warnings"]) == ("allow", [])
    assert found.get_json()["would"]["placeholder"]
    for query, codes in (("", ["facts_missing"]), ("?dependents=3&as_of=2026-11-22T10:00:00Z", ["has_dependents"])):
        answer = door.get(path + query).get_json()
        assert [reason["code"] for reason in answer["reasons"]] == codes
    for query in ("dependents=x", "dependents=1", "dependents=1&as_of=today", "dependants=0", "contact=sure"):
        assert door.get(f"{path}?{query}").get_json()["code"] == "malformed", query
    assert door.serial("foo") == 2


# The serial that its sender saw.


def test_who_acts_for_the_registry_says_what_they_looked_at(door: Door) -> None:
    for kind, path in (("admin", "projects/foo/quarantine"), ("moderator", "projects/foo/lock")):
        answer = unseen(door, path, {"actor": {"kind": kind}, "reason": BROKEN})
        assert (answer.status_code, answer.get_json()["code"]) == (428, "precondition_required")
        assert "If-Match" in answer.get_json()["detail"] and "GET /v1/names/NAME" in answer.get_json()["detail"]
    removal = {"actor": {"kind": "support"}, "reason": BROKEN}
    assert unseen(door, "projects/foo/releases/1.0/unpublish", removal).status_code == 428
    assert door.serial("foo") == 2
    assert unseen(door, "names/new/reserve", {"actor": {"kind": "support", "id": "a"}}).get_json()["changed"]
    assert unseen(door, "names/new/reserve", {"actor": {"kind": "support", "id": "a"}}).status_code == 428
    assert unseen(door, "projects/foo/archive", {}).get_json()["changed"]


def test_a_name_that_is_unknown_is_at_serial_0(door: Door) -> None:
    prohibit = {"actor": {"kind": "admin"}, "reason": BROKEN}
    assert unseen(door, "names/new/prohibit", prohibit).status_code == 428
    assert door.get("/v1/names/new/availability").headers["ETag"] == '"serial-0"'
    assert door.post("/v1/names/foo/prohibit", prohibit, If_Match='"serial-0"').status_code == 412
    assert door.post("/v1/names/new/prohibit", prohibit, If_Match='"serial-0"').get_json()["changed"]


def test_of_two_admins_at_once_the_second_is_told_that_the_name_moved(door: Door) -> None:
    """Edge case 29: the final state is one linear order."""
    seen = door.get("/v1/names/foo").headers["ETag"]
    body = {"actor": {"kind": "admin"}, "reason": BROKEN}
    first = door.post("/v1/projects/foo/quarantine", body, If_Match=seen)
    assert first.headers["ETag"] == '"serial-3"'
    second = door.post("/v1/projects/foo/clear", body, If_Match=seen)
    assert (second.status_code, second.get_json()["code"], second.get_json()["serial"]) == (412, "serial_mismatch", 3)
    assert door.get("/v1/names/foo").get_json()["quarantine"] is not None
    assert door.post("/v1/projects/foo/clear", body, If_Match=first.headers["ETag"]).get_json()["changed"]


def test_a_preview_keeps_the_precondition_too(door: Door) -> None:
    assert door.post(f"{YANK}?dry_run=true", WHY, If_Match='"serial-2"').status_code == 200
    assert door.post(f"{YANK}?dry_run=true", WHY, If_Match='"serial-1"').status_code == 412


def test_every_answer_about_one_name_says_its_serial(door: Door) -> None:
    for path in ("", "/history", "/availability"):
        assert door.get(f"/v1/names/foo{path}").headers["ETag"] == '"serial-2"'
    assert door.post(YANK, WHY).headers["ETag"] == '"serial-3"'


@pytest.mark.parametrize(("header", "status"), [('"serial-2"', 200), ('"serial-1"', 412), ('"serial-3"', 412)])
def test_a_change_is_made_only_of_the_serial_that_its_sender_saw(door: Door, header: str, status: int) -> None:
    answer = door.post(YANK, WHY, If_Match=header)
    assert answer.status_code in (status, status + 2 if status == 200 else status)
    with door.world.service.journal.reading() as view:
        found = view.name("foo").state
    assert found is not None and (found.releases[0].yank is not None) == (status == 200)
    if status == 412:
        assert answer.get_json()["code"] == "serial_mismatch" and "serial 2" in answer.get_json()["detail"]


@pytest.mark.parametrize("header", ["serial-2", '"2"', "*", '"serial-x"', '"serial-１"', '"serial-' + "9" * 30 + '"'])
def test_rubbish_as_a_precondition_is_malformed(door: Door, header: str) -> None:
    assert door.post(YANK, WHY, If_Match=header).get_json()["code"] == "malformed"


def test_a_repeated_request_gets_its_answer_although_the_serial_moved_since(world: World) -> None:
    world.do(publishing("foo"))
    sender = intake.Sender("tests", "again", 2)
    yank = r.Yank("foo", "1.0", BECAUSE, OWNER)
    first = intake.record(world.service.journal, yank, sender, world.now)
    assert intake.record(world.service.journal, yank, sender, world.now) == first
    with pytest.raises(intake.SerialMoved):
        intake.record(world.service.journal, r.Unyank("foo", "1.0", None, OWNER), intake.Sender("t", "k", 2), world.now)


@pytest.mark.parametrize("query", ["dry_run=1", "dry_run=True", "dry_run=", "dry-run=true", "dry_run=true&x=1"])
def test_a_misspelled_preview_makes_no_change(door: Door, query: str) -> None:
    answer = door.post(f"{YANK}?{query}", WHY)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "malformed")
    with door.world.service.journal.reading() as view:
        found = view.name("foo").state
    assert found is not None and found.serial == 2


def test_a_batch_is_not_tied_to_one_serial_or_one_preview_and_says_so(door: Door) -> None:
    body = {"items": [{"verb": "yank", "name": "foo", "version": "1.0", **WHY}]}
    for header in ({"If_Match": '"serial-2"'}, {"If_Preview_Match": "a" * 64}):
        answer = door.post("/v1/batch", body, **header)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "malformed")
        assert "expected_serial" in answer.get_json()["detail"]
    assert door.serial("foo") == 2
