"""The policy in a running service: signed, announced, in force at commit time, and what the API warns of."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keys import strict
from keys.times import stamp
from repo_service.accepting import intake
from repo_service.cli import main
from repo_service.domain import requests as r
from repo_service.domain.announcing import NotAnnounced, Published
from repo_service.domain.policy import Policy, parse, preset
from repo_service.operating.settings import BadSettings
from repo_service.wiring import open_service, presets
from tests.service.door import OWNER, Door, publication
from tests.world import BECAUSE, World, publishing
from tests.world import OWNER as HOLDER

ADMINS = ("admin-1", "admin-2")
APPROVED = ("--approved-by", "admin-1", "--approved-by", "admin-2")
OWN = 'extends = "standard"\nname = "acme"\nversion = 1\n'


def own(text: str = "", effective_from: str | None = None) -> Policy:
    return replace(parse(OWN + text, presets()), effective_from=effective_from)


def ask(world: World, path: str) -> Published | None:
    """What a stock TUF client gets as the policy at ``path``."""
    stock = world.stock(f"stock-{world.now:%Y%m%d%H%M%S}")
    stock.refresh()
    if (found := stock.get_targetinfo(path)) is None:
        return None
    return strict.load(Published, strict.parse(Path(stock.download_target(found)).read_bytes()))


def test_the_first_snapshot_holds_the_policy_that_judges_from_the_first_day(world: World) -> None:
    published = ask(world, "policy/standard/1.json")
    assert published is not None
    assert (published.policy, published.published_at) == (preset("standard", presets()), stamp(world.now))


def test_the_settings_choose_the_first_policy(tmp_path: Path) -> None:
    world = World(tmp_path, 'policy = "npm-2016"\n')
    with world.service.journal.reading() as view:
        assert view.policy(world.now).id == "npm-2016/1"
    assert ask(world, "policy/npm-2016/1.json")


def test_an_unknown_preset_stops_the_first_ceremony_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"there is no preset 'pypy'.*Nothing was written"):
        World(tmp_path, 'policy = "pypy"\n')
    assert [path for path in (tmp_path / "service/public").rglob("*") if path.is_file()] == []


def test_what_is_announced_is_signed_at_once_and_judges_from_its_date(world: World) -> None:
    second = own("[yank]\nreason_required = true\n", stamp(world.now.replace(year=2027)))
    world.do(publishing("foo"))
    world.service.announce(second)
    published = ask(world, "policy/acme/1.json")
    assert published is not None and published.policy == second
    world.record(r.Yank("foo", "1.0", actor=HOLDER))
    world.record(r.Unyank("foo", "1.0"))
    world.tick(days=365, seconds=-1)
    world.record(r.Yank("foo", "1.0", actor=HOLDER))
    world.tick(seconds=1)
    with pytest.raises(intake.Refused) as refused:
        world.record(r.Yank("foo", "1.0", actor=HOLDER))
    assert ([why.code for why in refused.value.refusal.reasons], refused.value.policy.id) == (
        ["reason_missing"],
        "acme/1",
    )
    world.record(r.Yank("foo", "1.0", BECAUSE, HOLDER))
    with world.service.journal.reading() as view:
        assert [event.policy for event in view.events("foo")][-2:] == ["standard/1", "acme/1"]


def test_a_policy_that_is_not_announced_leaves_nothing_behind(world: World) -> None:
    with pytest.raises(NotAnnounced):
        world.service.announce(own())
    with world.service.journal.reading() as view:
        assert [each.policy.id for each in view.policies()] == ["standard/1"]
    assert ask(world, "policy/acme/1.json") is None


def test_every_version_stays_signed(world: World) -> None:
    for version in (1, 2):
        world.service.announce(replace(own("emergency = 'a worm'\n"), version=version), ADMINS)
    for path in ("policy/standard/1.json", "policy/acme/1.json", "policy/acme/2.json"):
        world.tick(seconds=1)
        assert ask(world, path), path


def test_a_policy_that_a_crash_left_unsigned_is_signed_by_the_next_round(world: World) -> None:
    published = Published(stamp(world.now), stamp(world.now), own())
    with world.service.journal.writing() as pen:
        pen.add_policy(published)
    assert world.service.round() is not None
    assert ask(world, "policy/acme/1.json") == published
    assert world.service.round() is None


def test_the_public_door_serves_a_policy_as_it_was_signed(door: Door) -> None:
    (stored,) = (door.world.public / "targets/policy/standard").iterdir()
    answer = door.client.get(f"/targets/policy/standard/{stored.name}")
    assert (answer.status_code, answer.data) == (200, stored.read_bytes())


# What the API says.


def test_a_receipt_warns_of_what_will_be_refused_and_says_from_when(world: World) -> None:
    text = """emergency = "a test"
[yank]
reason_required = true
[phases]
contact_unverified = [{ phase = "off" }]
reason_missing = [{ phase = "warn" }, { phase = "enforce", since = "2027-01-01T00:00:00Z" }]
"""
    door = Door(world)
    door.publish("foo")
    world.service.announce(own(text), ADMINS)
    answer = door.post("/v1/projects/foo/releases/1.0/yank", {"actor": OWNER}, key="yank-1")
    (warning,) = answer.get_json()["warnings"]
    assert (answer.status_code, warning["code"]) == (200, "reason_missing")
    assert warning["enforced_from"] == "2027-01-01T00:00:00Z"
    again = door.post("/v1/projects/foo/releases/1.0/yank", {"actor": OWNER}, key="yank-1")
    kept = door.get(f"/v1/changes/{answer.get_json()['change']}")
    assert answer.get_json() == again.get_json() == kept.get_json()
    world.tick(days=60)
    door = Door(world)
    door.post("/v1/projects/foo/releases/1.0/unyank", {"actor": OWNER}, key="unyank-1")
    refused = door.post("/v1/projects/foo/releases/1.0/yank", {"actor": OWNER}, key="yank-2")
    assert (refused.status_code, refused.get_json()["code"]) == (422, "reason_missing")
    assert refused.get_json()["policy"] == "acme/1"


def test_a_verified_contact_is_said_by_the_request_and_never_published(world: World) -> None:
    door = Door(world)
    owner = OWNER | {
        "contact": {"state": "verified", "as_of": stamp(world.now)},
        "auth": {"method": "token", "mfa": True},
    }
    assert door.publish("foo", actor=owner).get_json()["warnings"] == []
    warnings = door.publish("bar").get_json()["warnings"]
    assert [each["code"] for each in warnings] == ["contact_unverified"]
    assert {each["enforced_from"] for each in warnings} == {None}
    signed = b"".join(path.read_bytes() for path in world.public.rglob("*.vnd.pypi.simple.v1.json"))
    assert signed and b"contact" not in signed and b"mfa" not in signed


@pytest.mark.parametrize("contact", [{"state": "sure", "as_of": "2026-11-22T10:00:00Z"}, {"state": "verified"}, "yes"])
def test_a_contact_of_another_form_is_malformed(quiet_door: Door, contact: Any) -> None:
    body = publication("foo", actor=OWNER | {"contact": contact})
    assert quiet_door.post("/v1/projects/foo/releases/1.0/publish", body).status_code == 422


def test_who_approved_an_emergency_is_kept_and_never_signed(world: World) -> None:
    world.service.announce(own("emergency = 'a worm'\n"), ADMINS)
    with closing(sqlite3.connect(world.folder / "service/journal.sqlite")) as database:
        kept = database.execute("SELECT approved_by FROM policies ORDER BY seq").fetchall()
    assert kept == [("[]",), ('["admin-1","admin-2"]',)]
    assert b"admin-1" not in b"".join(path.read_bytes() for path in world.public.rglob("*.json"))


def test_the_api_says_which_policy_judges_what_comes_and_what_it_changes(world: World) -> None:
    door, starts = Door(world), "2027-01-01T00:00:00Z"
    phases = '[phases]\nreason_missing = [{ phase = "warn" }, { phase = "enforce", since = "2027-02-01T00:00:00Z" }]\n'
    world.service.announce(own(f"[unpublish]\nwindow_s = 60\n{phases}", starts))
    found = door.get("/v1/policy").get_json()
    first = {"id": "standard/1", "target": "policy/standard/1.json", "emergency": None}
    times = {"published_at": stamp(world.now), "effective_from": stamp(world.now)}
    assert found["in_force"] == first | times
    (coming,) = found["coming"]
    assert (coming["id"], coming["effective_from"]) == ("acme/1", starts)
    assert {"parameter": "unpublish.window_s", "old": 259200, "new": 60} in coming["differences"]
    rules = {rule["code"]: rule for rule in found["rules"]}
    assert (rules["contact_unverified"]["phase"], rules["reason_missing"]["phase"]) == ("warn", "enforce")
    world.tick(days=60)
    found = Door(world).get("/v1/policy").get_json()
    assert (found["in_force"]["id"], found["coming"]) == ("acme/1", [])
    rule = next(rule for rule in found["rules"] if rule["code"] == "reason_missing")
    assert (rule["phase"], rule["enforced_from"], rule["demands"]) == (
        "warn",
        "2027-02-01T00:00:00Z",
        "A yank says why.",
    )
    assert [step["phase"] for step in rule["steps"]] == ["warn", "enforce"]


def test_the_api_gives_a_policy_as_it_is_signed(world: World) -> None:
    door = Door(world)
    (stored,) = (world.public / "targets/policy/standard").iterdir()
    assert door.get("/v1/policy/standard/1").data == stored.read_bytes()
    for path in ("standard/2", "standard/01", "nobody/1", "%0A/1"):
        answer = door.get(f"/v1/policy/{path}")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "policy_unknown")


def test_a_token_for_some_names_may_read_the_policy(world: World) -> None:
    door = Door(world)
    assert door.get("/v1/policy", door.new_token("registry", names=("acme",))).status_code == 200


# The command, which reads the clock of the machine.


@pytest.fixture
def today(tmp_path: Path) -> World:
    """A world that begins now."""
    return World(tmp_path / "today", begin=datetime.now(UTC).replace(microsecond=0))


def test_check_shows_what_changes_and_writes_nothing(
    today: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "next.toml"
    file.write_text(OWN + 'emergency = "a worm"\n[unpublish]\nwindow_s = 60\n')
    assert main(["policy", str(today.folder / "service"), "check", str(file), *APPROVED]) == 0
    said = capsys.readouterr().out
    assert "unpublish.window_s: 259200 -> 60" in said
    assert "acme/1 can be published" in said and "Nothing was written." in said
    with today.service.journal.reading() as view:
        assert len(view.policies()) == 1


def test_publish_announces_and_show_says_what_judges(
    today: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "next.toml"
    file.write_text(OWN + 'emergency = "a worm"\n')
    home = str(today.folder / "service")
    assert main(["policy", home, "publish", str(file), "--approved-by", "admin-1"]) == 2
    assert "two admins stand behind it, not 1" in capsys.readouterr().err
    assert main(["policy", home, "publish", str(file), *APPROVED]) == 0
    assert "policy/acme/1.json" in capsys.readouterr().out
    assert main(["policy", home, "show"]) == 0
    standard, acme = capsys.readouterr().out.splitlines()
    assert standard.startswith("standard/1") and standard.endswith("was replaced")
    assert acme.startswith("acme/1") and "judges now, at once because: a worm" in acme
    assert main(["policy", home, "publish", str(file)]) == 2
    assert "the next of acme is 2. Nothing was written." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OWN, "people need notice until"),
        (OWN + "[unpublsh]\nwindow_s = 1\n", "unpublsh: is not known here"),
        ("= 1", "not TOML"),
        (None, "No such file"),
    ],
)
def test_a_policy_that_cannot_be_published_says_what_is_wrong(
    today: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    file = tmp_path / "next.toml"
    if text is not None:
        file.write_text(text)
    for act in ("check", "publish"):
        assert main(["policy", str(today.folder / "service"), act, str(file)]) == 2
        message = capsys.readouterr().err
        assert said in message and "Nothing was written." in message


def test_the_settings_file_is_what_the_command_reads_by_default(
    today: World, capsys: pytest.CaptureFixture[str]
) -> None:
    home = today.folder / "service"
    (home / "service.toml").write_text('policy = "policy.toml"\n')
    (home / "policy.toml").write_text(OWN + 'emergency = "a worm"\n')
    assert main(["policy", str(home), "publish", *APPROVED]) == 0
    with open_service(home).journal.reading() as view:
        assert [each.policy.id for each in view.policies()] == ["standard/1", "acme/1"]
