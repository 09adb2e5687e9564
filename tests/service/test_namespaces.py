"""Namespaces over HTTP: one transaction for a prefix and every name under it, and what PEP 752 shows to everybody."""

import json
from typing import Any, Final

import pytest

from client_verify.answers import Found
from keys import names
from repo_service.domain import requests as r
from tests.service.door import Door, publication
from tests.world import World, publishing

X: Final = {"kind": "owner", "id": "account-1", "org": "org-x"}
Y: Final = {"kind": "owner", "id": "account-4", "org": "org-y"}
SUPPORT: Final = {"kind": "support", "id": "account-7"}
GRANT: Final = {"org": "org-x", "owner": "X Corp", "actor": SUPPORT}


def asked(door: Door, prefix: str, verb: str, body: Any, status: int = 200) -> Any:
    answer = door.post(f"/v1/namespaces/{prefix}/{verb}", body)
    assert answer.status_code == status, answer.data
    return answer.get_json()


def read(door: Door, path: str) -> Any:
    answer = door.client.get(path)
    assert answer.status_code == 200, answer.data
    return answer.get_json()


def page(door: Door, name: str) -> Any:
    """The installers' part of a page, as it is signed."""
    return {key: value for key, value in door.page(name).get_json().items() if key != "_state"}


def test_a_project_page_says_which_namespaces_it_is_in_as_pep_752_has_it(door: Door) -> None:
    for name, actor in (("foo-bar", Y), ("other", Y)):
        assert door.publish(name, actor=actor).status_code == 200
    asked(door, "Foo", "grant", GRANT)
    assert door.publish("foo-baz", actor=X).status_code == 200
    assert page(door, "foo-bar")["namespaces"] == [{"name": "foo", "owned": False}]
    assert page(door, "foo-baz")["namespaces"] == [{"name": "foo", "owned": True}]
    assert page(door, "other")["namespaces"] is None
    assert page(door, "foo-baz")["meta"] == {"api-version": "1.5"}
    asked(door, "foo", "end", {"actor": X})
    assert page(door, "foo-bar")["namespaces"] is None, "edge case 45"


def test_who_may_not_is_refused_with_409_and_the_owner_s_text(door: Door) -> None:
    """PEP 752: an upload to a reserved namespace fails with 409 Conflict."""
    asked(door, "foo", "grant", GRANT)
    answer = door.publish("foo-bar", actor=Y)
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (409, "name_in_namespace")
    assert problem["reasons"][0]["params"] == {"namespace": "foo", "owner": "X Corp"}
    assert "org-x" not in answer.get_data(as_text=True)


def test_a_grant_and_every_name_under_it_are_one_change_in_one_snapshot(door: Door) -> None:
    for name in ("foo-a", "foo-b"):
        door.publish(name, actor=Y)
    receipt = asked(door, "foo", "grant", GRANT)
    assert (receipt["status"], receipt["serial"]) == ("signed", 2)
    for name in ("foo", "foo-a", "foo-b"):
        history = door.get(f"/v1/names/{name}/history").get_json()["events"]
        event = next(each for each in history if each["type"] == "namespace.matched")
        assert (event["by"], event["signed_in"]) == ("support", receipt["signed_in"]["timestamp"])


def test_a_grant_that_cannot_be_written_for_one_name_is_written_for_none(door: Door) -> None:
    for name in ("foo-a", "foo-b"):
        door.publish(name, actor=Y)
    before = door.get("/v1/status").get_json()
    with door.world.service.journal.writing() as pen:
        pen._connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE UPDATE ON names WHEN NEW.name = 'foo-b' BEGIN SELECT RAISE(ABORT, 'x'); END"
        )
    assert door.post("/v1/namespaces/foo/grant", GRANT).status_code == 409
    assert door.get("/v1/status").get_json() == before
    assert door.get("/v1/names/foo").status_code == 404


def test_no_organisation_is_named_by_its_id_in_anything_public(door: Door) -> None:
    """I24: ids of organisations are the registry's own."""
    door.publish("foo-bar", actor=Y)
    asked(door, "foo", "grant", GRANT)
    asked(door, "foo", "share", {"org": "org-y", "shown": "Y Corp", "actor": X})
    asked(door, "foo", "grant-child", {"actor": X}, 200)
    asked(door, "foo-bar", "grant-child", {"actor": X})
    asked(door, "foo-bar", "hand-over", {"org": "org-x", "owner": "X Corporation", "actor": X})
    asked(door, "foo", "unshare", {"org": "org-y", "actor": X})
    door.post("/v1/projects/foo-bar/assign", {"org": "org-z", "actor": SUPPORT})
    for file in door.world.public.rglob("*"):
        assert not file.is_file() or b"org-" not in file.read_bytes(), file
    for path in ("/v1/events", "/v1/names/foo/history", "/v1/names/foo-bar", "/v1/names/foo-x/availability"):
        assert "org-" not in door.get(path).get_data(as_text=True)


def test_the_lists_of_pep_752_name_parents_and_direct_children(door: Door) -> None:
    assert read(door, "/namespaces") == []
    asked(door, "foo", "grant", GRANT)
    asked(door, "foo-bar", "grant-child", {"actor": X})
    asked(door, "foo-bar-baz", "grant", GRANT)
    asked(door, "foobar", "grant", {**GRANT, "org": "org-y", "owner": "Y Corp"})
    assert read(door, "/namespaces") == [{"name": name} for name in ("foo", "foo-bar", "foo-bar-baz", "foobar")]
    assert read(door, "/namespace/foo") == {"name": "foo", "parent": None, "children": ["foo-bar"], "owner": "X Corp"}
    found = read(door, "/namespace/foo-bar")
    assert (found["parent"], found["children"]) == ("foo", ["foo-bar-baz"])
    assert door.client.get("/namespace/Foo.Bar").headers["Location"] == "/namespace/foo-bar"
    assert door.client.get("/namespace/foo-x").status_code == 404
    door.publish("foo", actor=X)
    door.publish("foo-x", actor=X)
    assert door.client.get("/namespace/foo-x").status_code == 404, "a project is no namespace"


def test_what_lies_below_a_prefix_is_looked_at_too(door: Door) -> None:
    """Edge case 45, and child grants: both need to know of prefixes that are longer."""
    asked(door, "foo-bar", "grant", GRANT)
    other = {**GRANT, "org": "org-y", "owner": "Y Corp"}
    assert asked(door, "foo", "grant", other, 409)["code"] == "namespace_overlap"
    asked(door, "foobar", "grant", other)
    asked(door, "foo", "grant", GRANT)
    asked(door, "foo-x", "grant-child", {"actor": X})
    assert asked(door, "foo", "end", {"actor": X}, 409)["code"] == "namespace_has_children"


def test_a_name_in_a_namespace_cannot_be_had_and_the_answer_shows_every_page_that_says_so(door: Door) -> None:
    asked(door, "foo", "grant", GRANT)
    answer = door.get("/v1/names/foo-bar-baz/availability").get_json()
    assert (answer["standing"], answer["until"]) == ("namespace", None)
    assert "only X Corp" in answer["sentence"]
    evidence = answer["proof"]["namespaces"]
    assert [each["target"] for each in evidence] == [names.page_path(n) for n in ("foo", "foo-bar", "foo-bar-baz")]
    assert [each["sha256"] is None for each in evidence] == [False, True, True]
    client = door.world.client()
    found = client.page("foo")
    assert isinstance(found, Found) and found.state.namespace is not None
    assert found.state.namespace.owner == "X Corp"
    asked(door, "foo", "end", {"actor": X})
    assert door.get("/v1/names/foo-bar-baz/availability").get_json()["standing"] == "free"
    assert door.get("/v1/names/foo/availability").get_json()["standing"] == "free"


def test_the_holder_of_a_reservation_that_is_overtaken_is_told_through_the_notices(door: Door) -> None:
    """Edge case 46."""
    door.post("/v1/names/foo-bar/reserve", {"actor": Y})
    assert door.get("/v1/notices").get_json()["notices"] == []
    asked(door, "foo", "grant", GRANT)
    (told,) = door.get("/v1/notices").get_json()["notices"]
    assert (told["name"], told["audience"]) == ("foo-bar", "holder")
    answer = door.post("/v1/names/foo-bar/renew", {"actor": Y})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "reservation_not_renewable")


def test_existing_projects_are_assigned_and_the_prefix_granted_in_one_batch(door: Door) -> None:
    for name in ("foo-a", "foo-b"):
        door.publish(name, actor={"kind": "system"})
    assign = {"verb": "assign", "org": "org-x", "actor": SUPPORT}
    items = [{**assign, "name": name} for name in ("foo-a", "foo-b")]
    answer = door.post("/v1/batch", {"items": [*items, {"verb": "grant", "name": "foo", **GRANT}]})
    assert answer.status_code == 200, answer.data
    assert page(door, "foo-a")["namespaces"] == page(door, "foo-b")["namespaces"] == [{"name": "foo", "owned": True}]


def test_a_token_for_some_names_grants_no_prefix_beyond_them(door: Door) -> None:
    token = door.new_token("registry", names=("foo",))
    assert door.post("/v1/namespaces/foo/grant", GRANT, token=token).status_code == 200
    answer = door.post("/v1/namespaces/fo/grant", GRANT, token=token)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "caveat_project")


def test_an_unknown_verb_and_a_grant_without_an_organisation_are_told_what_is_wrong(door: Door) -> None:
    assert asked(door, "foo", "give", GRANT, 404)["code"] == "verb_unknown"
    assert asked(door, "foo", "grant", {"actor": SUPPORT}, 422)["code"] == "malformed"
    assert asked(door, "foo", "share", {"org": "org-y", "shown": "Y", "actor": X}, 404)["code"] == "namespace_unknown"
    assert asked(door, "foo", "grant", {**GRANT, "owner": "a\nb"}, 422)["code"] == "malformed"


def test_an_idempotency_key_is_answered_the_same_and_grants_once(door: Door) -> None:
    door.publish("foo-bar", actor=Y)
    first = door.post("/v1/namespaces/foo/grant", GRANT, key="once").get_json()
    assert door.post("/v1/namespaces/foo/grant", GRANT, key="once").get_json() == first
    events = door.get("/v1/names/foo-bar/history").get_json()["events"]
    assert [each["type"] for each in events].count("namespace.matched") == 1


def test_every_client_follows_a_name_through_a_grant_and_its_end(world: World) -> None:
    support = r.Actor("support", "account-7")
    owner = r.Actor("owner", "account-1", org="org-x")
    world.do(publishing("foo-bar"))
    assert isinstance(world.client().page("foo-bar"), Found)
    serials = []
    steps = (
        r.Grant("foo", "org-x", "X Corp", support),
        r.Share("foo", "org-y", "Y Corp", owner),
        r.Unshare("foo", "org-y", owner),
        r.Assign("foo-bar", "org-x", support),
        r.EndGrant("foo", support),
    )
    for step in steps:
        world.do(step)
        found = world.client().page("foo-bar")  # one memory all the way: it refuses a serial with two states
        assert isinstance(found, Found)
        serials.append(found.state.serial)
    assert serials == [3, 3, 3, 5, 6], "equal serial, equal bytes: it moves only where the name's own state does"


@pytest.mark.parametrize("name", ["foo-bar", "foo"])
def test_a_preview_of_a_name_under_a_grant_says_everything_that_would_happen(door: Door, name: str) -> None:
    asked(door, "foo", "grant", GRANT)
    answer = door.post(f"/v1/projects/{name}/releases/1.0/publish?dry_run=true", publication(name, actor=X))
    would = json.loads(answer.data)["would"]
    assert would["events"] == ["namespace.matched", "project.created", "release.published"]
