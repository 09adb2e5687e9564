"""Look-alikes, words and limits at the door, in the answer about a name, and when two come at once."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.http import parse_date

from keys import names
from keys.skeletons import skeleton
from keys.times import moment
from repo_service.accepting import intake
from repo_service.domain import requests as r
from repo_service.domain.policy import parse
from repo_service.importing.folder import projects
from repo_service.wiring import presets
from tests.service.bring import taken
from tests.service.door import OWNER, Door, sdist
from tests.service.test_reading import read
from tests.world import ADMIN as BOSS
from tests.world import BECAUSE, World, publishing
from tests.world import OWNER as HOLDER

STRANGER = {"kind": "owner", "id": "account-2"}
SUPPORT = {"kind": "support", "id": "account-7"}


def test_a_look_alike_is_refused_with_the_names_that_it_looks_like(door: Door) -> None:
    door.publish("django")
    answer = door.publish("djang0", actor=STRANGER)
    assert (answer.status_code, answer.json["code"]) == (409, "name_similar")  # type: ignore[index]
    (reason,) = answer.json["reasons"]  # type: ignore[index]
    assert reason["params"] == {"similar_to": "django"}
    assert answer.json["detail"].endswith("Nothing was written.")  # type: ignore[index]


def test_a_look_alike_of_a_prohibited_name_is_refused(door: Door) -> None:
    door.world.do(r.Prohibit("pip", BECAUSE, BOSS))
    assert door.publish("p1p").json["code"] == "name_similar"  # type: ignore[index]


def test_a_look_alike_of_a_name_held_offline_is_refused(tmp_path: Path) -> None:
    door = Door(World(tmp_path, held=("module",)))
    assert door.publish("rnodule").json["code"] == "name_similar"  # type: ignore[index]
    assert read(door, "/v1/names/rnodule/availability")["alike"] == ["module"]


def test_a_look_alike_of_a_name_given_up_is_free(door: Door) -> None:
    door.world.do(r.Reserve("pip", HOLDER), r.Release("pip", HOLDER))
    assert read(door, "/v1/names/p1p/availability")["standing"] == "free"
    assert door.publish("p1p").status_code == 200


def test_support_reserves_a_look_alike_for_an_account_which_then_publishes(door: Door) -> None:
    door.publish("wheel")
    body = {"actor": SUPPORT, "holder_id": "account-2"}
    answer = door.post("/v1/names/vvheel/reserve", body)
    assert answer.status_code == 200, answer.json
    assert [each["code"] for each in answer.json["warnings"]] == ["name_similar"]  # type: ignore[index]
    assert door.publish("vvheel", actor=STRANGER).status_code == 200
    reserved, *_ = read(door, "/v1/names/vvheel/history")["events"]
    assert (reserved["by"], reserved["change"]["alike"]) == ("support", ["wheel"])
    assert "account-2" not in str(reserved)


def test_an_owner_reserves_for_nobody_else(door: Door) -> None:
    answer = door.post("/v1/names/foo/reserve", {"actor": OWNER, "holder_id": "account-2"})
    assert (answer.status_code, answer.json["code"]) == (422, "malformed")  # type: ignore[index]


def test_too_many_new_names_are_429_with_the_time_from_which_one_more_is_allowed(door: Door) -> None:
    for number in range(20):
        assert door.publish(f"x{number}y").status_code == 200
    door.world.tick(minutes=10)
    answer = door.publish("one-more")
    assert (answer.status_code, answer.json["code"]) == (429, "rate_limited")  # type: ignore[index]
    again = moment(answer.json["reasons"][0]["params"]["retry_after"])  # type: ignore[index]
    assert again == door.world.now + timedelta(minutes=50) == parse_date(answer.headers["Retry-After"])
    assert door.publish("one-more", actor=STRANGER).status_code == 200
    assert door.publish("one-more", "2.0", actor=STRANGER).status_code == 200
    door.world.tick(minutes=50)
    assert door.publish("and-one").status_code == 200


def test_too_many_reservations_are_403(door: Door) -> None:
    for number in range(10):
        assert door.post(f"/v1/names/x{number}y/reserve", {"actor": OWNER}).status_code == 200
    answer = door.post("/v1/names/one-more/reserve", {"actor": OWNER})
    assert (answer.status_code, answer.json["code"]) == (403, "reservation_quota")  # type: ignore[index]
    door.world.tick(days=1)
    for number in range(10):
        assert door.post(f"/v1/names/y{number}z/reserve", {"actor": OWNER}).status_code == 200
    door.world.tick(days=1)
    answer = door.post("/v1/names/one-more/reserve", {"actor": OWNER})
    assert answer.json["reasons"][0]["params"] == {"holds": 20, "most": 20}  # type: ignore[index]


def test_yanks_are_limited_where_the_policy_limits_them(door: Door) -> None:
    text = 'extends = "standard"\nname = "acme"\nversion = 1\nemergency = "a worm"\n[yank]\ninterval_s = 60\nburst = 1'
    door.world.service.announce(parse(text, presets()), ("admin-1", "admin-2"))
    for version in ("1.0", "2.0", "3.0"):
        door.publish("foo", version)
    assert door.post("/v1/projects/foo/releases/1.0/yank", {"actor": OWNER}).status_code == 200
    assert door.post("/v1/projects/foo/releases/2.0/yank", {"actor": OWNER}).status_code == 429
    door.world.tick(seconds=60)
    assert door.post("/v1/projects/foo/releases/2.0/yank", {"actor": OWNER}).status_code == 200


@pytest.mark.parametrize(
    ("name", "standing", "alike"),
    [
        ("djang0", "similar", ["django"]),
        ("json", "word", []),
        ("js0n", "similar", []),
        ("django", "taken", []),
        ("flask", "free", []),
    ],
)
def test_whether_a_name_is_free_says_what_it_looks_like(
    quiet_door: Door, name: str, standing: str, alike: list[str]
) -> None:
    quiet_door.publish("django")
    answer = read(quiet_door, f"/v1/names/{name}/availability")
    assert (answer["standing"], answer["alike"]) == (standing, alike)
    assert [each["target"] for each in answer["proof"]["alike"]] == [names.page_path(each) for each in alike]
    assert all(each["sha256"] for each in answer["proof"]["alike"])
    assert answer["proof"]["skeleton"] == f"skeleton-1:{skeleton(name)}"


@pytest.mark.parametrize(("preset", "name"), [("crates", "9foo"), ("crates", "a" * 65)])
def test_a_name_that_the_grammar_does_not_allow_is_not_free(tmp_path: Path, preset: str, name: str) -> None:
    door = Door(World(tmp_path, f'policy = "{preset}"\n'))
    assert read(door, f"/v1/names/{name}/availability")["standing"] == "invalid"


def test_where_look_alikes_are_observed_the_name_is_free_and_still_says_so(tmp_path: Path) -> None:
    door = Door(World(tmp_path, 'policy = "crates"\n'))
    door.world.do(r.Reserve("django", r.Actor("support", "account-7")))
    answer = read(door, "/v1/names/djang0/availability")
    assert (answer["standing"], answer["alike"]) == ("free", ["django"])


def test_of_two_look_alikes_that_come_at_once_one_is_taken(world: World) -> None:
    both = threading.Barrier(2)
    taken: list[str] = []
    refused: list[str] = []

    def take(name: str) -> None:
        both.wait()
        try:
            world.record(publishing(name), key=name)
            taken.append(name)
        except intake.Refused as error:
            refused.extend(why.code for why in error.refusal.reasons)

    threads = [threading.Thread(target=take, args=(name,)) for name in ("foo", "f00")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), refused) == (1, ["name_similar"])


def test_two_legacy_releases_of_one_version_are_left_out_of_an_import_with_the_reason(
    world: World, tmp_path: Path
) -> None:
    """foo 1.0 and foo 1.0.0 are one release (PEP 440), and one release has one sdist."""
    folder = tmp_path / "legacy"
    folder.mkdir()
    for filename, data in {
        "foo-1.0.tar.gz": sdist(),
        "foo-1.0.0.tar.gz": sdist(kind=""),
        "foo-2.0.tar.gz": sdist(),
        "f00-1.0.tar.gz": sdist(),
        "json-1.0.tar.gz": sdist(),
    }.items():
        (folder / filename).write_bytes(data)
    noted = taken(world, projects(folder, world.service.depot))
    (left_out,) = noted.problems
    assert (left_out.name, left_out.version) == ("foo", "1.0.0")
    assert "are the same artifact of one version" in left_out.why
    assert noted.counted.releases == 3, "look-alikes and names of modules that exist already come along"
