"""Full states over HTTP: all that leads there or nothing, once for each of the registry's serials."""

from typing import Any, Final

import pytest

from tests.service.door import Door, publication
from tests.world import World, publishing

OWNER: Final = {"kind": "owner", "id": "a", "approver": "b"}
FACT: Final = {"value": 0, "as_of": "2026-11-22T10:00:00Z"}


def state(serial: int, *versions: str, **more: Any) -> dict[str, Any]:
    releases = [{"version": each, "files": publication("foo", each)["files"]} for each in versions]
    reason = {"code": "registry", "text": "as the registry sees it"}
    body = {"registry_serial": serial, "releases": releases, "reason": reason, "actor": OWNER, "dependents": FACT}
    return {**body, **more}


def put(door: Door, body: Any, query: str = "", token: str | None = None, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {token or door.token}", **headers}
    return door.client.put(f"/v1/projects/foo{query}", json=body, headers=sent)


def events(door: Door) -> list[str]:
    with door.world.service.journal.reading() as view:
        return [type(each.change).__name__ for each in view.events("foo")]


def test_a_full_state_becomes_events_in_one_call_and_says_which_for_each_row(door: Door) -> None:
    answer = put(door, state(7, "1.0", "2.0"))
    assert answer.status_code in (200, 202), answer.get_json()
    body = answer.get_json()
    assert (body["name"], body["registry_serial"], body["serial"], body["changed"]) == ("foo", 7, 3, True)
    assert [(each["verb"], each["version"], each["serial"]) for each in body["items"]] == [
        ("publish", "1.0", 2), ("publish", "2.0", 3),
    ]  # fmt: skip
    less = state(9, "2.0", archived={})
    less["releases"][0]["yanked"] = {"reason": {"code": "broken"}}
    body = put(door, less).get_json()
    assert [each["verb"] for each in body["items"]] == ["yank", "unpublish", "archive"]
    page = door.world.client().page("foo").state
    assert page.archived is not None
    assert [(each.state, each.yank is not None) for each in page.releases] == [
        ("unpublished", False),
        ("published", True),
    ]


def test_the_same_state_again_is_answered_the_same_and_done_once(door: Door) -> None:
    first = put(door, state(7, "1.0")).get_json()
    made = events(door)
    again = put(door, state(7, "1.0", dependents=None)).get_json()
    assert ([each["change"] for each in again["items"]], events(door)) == (
        [each["change"] for each in first["items"]], made,
    )  # fmt: skip
    later = put(door, state(8, "1.0")).get_json()
    assert (later["changed"], later["items"], events(door)) == (False, [], made)


def test_an_older_serial_and_another_state_of_the_same_change_nothing(door: Door) -> None:
    put(door, state(7, "1.0"))
    made = events(door)
    for body, code in (
        (state(6, "1.0", "2.0"), "registry_serial_overtaken"),
        (state(7, "1.0", "2.0"), "registry_serial_reused"),
    ):
        for query in ("", "?dry_run=true"):
            answer = put(door, body, query)
            assert (answer.status_code, answer.get_json()["code"]) == (409, code)
    assert events(door) == made


def test_one_refusal_leaves_nothing_and_every_reason_is_told_with_its_request(door: Door) -> None:
    put(door, state(7, "1.0", "2.0"))
    made = events(door)
    door.world.tick(days=4)
    refused, looked = (put(door, state(8, "3.0"), query) for query in ("", "?dry_run=true"))
    assert (refused.status_code, refused.get_json()["code"]) == (403, "unpublish_window_over")
    assert refused.get_json()["detail"].endswith("Nothing was written.")
    assert (looked.status_code, looked.get_json()["outcome"], looked.get_json()["would"]) == (200, "deny", None)
    for answer in (refused, looked):
        assert answer.get_json()["alternatives"] == ["yank", "deprecate"]
        assert [
            (each["item"], each["verb"], each["version"], each["code"]) for each in answer.get_json()["reasons"]
        ] == [
            (place, "unpublish", version, code)
            for place, version in ((1, "1.0"), (2, "2.0"))
            for code in ("unpublish_window_over", "facts_stale")
        ]
    assert events(door) == made
    attempt = door.get("/v1/refusals?name=foo").get_json()["refusals"]
    assert [(each["refusal"], each["verb"]) for each in attempt] == [(refused.get_json()["refusal"], "put")]
    assert put(door, state(8, "1.0", "2.0", "3.0")).status_code in (200, 202)


def test_a_preview_lists_the_requests_and_writes_nothing(door: Door) -> None:
    answer = put(door, state(7, "1.0", deprecated={"reason": {"code": "moved"}}), "?dry_run=true")
    assert answer.status_code == 200
    assert [(each["verb"], each["events"]) for each in answer.get_json()["would"]] == [
        ("publish", ["project.created", "release.published"]), ("deprecate", ["project.deprecated"]),
    ]  # fmt: skip
    assert events(door) == []
    assert put(door, state(7, "1.0")).get_json()["changed"]


def test_a_stolen_token_yanks_nothing_at_once_by_a_full_state(door: Door) -> None:
    door.world.do(publishing("foo"))
    body = state(1, "1.0", actor={"kind": "owner", "id": "thief"})
    body["releases"] = [{**body["releases"][0], "yanked": {}}]
    with door.world.service.journal.reading() as view:
        found = view.name("foo").state
    assert found is not None
    file = found.releases[0].files[0]
    body["releases"][0]["files"] = [
        {"filename": file.filename, "sha256": file.sha256, "size": file.size, "url": "https://files.test/x"}
    ]
    answer = put(door, body).get_json()
    assert [each["warnings"][0]["code"] for each in answer["items"]] == ["mass_yank_brake"]
    assert events(door)[-1] == "YankHeld"


def test_a_token_acts_by_a_full_state_as_its_role_and_scope_allow(door: Door) -> None:
    registry = door.new_token("registry")
    assert put(door, state(1, "1.0", actor={"kind": "admin"}), token=registry).get_json()["missing"] == "admin"
    other = door.new_token("registry", client="other", names=("bar",))
    assert put(door, state(1, "1.0"), token=other).get_json()["code"] == "caveat_project"
    yanks = door.new_token("registry", client="third", actions=("yank",))
    assert put(door, state(1, "1.0"), token=yanks).get_json()["code"] == "caveat_action"
    assert events(door) == []


def test_files_of_an_embedded_registry_must_have_been_uploaded(door: Door) -> None:
    body = state(1, "1.0")
    del body["releases"][0]["files"][0]["url"]
    answer = put(door, body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "blob_missing")


def test_a_full_state_needs_no_number_of_a_numbered_project(door: Door) -> None:
    numbered = {**publication("foo", "1.0"), "source_seq": 1}
    assert door.post("/v1/projects/foo/releases/1.0/publish", numbered).status_code in (200, 202)
    assert put(door, state(1, "1.0", "2.0")).get_json()["changed"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        state(0, "1.0"),
        {**state(1, "1.0"), "name": "foo"},
        {**state(1, "1.0"), "quarantine": None},
        state(1, "1.0", "v1.0"),
        state(1, "no version"),
        {**state(1), "releases": [{"version": "1.0", "files": []}]},
    ],
)
def test_what_is_no_state_is_malformed_and_writes_nothing(world: World, body: Any) -> None:
    door = Door(world)
    answer = put(door, body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "malformed")
    assert events(door) == []


def test_a_misspelled_preview_or_a_serial_of_ours_changes_nothing(door: Door) -> None:
    assert put(door, state(1, "1.0"), "?dryrun=true").status_code == 422
    assert put(door, state(1, "1.0"), **{"If-Match": '"serial-0"'}).status_code == 422
    assert events(door) == []


def test_a_clock_that_went_back_takes_no_state(world: World) -> None:
    door = Door(world)
    assert put(door, state(1, "1.0")).status_code == 200
    world.tick(seconds=-61)
    later = Door(world)  # with no rates counted yet
    answer = put(later, state(2, "1.0", "2.0"))
    assert (answer.status_code, answer.get_json()["code"]) == (503, "clock_regression")
    world.tick(seconds=61)
    assert put(later, state(2, "1.0", "2.0")).status_code == 200
