"""A waiver of the root holders allows what it says, so much of it, for so long, and nothing else does."""

from pathlib import Path

import pytest

from keys.signing import SignerRefused
from repo_service.domain import requests as r
from repo_service.guarding.rules import WAIVABLE
from tests.guarding.guarded import GuardedWorld
from tests.guarding.thief import Refused, Thief
from tests.world import BECAUSE, OWNER, publishing


def jump(its: Thief, steps: int) -> object:
    return its.sign(its.again("timestamp", version=its.body("timestamp")["version"] + steps))


def test_a_jump_of_a_version_is_signed_once_as_far_as_was_allowed(world: GuardedWorld) -> None:
    its = Thief(world)
    with pytest.raises(Refused, match="version_jump"):
        jump(its, 5000)
    world.waive(("version_jump", 5000))
    with pytest.raises(Refused, match="version_jump"):
        jump(its, 5001)
    assert jump(its, 5000)
    with pytest.raises(Refused, match="version_jump"):
        jump(its, 10_000)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "bin-0"])
def test_many_small_jumps_are_one_large_one(world: GuardedWorld, role: str) -> None:
    """Or a thief would be at 2^31 within the hour, and every client stuck."""
    its = Thief(world)
    step = 100_000 if role.startswith("bin") else 1
    first = its.body(role)["version"]
    assert its.sign(its.again(role, version=first + 600 * step))
    with pytest.raises(Refused, match="version_jump"):
        its.sign(its.again(role, version=first + 1200 * step))
    world.restart_guard()
    world.service.press.sign.highest((), 0)
    its = Thief(world)
    with pytest.raises(Refused, match="version_jump"):
        its.sign(its.again(role, version=first + 1200 * step))
    assert its.sign(its.again(role, version=first + 601 * step)), "one after the other is no jump"
    world.tick(minutes=61)
    assert its.sign(its.again(role, version=first + 1200 * step))


def test_a_waiver_that_is_over_allows_nothing(world: GuardedWorld) -> None:
    world.waive(("version_jump", None), hours=1)
    world.tick(hours=1)
    with pytest.raises(Refused, match="version_jump"):
        jump(Thief(world), 5000)


def test_a_waiver_of_one_rule_is_none_of_another(world: GuardedWorld) -> None:
    world.waive(*((rule, None) for rule in sorted(WAIVABLE - {"version_jump"})))
    with pytest.raises(Refused, match="version_jump"):
        jump(Thief(world), 5000)


def test_what_no_waiver_can_allow_is_no_waiver(world: GuardedWorld) -> None:
    world.waive(("equivocation", None), ("version_jump", None))
    with pytest.raises(Refused, match="version_jump"):
        jump(Thief(world), 5000)


def test_another_waiver_of_a_number_that_was_used_allows_nothing(world: GuardedWorld) -> None:
    its = Thief(world)
    world.waive(("version_jump", 5000), number=3)
    assert jump(its, 5000)
    world.waive(("version_jump", 50_000), number=3)
    with pytest.raises(Refused, match="version_jump"):
        jump(its, 20_000)
    world.waive(("version_jump", 50_000), number=4)
    assert jump(its, 20_000)


def test_what_was_used_of_a_waiver_stays_used_when_the_guard_is_started_again(world: GuardedWorld) -> None:
    world.waive(("version_jump", 6000))
    assert jump(Thief(world), 5000)
    world.restart_guard()
    world.service.press.sign.highest((), 0)
    with pytest.raises(Refused, match="version_jump"):
        jump(Thief(world), 10_000)


def test_a_clock_that_was_ahead_is_gone_back_from_with_a_waiver(world: GuardedWorld) -> None:
    world.tick(days=2)
    its = Thief(world)
    assert its.sign(its.again("timestamp"))
    world.tick(days=-2)
    payload = its.again("timestamp", version=its.body("timestamp")["version"] + 2)
    with pytest.raises(Refused, match="clock_back"):
        its.sign(payload)
    world.waive(("clock_back", None))
    assert its.sign(payload)


def test_an_hour_later_as_much_may_go_again(tmp_path: Path) -> None:
    world = GuardedWorld(tmp_path)
    world.do(*(publishing(f"name-{number}") for number in range(4)))
    world.restart_guard("yanks_an_hour = 2")
    world.tick(minutes=1)
    world.do(*(r.Yank(f"name-{number}", "1.0", BECAUSE, OWNER) for number in (0, 1)))
    world.tick(minutes=59)
    with pytest.raises(SignerRefused, match="yanks"):
        world.do(r.Yank("name-2", "1.0", BECAUSE, OWNER))
    world.restart_guard()
    with pytest.raises(SignerRefused, match="yanks"):
        world.service.round()
    world.tick(minutes=2)
    assert world.service.round() is not None
    world.close()
