"""Flags in a running service: signed, checkable by a stranger, in force at commit time, and cleared in time."""

from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from keys import strict
from keys.state import Reason
from keys.times import stamp
from repo_service.accepting import halting, sweeping
from repo_service.domain import flags
from repo_service.domain import requests as r
from repo_service.storage.committing import Overtaken
from tests.service.door import Door, sdist
from tests.world import BECAUSE, OWNER, World, publishing

REASON = {"code": "incident", "text": "the signer's host is being looked at"}
WHY = Reason("incident")


def set_flag(door: Door, flag: str = "read_only", **more: object) -> None:
    answer = door.post(f"/v1/flags/{flag}/set", {"reason": REASON, **more})
    assert answer.status_code == 202, answer.get_json()


def clear(door: Door, flag: str = "read_only") -> None:
    assert door.post(f"/v1/flags/{flag}/clear", {"reason": REASON}).status_code == 202


def signed(world: World, number: int) -> flags.FlagAct | None:
    """What a stock TUF client gets as this act."""
    stock = world.stock(f"stock-{number}-{world.now:%H%M%S}")
    stock.refresh()
    if (found := stock.get_targetinfo(f"policy/flags/{number}.json")) is None:
        return None
    return strict.load(flags.FlagAct, strict.parse(Path(stock.download_target(found)).read_bytes()))


def test_a_stranger_can_check_every_act_and_that_there_is_no_later_one(door: Door) -> None:
    set_flag(door)
    clear(door)
    first, second = signed(door.world, 1), signed(door.world, 2)
    assert first is not None and [(each.flag, each.reason.code) for each in first.standing] == [
        ("read_only", "incident")
    ]
    assert second is not None and (second.act, second.standing) == ("cleared", ())
    assert signed(door.world, 3) is None


def test_who_set_it_is_not_in_the_signed_document(door: Door) -> None:
    set_flag(door)
    (stored,) = (door.world.public / "targets/policy/flags").iterdir()
    assert b"the admin" not in stored.read_bytes() and b"client" not in stored.read_bytes()


def test_what_a_flag_stops_is_503_and_says_when_to_come_again(door: Door) -> None:
    set_flag(door, until="2026-11-22T12:00:00Z")
    answer = door.publish("foo")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "flag_read_only")
    assert answer.headers["Retry-After"] == "Sun, 22 Nov 2026 12:00:00 GMT"
    assert answer.get_json()["detail"].endswith("Nothing was written.")
    clear(door)
    assert door.publish("foo").status_code in (200, 202)
    set_flag(door, "uploads_halted")
    answer = door.publish("foo", "2.0")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, None)


def test_a_flag_set_between_preview_and_commit_refuses_the_commit(door: Door) -> None:
    """Edge case 63."""
    door.world.do(publishing("foo"))
    body = {"reason": REASON, "actor": {"id": "a", "approver": "b"}}
    path = "/v1/projects/foo/releases/1.0/yank"
    assert door.post(f"{path}?dry_run=true", body).get_json()["would"]["events"] == ["release.yanked"]
    set_flag(door)
    assert door.post(path, body).get_json()["code"] == "flag_read_only"
    looked = door.post(f"{path}?dry_run=true", body).get_json()
    assert (looked["outcome"], looked["reasons"][0]["code"]) == ("deny", "flag_read_only")
    assert door.get("/v1/names/foo").get_json()["releases"][0]["yank"] is None


def test_flags_are_listed_with_the_document_that_says_so(door: Door) -> None:
    assert door.get("/v1/flags").get_json()["document"] is None
    set_flag(door, "deletions_halted", until="2026-11-23T00:00:00Z")
    found = door.get("/v1/flags").get_json()
    assert found["document"] == {"number": 1, "target": "policy/flags/1.json", "signed": True}
    listed = {each["flag"]: each["set"] for each in found["flags"]}
    assert listed["read_only"] is None
    assert listed["deletions_halted"]["until"] == "2026-11-23T00:00:00Z"


def test_what_is_already_so_is_no_act_and_who_saw_another_act_is_told(door: Door) -> None:
    set_flag(door)
    again = door.post("/v1/flags/read_only/set", {"reason": REASON})
    assert (again.status_code, again.get_json()["changed"]) == (200, False)
    late = door.post("/v1/flags/read_only/clear", {"reason": REASON}, **{"If-Match": '"serial-0"'})
    assert (late.status_code, late.get_json()["code"]) == (412, "serial_mismatch")
    assert door.post("/v1/flags/read_only/clear", {"reason": REASON}, **{"If-Match": '"serial-1"'}).status_code == 202


@pytest.mark.parametrize("flag", get_args(flags.Flag))
def test_nothing_is_uploaded_while_nothing_is_published(door: Door, flag: str) -> None:
    set_flag(door, flag)
    answer = door.upload("foo-1.0.tar.gz", sdist())
    if flag not in ("read_only", "uploads_halted"):
        assert answer.status_code == 201
        return
    assert (answer.status_code, answer.get_json()["code"]) == (503, f"flag_{flag}")
    assert not (door.world.public / "targets/packages").exists()


def test_a_notice_names_the_day_that_it_really_is(door: Door) -> None:
    door.world.do(publishing("foo"))
    door.world.record(r.Yank("foo", "1.0", WHY, r.Actor("owner", "thief")))
    set_flag(door)
    door.world.tick(days=2)
    clear(door)
    (notice,) = door.get("/v1/notices").get_json()["notices"]
    assert notice["deadline"] == "2026-11-25T10:00:00Z" and "2026-11-25T10:00:00Z" in notice["sentence"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("everything/set", {"reason": REASON}, 422),
        ("read_only/set", {}, 422),
        ("read_only/set", {"reason": REASON, "until": "soon"}, 422),
        ("read_only/set", {"reason": REASON, "until": "2026-11-22T10:00:00Z"}, 422),
        ("read_only/clear", {"reason": REASON, "until": "2027-11-22T10:00:00Z"}, 422),
        ("read_only/raise", {"reason": REASON}, 404),
    ],
)
def test_what_is_no_flag_is_refused_and_nothing_is_written(
    door: Door, path: str, body: dict[str, object], status: int
) -> None:
    assert door.post(f"/v1/flags/{path}", body).status_code == status
    assert door.get("/v1/flags").get_json()["document"] is None


def test_the_clock_clears_a_flag_in_time_and_what_was_due_waits_the_pause_out(world: World) -> None:
    world.do(publishing("foo"))
    world.record(r.Yank("foo", "1.0", WHY, r.Actor("owner", "thief")))
    until = stamp(world.now + timedelta(hours=48))
    halting.set_flag(world.service.journal, flags.SetFlag("read_only", WHY, until), "tests", None, world.now)
    for hours, acts, events in ((47, 1, 3), (1, 2, 3), (24, 2, 4)):
        world.tick(hours=hours)
        world.service.round()
        with world.service.journal.reading() as view:
            assert (len(view.flags()), view.counts()["events"]) == (acts, events)
    act = signed(world, 2)
    assert act is not None and act.by == "clock"


def test_the_sweeper_leaves_nothing_behind_of_what_it_may_not_do(world: World) -> None:
    world.do(publishing("foo"))
    world.record(r.Yank("foo", "1.0", WHY, r.Actor("owner", "thief")))
    halting.set_flag(world.service.journal, flags.SetFlag("deletions_halted", WHY), "tests", None, world.now)
    world.tick(days=3)
    assert sweeping.sweep(world.service.journal, world.now) == 0
    halting.clear_flag(world.service.journal, flags.ClearFlag("deletions_halted", WHY), "tests", None, world.now)
    assert sweeping.sweep(world.service.journal, world.now) == 1


def test_a_read_only_registry_stays_fresh_for_its_clients(door: Door) -> None:
    door.world.do(publishing("foo"))
    set_flag(door)
    door.world.tick(days=2)
    door.world.service.round()
    assert door.world.client("fresh").page("foo").state.name == "foo"


def test_an_act_that_a_crash_left_unsigned_is_signed_by_the_next_round(world: World) -> None:
    halting.set_flag(world.service.journal, flags.SetFlag("read_only", WHY), "tests", None, world.now)
    assert signed(world, 1) is None
    world.tick(seconds=1)
    assert world.service.round() is not None
    assert signed(world, 1) is not None
    assert world.service.round() is None


def test_no_two_acts_have_one_number(world: World) -> None:
    act = flags.set_flag((), flags.SetFlag("read_only", WHY), world.now)
    assert act is not None
    with world.service.journal.writing() as pen:
        pen.add_flag_act(act, "one")
    with pytest.raises(Overtaken), world.service.journal.writing() as pen:
        pen.add_flag_act(act, "other")


def test_nobody_but_an_admin_sets_a_flag(door: Door) -> None:
    for role in ("registry", "moderator"):
        token = door.new_token(role)
        answer = door.post("/v1/flags/read_only/set", {"reason": REASON}, token=token)
        assert (answer.status_code, answer.get_json()["missing"]) == (403, "halt")


def test_a_notice_whose_deadline_a_pause_put_off_is_acknowledged_as_long_as_it_is_listed(world: World) -> None:
    world.do(publishing("foo"), r.Unpublish("foo", "1.0", BECAUSE, r.Fact(0, stamp(world.now)), OWNER))
    halting.set_flag(world.service.journal, flags.SetFlag("read_only", WHY), "tests", None, world.now)
    world.tick(days=2)
    halting.clear_flag(world.service.journal, flags.ClearFlag("read_only", WHY), "tests", None, world.now)
    world.tick(days=29)
    door = Door(world, "registry")
    (told,) = door.get("/v1/notices").get_json()["notices"]
    assert door.post("/v1/notices/sent", {"id": told["id"]}).status_code == 200
    assert door.get("/v1/notices").get_json()["notices"] == []
