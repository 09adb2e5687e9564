"""Looking before leaping: a preview writes nothing, and a change can insist on the state that its sender saw."""

import pytest

from repo_service import intake
from repo_service.domain import requests as r
from tests.service.door import Door, publication
from tests.world import BECAUSE, OWNER, World, publishing

YANK = "/v1/projects/foo/releases/1.0/yank"
WHY = {"reason": {"code": "broken"}, "actor": {"id": "a", "approver": "b"}}


@pytest.fixture
def door(world: World) -> Door:
    world.do(publishing("foo"))
    return Door(world, "admin")


def test_a_preview_says_what_would_happen_and_writes_nothing(door: Door) -> None:
    with door.world.service.journal.reading() as view:
        before = view.counts()
    answer = door.post(f"{YANK}?dry_run=true", WHY)
    assert answer.status_code == 200
    assert answer.get_json() == {"name": "foo", "serial": 2, "would": ["release.yanked"], "warnings": []}
    with door.world.service.journal.reading() as view:
        assert view.counts() == before
        assert view.name("foo").state == door.world.client().page("foo").state


def test_a_preview_spends_no_key_and_warns_as_the_change_would(door: Door) -> None:
    alone = {**WHY, "actor": {"id": "a"}}
    answer = door.post(f"{YANK}?dry_run=true", alone, key="once").get_json()
    assert answer["would"] == ["release.yank_held"] and answer["warnings"][0]["code"] == "mass_yank_brake"
    assert door.post(YANK, WHY, key="once").get_json()["changed"]


def test_a_preview_gives_every_reason_as_the_refusal_would(door: Door) -> None:
    path = "/v1/projects/foo/releases/9.0/yank"
    previewed, refused = door.post(f"{path}?dry_run=true", WHY), door.post(path, WHY)
    assert previewed.status_code == refused.status_code == 404
    assert previewed.get_json()["reasons"] == refused.get_json()["reasons"]


def test_a_preview_of_what_is_already_so_would_do_nothing(door: Door) -> None:
    assert door.post("/v1/projects/foo/releases/1.0/publish?dry_run=true", publication("foo")).status_code == 409
    assert door.post("/v1/projects/foo/unarchive?dry_run=true", {}).get_json()["would"] == []


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


def test_a_batch_is_neither_previewed_nor_tied_to_one_serial_and_says_so(door: Door) -> None:
    body = {"items": [{"verb": "yank", "name": "foo", "version": "1.0", **WHY}]}
    for answer in (door.post("/v1/batch?dry_run=true", body), door.post("/v1/batch", body, If_Match='"serial-2"')):
        assert (answer.status_code, answer.get_json()["code"]) == (422, "malformed")
    with door.world.service.journal.reading() as view:
        found = view.name("foo").state
    assert found is not None and found.serial == 2
