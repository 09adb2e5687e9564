"""A malware analyst's day over HTTP: verdicts by the list, the takedown list, OSV records, and what clients see."""

import io
import json
import re
import zipfile
from typing import Any

import pytest

from client_verify import verdict as client_verdict
from keys.encoding import sha256
from repo_service.domain import requests as r
from tests.service.door import Door, publication, sdist
from tests.world import OWNER, World, publishing

ADMIN = {"kind": "admin", "id": "account-9", "approver": "account-8"}
MODERATOR = {"kind": "moderator", "id": "account-6"}
DATA = sdist()
STEALER = {"kind": "malware", "evidence": "case-7", "note": "it steals tokens"}


@pytest.fixture
def door(world: World) -> Door:
    world.do(publishing("foo", content=b"foo"), publishing("bar", content=b"bar"))
    return Door(world, "admin")


def verdict(said: str, actor: Any = MODERATOR, **more: Any) -> dict[str, Any]:
    return {"verdict": said, **STEALER, "actor": actor, **more}


def get(door: Door, path: str) -> Any:
    answer = door.get(path)
    assert answer.status_code == 200, answer.data
    return answer.get_json()


def osv(door: Door) -> dict[str, Any]:
    answer = door.get("/v1/takedowns/osv")
    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def uploaded(door: Door) -> str:
    """Publish foo 1.0 from the registry's own file store; the address of its file for TUF clients."""
    said = door.upload("foo-1.0.tar.gz", DATA).get_json()
    door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": {"id": "account-1"}})
    hashed = f"/targets/packages/foo/{said['sha256']}.foo-1.0.tar.gz"
    assert door.client.get(hashed).data == DATA
    return hashed


def events(door: Door) -> int:
    with door.world.service.journal.reading() as view:
        return view.counts()["events"]


def test_a_verdict_is_signed_and_the_client_refuses_what_it_took_down(door: Door) -> None:
    answer = door.post("/v1/projects/foo/verdict", verdict("remove", ADMIN, external_ids=["MAL-2026-7"]))
    assert answer.status_code == 200 and answer.get_json()["status"] == "signed", answer.get_json()
    state = door.world.client().page("foo").state
    assert (state.state, state.takedowns[0].status) == ("prohibited", "confirmed")
    refused = client_verdict.of_file(state, "foo-1.0.tar.gz")
    assert isinstance(refused, client_verdict.Refuse) and refused.code == "taken-down"
    assert "malware (MAL-2026-7)" in refused.sentence and "it steals tokens" in refused.sentence


def test_two_hundred_names_take_one_request(door: Door) -> None:
    names = [f"evil-{number}" for number in range(200)]
    published = [
        {
            "verb": "publish",
            "name": name,
            "version": "1.0",
            **publication(name.replace("-", "_"), actor={"kind": "system"}),
        }
        for name in names
    ]
    for item in published:
        item["files"][0]["sha256"] = sha256(item["name"].encode())
    assert door.post("/v1/batch", {"items": published}).status_code == 200
    listed = [{"verb": "verdict", "name": name, **verdict("remove", ADMIN)} for name in names]
    answer = door.post("/v1/batch", {"items": listed})
    assert answer.status_code == 200 and all(item["changed"] for item in answer.get_json()["items"])
    assert len(get(door, "/v1/takedowns?status=confirmed")["takedowns"]) == 200
    again = door.post("/v1/batch", {"items": listed}).get_json()["items"]
    assert not any(item["changed"] for item in again)


def test_one_name_of_the_list_that_is_unknown_leaves_nothing_of_the_whole(door: Door) -> None:
    before = events(door)
    items = [{"verb": "verdict", "name": name, **verdict("quarantine")} for name in ("foo", "nobody", "bar")]
    answer = door.post("/v1/batch", {"items": items})
    assert (answer.status_code, answer.get_json()["item"], answer.get_json()["code"]) == (404, 1, "name_unknown")
    assert events(door) == before


def test_what_only_an_admin_settles_is_a_notice_until_one_does(door: Door) -> None:
    """Edge case 64, and verdict ``review``."""
    moderator = Door(door.world, "moderator")
    answer = moderator.post("/v1/projects/foo/verdict", verdict("review")).get_json()
    assert not answer["changed"] and answer["warnings"][0]["code"] == "escalated"
    moderator.post("/v1/projects/foo/verdict", verdict("review"))
    moderator.post("/v1/projects/bar/verdict", verdict("remove"))
    notices = [each for each in get(door, "/v1/notices")["notices"] if each["audience"] == "admins"]
    assert [each["name"] for each in notices] == ["foo", "bar"] and notices[0]["deadline"] is None
    assert "evidence case-7: it steals tokens" in notices[0]["sentence"]
    assert notices[0]["id"] == f"foo/escalation/{answer['change']}"
    for body in (verdict("ok", ADMIN), verdict("ok", ADMIN)):
        assert door.post("/v1/projects/foo/verdict", body).status_code == 200
    left = [each["name"] for each in get(door, "/v1/notices")["notices"] if each["audience"] == "admins"]
    assert left == ["bar"]


def test_a_moderator_who_clears_or_prohibits_is_told_who_may(door: Door) -> None:
    moderator = Door(door.world, "moderator")
    moderator.post("/v1/projects/foo/verdict", verdict("quarantine"))
    body = {"actor": MODERATOR, "reason": {"code": "mistake"}}
    for path in ("/v1/projects/foo/clear", "/v1/names/foo/prohibit"):
        answer = moderator.post(path, body)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "role_insufficient")
        assert "admin may" in answer.get_json()["detail"]


def test_taken_down_bytes_are_refused_under_every_name_and_suspected_ones_are_warned_of(door: Door) -> None:
    """Edge case 25."""
    body = publication("other")
    body["files"][0]["sha256"] = sha256(b"foo")
    door.post("/v1/projects/foo/verdict", verdict("quarantine"))
    warned = door.post("/v1/projects/other/releases/1.0/publish?dry_run=true", body).get_json()
    assert "content_suspected" in [each["code"] for each in warned["warnings"]]
    door.post("/v1/projects/foo/verdict", verdict("remove", ADMIN))
    refused = door.post("/v1/projects/other/releases/1.0/publish", body)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "content_taken_down")
    assert refused.get_json()["reasons"][0]["params"] == {"sha256": sha256(b"foo"), "takedown": "foo/1/1"}
    assert door.get("/v1/names/other").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        verdict("destroy"),
        verdict("quarantine", kind="evil"),
        {**verdict("quarantine"), "kind": None},
        verdict("quarantine", versions=[]),
        verdict("quarantine", external_ids=["X-1"]),
        verdict("quarantine", note="a\x1b[2J"),
        {key: value for key, value in verdict("quarantine").items() if key != "evidence"},
    ],
)
def test_what_is_no_verdict_is_malformed_and_writes_nothing(door: Door, body: Any) -> None:
    before = events(door)
    answer = door.post("/v1/projects/foo/verdict", body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "malformed")
    assert events(door) == before


def test_taken_down_bytes_do_not_come_back_under_another_name(door: Door) -> None:
    support, why = {"kind": "support"}, {"reason": {"code": "mistake"}}
    body = publication("other")
    body["files"][0]["sha256"] = sha256(b"foo")
    door.post("/v1/projects/other/releases/1.0/publish", body)
    door.post("/v1/projects/other/releases/1.0/unpublish", {**why, "actor": support})
    door.post("/v1/projects/foo/verdict", verdict("remove", ADMIN))
    for path in ("releases/1.0/restore", "restore"):
        answer = door.post(f"/v1/projects/other/{path}", {**why, "actor": ADMIN})
        assert (answer.status_code, answer.get_json()["code"]) == (409, "content_taken_down")


# The list.


def test_the_list_has_every_entry_with_its_bytes_and_is_read_in_parts(door: Door) -> None:
    door.post("/v1/projects/foo/verdict", verdict("quarantine"))
    door.post("/v1/projects/foo/verdict", verdict("quarantine", kind="typosquat"))
    door.post("/v1/projects/bar/verdict", verdict("remove", ADMIN))
    seen, after = [], ""
    for expected in (2, 1, 0):
        part = get(door, f"/v1/takedowns?limit=2&after={after}")
        assert len(part["takedowns"]) == expected
        seen, after = seen + part["takedowns"], part["next"]
    assert [each["id"] for each in seen] == ["bar/1/1", "foo/1/1", "foo/1/2"]
    assert seen[0]["sha256s"] == [sha256(b"bar")] and seen[0]["versions"] == ["1.0"]
    page = door.world.client().page("bar").state
    assert (seen[0]["name"], seen[0]["serial"]) == ("bar", page.serial), "which page signs it"
    for status, ids in (("suspected", ["foo/1/1", "foo/1/2"]), ("confirmed", ["bar/1/1"]), ("withdrawn", [])):
        assert [each["id"] for each in get(door, f"/v1/takedowns?status={status}")["takedowns"]] == ids
    assert "account" not in json.dumps(seen)


def test_an_entry_is_withdrawn_and_stays_on_the_list(door: Door) -> None:
    """Invariant I19."""
    door.post("/v1/projects/foo/verdict", verdict("quarantine"))
    door.post("/v1/projects/foo/verdict", verdict("ok", ADMIN, note="a false alarm"))
    (entry,) = get(door, "/v1/takedowns")["takedowns"]
    assert (entry["status"], entry["mark"]["reason"]["text"]) == ("withdrawn", "a false alarm")
    assert door.world.client().page("foo").state.quarantine is None


@pytest.mark.parametrize("query", ["status=evil", "limit=-1", "limit=x"])
def test_rubbish_in_a_query_of_the_list_is_malformed(door: Door, query: str) -> None:
    assert door.get(f"/v1/takedowns?{query}").get_json()["code"] == "malformed"


# What OSV's schema 1.7.5 asks of a record (its fields, and the forms of ids, times and ecosystems).
FIELDS = {
    "schema_version", "id", "modified", "published", "withdrawn", "aliases", "summary", "details", "affected",
    "database_specific",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def check_osv(name: str, record: dict[str, Any]) -> None:
    assert name == f"{record['id']}.json" and record["id"].startswith("x_")
    assert record.keys() <= FIELDS and {"id", "modified"} <= record.keys()
    for field in {"modified", "published", "withdrawn"} & record.keys():
        assert TIME.fullmatch(record[field])
    assert all(isinstance(record[field], str) and record[field] for field in ("schema_version", "summary", "details"))
    (affected,) = record["affected"]
    assert affected.keys() == {"package", "versions"}, "exact versions, never a range"
    assert re.fullmatch(r"PyPI(:.+)?", affected["package"]["ecosystem"])
    assert affected["versions"] and all(isinstance(each, str) for each in affected["versions"])


def test_osv_records_name_exact_versions_and_bytes_and_keep_what_was_withdrawn(door: Door) -> None:
    door.post("/v1/projects/foo/verdict", verdict("remove", ADMIN, external_ids=["GHSA-2345-6789-cfgh", "MAL-2026-7"]))
    door.world.tick(hours=1)
    door.post("/v1/projects/bar/verdict", verdict("quarantine"))
    door.world.tick(hours=1)
    assert list(osv(door)) == ["x_127.0.0.1_8416-foo-1-1.json"], "scanners are not told of suspicions"
    door.post("/v1/projects/bar/verdict", verdict("ok", ADMIN, note="a false alarm"))
    records = osv(door)
    for name, record in records.items():
        check_osv(name, record)
    bar, foo = records.values()
    assert foo["aliases"] == ["GHSA-2345-6789-cfgh", "MAL-2026-7"] and "withdrawn" not in foo
    assert foo["affected"][0]["versions"] == ["1.0"] and foo["affected"][0]["package"]["name"] == "foo"
    assert foo["database_specific"]["sha256"] == [sha256(b"foo")]
    assert (foo["summary"], foo["details"]) == ("malware in foo 1.0", "it steals tokens")
    assert bar["withdrawn"] == bar["modified"] == "2026-11-22T12:00:00Z" and bar["published"] == "2026-11-22T11:00:00Z"
    assert bar["summary"] == "Withdrawn: malware in bar 1.0" and bar["details"] == "it steals tokens\na false alarm"
    assert door.get("/v1/takedowns/osv").data == door.get("/v1/takedowns/osv").data


def test_a_removal_is_a_record_that_mirrors_can_read(door: Door) -> None:
    """Trap 5: nothing is told by absence alone."""
    before = get(door, "/v1/events")["next"]
    door.post("/v1/projects/foo/remove", {"kind": "policy", "reason": {"code": "court_order"}, "actor": ADMIN})
    told = get(door, f"/v1/events?after={before}")["events"]
    (removed,) = [each for each in told if each["type"] == "project.removed"]
    assert removed["change"] == {"versions": ["1.0"]} and removed["name"] == "foo"
    assert [each["status"] for each in get(door, "/v1/takedowns")["takedowns"]] == ["confirmed"]
    page = door.page("foo").get_json()
    assert page["files"] == [] and page["_state"]["releases"][0]["state"] == "unpublished"


@pytest.mark.parametrize("said", ["quarantine", "remove"])
def test_a_verdict_cuts_the_file_s_origin_for_lock_files_too(world: World, said: str) -> None:
    """Trap 6."""
    door = Door(world, "admin")
    hashed = uploaded(door)
    door.post("/v1/projects/foo/verdict", verdict(said, ADMIN))
    assert [door.client.get(path).status_code for path in (hashed, "/packages/foo/foo-1.0.tar.gz")] == [404, 404]


# Whole projects.


def test_a_whole_project_is_unpublished_and_restored(door: Door) -> None:
    facts = {"dependents": {"value": 0, "as_of": "2026-11-22T10:00:00Z"}}
    why = {"reason": {"code": "mistake"}, "actor": {"id": "account-1"}}
    assert door.post("/v1/projects/foo/unpublish", {**why, "facts": facts}).get_json()["changed"]
    assert get(door, "/v1/names/foo")["state"] == "placeholder"
    assert door.post("/v1/projects/foo/restore", why).get_json()["changed"]
    assert [file["filename"] for file in door.page("foo").get_json()["files"]] == ["foo-1.0.tar.gz"]


def test_a_refusal_says_of_every_version_why_it_keeps_the_project(door: Door) -> None:
    """Edge case 38, over HTTP."""
    door.world.tick(days=4)
    door.publish("foo", "2.0")
    before = events(door)
    answer = door.post("/v1/projects/foo/unpublish", {"reason": {"code": "mistake"}, "actor": {"id": "account-1"}})
    assert answer.status_code == 403
    reasons = {why["code"]: why["params"]["versions"] for why in answer.get_json()["reasons"]}
    assert reasons == {"unpublish_window_over": "1.0", "facts_missing": "1.0 2.0"}
    assert events(door) == before


def test_a_leaked_secret_is_purged_in_the_next_round_and_nothing_of_it_is_served(world: World) -> None:
    """Edge case 39."""
    door = Door(world, "admin")
    hashed = uploaded(door)
    body = {"reason": {"code": "secret_exposure"}, "actor": {"kind": "support"}}
    door.post("/v1/projects/foo/releases/1.0/unpublish", body)
    (release,) = get(door, "/v1/names/foo")["releases"]
    assert (release["state"], release["files"][0]["sha256"]) == ("purged", sha256(DATA))
    assert [door.client.get(path).status_code for path in (hashed, "/packages/foo/foo-1.0.tar.gz")] == [404, 404]
    assert list((world.public / "targets/packages/foo").iterdir()) == [], "nor by a mirror that copies the folder"


def test_the_index_by_bytes_is_the_fold_of_the_states(door: Door) -> None:
    for said in ("quarantine", "ok", "remove"):
        door.post("/v1/projects/foo/verdict", verdict(said, ADMIN))
        with door.world.service.journal.reading() as view:
            found = {(each.takedown, each.sha256, each.status) for each in view.taken_down([sha256(b"foo")])}
            state = view.name("foo").state
        assert state is not None
        assert found == {(e.id, digest, e.status) for e in state.takedowns for digest in e.sha256s}


def test_a_name_that_a_token_may_not_touch_is_judged_by_another(door: Door) -> None:
    narrow = door.new_token("moderator", names=("bar",), actions=("verdict",))
    assert door.post("/v1/projects/bar/verdict", verdict("quarantine"), token=narrow).status_code == 200
    assert door.post("/v1/projects/foo/verdict", verdict("quarantine"), token=narrow).status_code == 403
    door.world.do(r.Reserve("kept", OWNER))
    assert door.get("/v1/takedowns", narrow).status_code == 403
