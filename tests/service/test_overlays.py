"""What lies over a project, a release or a file, over HTTP: each verb answers, and clients see what follows."""

from typing import Any

import pytest

from keys.state import installable
from tests.service.door import Door, publication
from tests.world import World

ADMIN = {"actor": {"kind": "admin"}, "reason": {"code": "abuse", "text": "reported twice"}}
ADVICE = {"reason": {"code": "moved", "text": "continued elsewhere"}, "alternative": "bar"}
WHY = {"reason": {"code": "mistake", "text": "wrong file"}}


@pytest.fixture
def door(world: World) -> Door:
    found = Door(world, "admin")
    assert found.post("/v1/projects/foo/releases/1.0/publish", publication("foo")).status_code in (200, 202)
    return found


def status(world: World) -> Any:
    world.service.round()
    state = world.client().page("foo").state
    return state, [file.filename for _, file in installable(state)]


@pytest.mark.parametrize(
    ("on", "off", "body", "field"),
    [
        ("archive", "unarchive", {}, "archived"),
        ("deprecate", "undeprecate", ADVICE, "deprecated"),
        ("lock", "unlock", ADMIN, "locked"),
        ("quarantine", "clear", ADMIN, "quarantine"),
    ],
)
def test_a_project_s_overlay_is_laid_on_and_taken_off(
    door: Door, on: str, off: str, body: dict[str, Any], field: str
) -> None:
    before, _ = status(door.world)
    for verb, present in ((on, True), (off, False)):
        sent = body if verb == on or body is ADMIN else {}
        answer = door.post(f"/v1/projects/foo/{verb}", sent)
        assert answer.status_code in (200, 202) and answer.get_json()["changed"], answer.get_json()
        state, _ = status(door.world)
        assert (getattr(state, field) is not None) == present
        assert not door.post(f"/v1/projects/foo/{verb}", sent).get_json()["changed"]
    assert state.releases == before.releases


@pytest.mark.parametrize(
    ("on", "off", "body", "field"),
    [("deprecate", "undeprecate", ADVICE, "deprecated"), ("quarantine", "clear", ADMIN, "quarantine")],
)
def test_a_release_s_overlay_is_laid_on_and_taken_off(
    door: Door, on: str, off: str, body: dict[str, Any], field: str
) -> None:
    for verb, present in ((on, True), (off, False)):
        sent = body if verb == on or body is ADMIN else {}
        assert door.post(f"/v1/projects/foo/releases/1.0/{verb}", sent).get_json()["changed"]
        state, files = status(door.world)
        assert (getattr(state.releases[0], field) is not None) == present
        assert bool(files) != (present and field == "quarantine")


def test_a_closed_release_takes_no_new_file(door: Door) -> None:
    assert door.post("/v1/projects/foo/releases/1.0/close", {}).get_json()["changed"]
    wheel = {**publication("foo")["files"][0], "filename": "foo-1.0-py3-none-any.whl"}
    answer = door.post("/v1/projects/foo/releases/1.0/publish", {"files": [wheel]})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "release_closed")


def test_a_file_is_removed_restored_and_purged(door: Door) -> None:
    wheel = {**publication("foo")["files"][0], "filename": "foo-1.0-py3-none-any.whl"}
    assert door.post("/v1/projects/foo/releases/1.0/publish", {"files": [wheel]}).get_json()["changed"]
    path = "/v1/projects/foo/releases/1.0/files/foo-1.0-py3-none-any.whl"
    support = {**WHY, "actor": {"kind": "support"}}
    assert door.post(f"{path}/remove", support).get_json()["changed"]
    assert status(door.world)[1] == ["foo-1.0.tar.gz"]
    assert door.post(f"{path}/restore", {**WHY, "actor": {"kind": "admin"}}).get_json()["changed"]
    assert len(status(door.world)[1]) == 2
    assert door.post(f"{path}/remove", support).get_json()["changed"]
    assert door.post(f"{path}/purge", {"actor": {"kind": "admin"}}).get_json()["changed"]
    answer = door.post(f"{path}/restore", {**WHY, "actor": {"kind": "admin"}})
    assert (answer.status_code, answer.get_json()["code"]) == (410, "purged")
    last = door.post("/v1/projects/foo/releases/1.0/files/foo-1.0.tar.gz/remove", support)
    assert (last.status_code, last.get_json()["code"]) == (422, "last_file")
    assert door.post("/v1/projects/foo/releases/1.0/files/foo-9.zip/remove", support).status_code == 404


def test_a_name_is_revoked_and_a_prohibition_lifted(door: Door) -> None:
    assert door.post("/v1/names/kept/reserve", {"actor": {"id": "account-1"}}).get_json()["changed"]
    assert door.post("/v1/names/kept/revoke", ADMIN).get_json()["changed"]
    assert door.get("/v1/names/kept").get_json()["state"] == "vacant"
    assert door.post("/v1/names/kept/prohibit", ADMIN).get_json()["changed"]
    assert door.post("/v1/names/kept/unprohibit", ADMIN).get_json()["changed"]
    assert door.get("/v1/names/kept").get_json()["state"] == "vacant"
