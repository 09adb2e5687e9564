"""How much and how often: 413, 429 and 503, each with what to do next and nothing written."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from repo_service.operating.settings import BadSettings
from repo_service.web.limits import Rates
from tests.service.door import Door, Silent, publication
from tests.world import BEGIN, World

RELEASE = "/v1/projects/foo/releases/1.0"


def refused(answer: TestResponse) -> tuple[int, str, str]:
    return answer.status_code, answer.get_json()["code"], answer.headers["Retry-After"]


def events(world: World) -> int:
    with world.service.journal.reading() as view:
        return view.counts()["events"]


def test_a_client_that_asks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    world = World(tmp_path, "client_per_minute = 3\n")
    door = Door(world)
    other = door.new_token("auditor")
    assert [door.get("/v1/status").status_code for _ in range(3)] == [200] * 3
    assert refused(door.publish("foo")) == (429, "rate_limited", "20")
    assert events(world) == 0
    assert door.get("/v1/status", other).status_code == 200
    world.tick(seconds=19)
    assert refused(door.get("/v1/status")) == (429, "rate_limited", "1")
    world.tick(seconds=1)
    assert door.get("/v1/status").status_code == 200
    assert refused(door.get("/v1/status")) == (429, "rate_limited", "20")


def test_a_clients_rotated_tokens_share_its_rate(tmp_path: Path) -> None:
    door = Door(World(tmp_path, "client_per_minute = 2\n"))
    tokens = [door.new_token("auditor", client="acme") for _ in range(3)]
    assert [door.get("/v1/status", token).status_code for token in tokens] == [200, 200, 429]


def test_a_tokens_own_rate_can_only_lower_the_services(tmp_path: Path) -> None:
    door = Door(World(tmp_path, "client_per_minute = 3\n"))
    for per_minute, let_through in ((1, 1), (9, 3)):
        token = door.new_token("auditor", client=f"acme {per_minute}", per_minute=per_minute)
        assert [door.get("/v1/status", token).status_code for _ in range(4)].count(200) == let_through


def test_a_name_is_changed_only_so_often_by_all_clients_together(tmp_path: Path) -> None:
    world = World(tmp_path, "name_per_minute = 2\n")
    door = Door(world)
    door.publish("foo")
    before = events(world)
    assert door.put("/v1/projects/Foo/files/foo-1.0.zip", b"x").status_code == 422
    assert refused(door.post(f"{RELEASE}/yank", {}, token=door.new_token("registry"))) == (429, "rate_limited", "30")
    assert refused(door.put("/v1/projects/foo/files/foo-1.0.zip", b"x")) == (429, "rate_limited", "30")
    assert events(world) == before
    assert door.get("/v1/names/foo").status_code == 200
    assert door.publish("bar").status_code == 200
    world.tick(seconds=30)
    assert door.post(f"{RELEASE}/yank", {}).status_code == 200


def test_who_may_not_change_a_name_does_not_use_up_its_rate(tmp_path: Path) -> None:
    door = Door(World(tmp_path, "name_per_minute = 1\n"))
    for token in (door.new_token("auditor"), door.new_token("registry", client="acme", names=("acme",))):
        assert door.post(f"{RELEASE}/publish", publication("foo"), token=token).status_code == 403
    assert door.post(f"{RELEASE}/publish", publication("foo"), token=door.new_token("moderator")).status_code == 403
    assert door.publish("foo").status_code == 200


def test_while_publishing_is_behind_changes_are_pushed_back_and_reading_is_not(tmp_path: Path) -> None:
    world = World(tmp_path, "max_pending = 3\n")
    door = Door(world, bell=Silent())
    assert [door.publish(name).status_code for name in ("foo", "bar")] == [202, 202]
    assert events(world) == 4
    world.tick(seconds=1)
    answer = door.publish("baz")
    assert refused(answer) == (503, "publishing_behind", "5")
    assert answer.get_json()["detail"].endswith("Nothing was written.")
    assert (events(world), door.get("/v1/names/foo").status_code) == (4, 200)
    world.service.round()
    assert door.publish("baz").status_code == 202


def test_room_is_looked_for_once_a_second_and_its_end_by_every_request(tmp_path: Path) -> None:
    world = World(tmp_path, "max_pending = 1\n")
    door = Door(world, bell=Silent())
    assert [door.publish(name).status_code for name in ("foo", "bar")] == [202, 202]
    world.tick(seconds=1)
    assert [door.publish(name).status_code for name in ("baz", "qux")] == [503, 503]
    world.service.round()
    assert door.publish("baz").status_code == 202


def test_an_upload_that_is_too_large_leaves_no_file(tmp_path: Path) -> None:
    world = World(tmp_path, "max_upload_bytes = 1000\n")
    answer = Door(world).put("/v1/projects/foo/files/foo-1.0.tar.gz", b"x" * 1001)
    assert (answer.status_code, answer.get_json()["code"]) == (413, "too_large")
    assert not list((world.public / "targets").rglob("foo*")) and not list(world.public.rglob("*incoming*/*"))


def test_a_rate_is_a_minutes_worth_at_once_and_then_evenly() -> None:
    rates = Rates()
    granted = [at for at in range(600) if rates.wait("x", 6, BEGIN + timedelta(seconds=at)) == 0]
    assert granted[:6] == [0, 1, 2, 3, 4, 5]
    assert {after - before for before, after in pairwise(granted[6:])} == {10}


def test_a_quiet_hour_is_not_saved_up() -> None:
    rates = Rates()
    rates.wait("x", 3, BEGIN)
    later = BEGIN + timedelta(hours=1)
    assert [rates.wait("x", 3, later) == 0 for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("setting", ["client_per_minute", "name_per_minute", "max_pending", "max_token_days"])
def test_a_limit_that_would_close_the_service_is_refused_with_its_name(tmp_path: Path, setting: str) -> None:
    with pytest.raises(BadSettings, match=setting):
        World(tmp_path, f"{setting} = 0\n")


def test_a_clock_that_goes_back_locks_nobody_out_for_longer() -> None:
    rates = Rates()
    assert rates.wait("x", 1, BEGIN) == 0
    assert rates.wait("x", 1, BEGIN - timedelta(seconds=5)) == pytest.approx(65)
    assert rates.wait("x", 1, BEGIN + timedelta(seconds=60)) == 0


def test_what_was_not_counted_costs_nothing() -> None:
    rates = Rates()
    rates.wait("x", 1, BEGIN)
    for _ in range(100):
        assert rates.wait("x", 1, BEGIN) == 60


def test_many_keys_take_bounded_memory_and_lose_no_live_count() -> None:
    rates = Rates()
    rates.wait("live", 1, BEGIN + timedelta(seconds=90))
    for number in range(25_000):
        rates.wait(f"key {number}", 60, BEGIN + timedelta(seconds=number // 250))
    assert len(rates._paid_until) <= 10_000
    assert rates.wait("live", 1, BEGIN + timedelta(seconds=100)) > 0
