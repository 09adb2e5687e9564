"""Asking again is always safe: while the first is being decided, after a crash, and however long afterwards."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repo_service.accepting import intake
from repo_service.domain import requests as r
from repo_service.failpoint import arm
from repo_service.storage.journal import Collided
from repo_service.storage.requestreading import ChangeRecord
from repo_service.web.app import create_app
from repo_service.wiring import open_service
from tests.service.door import Door, Silent, publication
from tests.world import ADMIN, BECAUSE, World, publishing

PUBLISH = "/v1/projects/foo/releases/1.0/publish"


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm(None)


def events(world: World) -> int:
    with world.service.journal.reading() as view:
        return view.counts()["events"]


def test_the_same_request_while_the_first_is_being_decided_waits_and_is_answered_the_same(world: World) -> None:
    app = create_app(world.service.desk(Silent()))
    headers = {"Authorization": f"Bearer {Door(world).token}", "Idempotency-Key": "once"}
    deciding, decided = threading.Event(), threading.Event()
    answers: list[dict[str, object]] = []

    def stop_the_first(name: str) -> None:
        if name == "intake.before_commit" and not deciding.is_set():
            deciding.set()
            assert decided.wait(5)

    def send() -> None:
        answers.append(app.test_client().post(PUBLISH, json=publication("foo"), headers=headers).get_json())

    arm(stop_the_first)
    first, second = threading.Thread(target=send), threading.Thread(target=send)
    first.start()
    assert deciding.wait(5)
    second.start()
    second.join(0.3)
    assert answers == []
    decided.set()
    first.join()
    second.join()
    assert answers[0] == answers[1] and answers[0]["changed"]
    assert events(world) == 2


def test_a_request_that_was_accepted_before_a_crash_is_one_event_when_it_comes_again(tmp_path: Path) -> None:
    """Edge case 48: the duplicate arrives while the signer restarts."""
    world = World(tmp_path)

    def lose_the_answer(name: str) -> None:
        if name == "intake.committed":
            raise ConnectionError("the caller never heard")

    arm(lose_the_answer)
    with pytest.raises(ConnectionError):
        world.record(publishing("foo"), "once")
    arm(None)
    restarted = open_service(tmp_path / "service", clock=lambda: world.now)
    sender = intake.Sender("tests", "once")
    again = intake.record(restarted.journal, publishing("foo"), sender, world.now)
    assert (again.events, again.serial, events(world)) == (2, 2, 2)
    assert restarted.round() is not None
    assert intake.record(restarted.journal, publishing("foo"), sender, world.now) == again


def test_a_request_that_died_before_its_commit_is_decided_when_it_comes_again(world: World) -> None:
    def die(name: str) -> None:
        if name == "intake.before_commit":
            raise ConnectionError

    arm(die)
    with pytest.raises(ConnectionError):
        world.record(publishing("foo"), "once")
    arm(None)
    assert events(world) == 0
    assert world.record(publishing("foo"), "once").events == 2


@pytest.mark.parametrize("days", [7, 400])
def test_a_key_is_kept_for_seven_days_and_for_ever(world: World, days: int) -> None:
    door = Door(world)
    first = door.publish("foo", key="once").get_json()
    world.tick(days=days)
    world.service.round()
    door.token = door.new_token("admin")
    assert door.publish("foo", key="once").get_json() == first
    other = door.post("/v1/projects/foo/archive", {}, key="once")
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")


# Two transactions that write what only one can: on PostgreSQL, where writers do not wait for each other.


def collide(times: int) -> None:
    left = [None] * times

    def reached(name: str) -> None:
        if name == "intake.before_commit" and left:
            left.pop()
            raise Collided("another request wrote the same at the same time")

    arm(reached)


def test_who_loses_a_race_is_decided_again_on_what_the_winner_left(world: World) -> None:
    collide(1)
    assert world.record(publishing("foo")).events == 2
    collide(1)
    items = [intake.Item(r.Lock("foo", BECAUSE, ADMIN), 2), intake.Item(r.Unlock("foo", BECAUSE, ADMIN), 2)]
    done = list(intake.record_each(world.service.journal, items, intake.Sender("tests", "batch"), world.now))
    assert [each.serial for each in done if isinstance(each, ChangeRecord)] == [3, 4]


def test_who_loses_twice_is_told_to_send_it_again(world: World) -> None:
    door = Door(world)
    collide(2)
    answer = door.publish("foo", key="once")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "state_conflict")
    assert "Send it again. Nothing was written." in answer.get_json()["detail"]
    assert door.publish("foo", key="once").get_json()["changed"]


def test_who_loses_twice_in_a_batch_loses_one_item_of_it(world: World) -> None:
    world.do(publishing("foo"))
    door = Door(world)
    collide(2)
    items = [{"verb": "archive", "name": "foo"}, {"verb": "close", "name": "foo", "version": "1.0"}]
    answer = door.post("/v1/batch", {"mode": "each", "items": items})
    first, second = answer.get_json()["items"]
    assert (answer.status_code, first["problem"]["code"]) == (207, "state_conflict")
    assert second["receipt"]["changed"]


def test_an_answer_that_is_there_already_collides_and_leaves_nothing(world: World) -> None:
    record = world.record(publishing("foo"))
    with pytest.raises(Collided), world.service.journal.writing() as pen:
        pen.keep(replace(pen.locked_name("foo"), holder="account-7"), None, None)
        pen.answer(record)
    with world.service.journal.reading() as view:
        assert view.name("foo").holder is None
