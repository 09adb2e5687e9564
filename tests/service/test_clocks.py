"""A clock that is wrong signs nothing; and what is done about one that was wrong before anybody noticed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keys import names
from keys.invariants import CLOCK
from repo_service.domain import requests as r
from repo_service.domain.clock import ClockWentBack
from repo_service.publishing.clocks import APART, ClocksDiffer, check_clocks, offsets
from repo_service.wiring import BadSettings, open_service
from tests.world import BECAUSE, BEGIN, OWNER, World, publishing

SECOND = timedelta(seconds=1)


def listed(world: World) -> list[str]:
    return sorted(path.name for path in world.public.rglob("*"))


@pytest.mark.parametrize("apart", [APART, -APART, timedelta(0)])
def test_clocks_may_be_a_minute_apart(apart: timedelta) -> None:
    check_clocks(BEGIN, [("the database", lambda: BEGIN + apart), ("the depot", lambda: None)])


@pytest.mark.parametrize(
    ("database", "depot"),
    [(APART + SECOND, timedelta(0)), (-APART - SECOND, timedelta(0)), (timedelta(0), timedelta(days=365)),
     (APART / 2, -APART / 2 - SECOND)],
)  # fmt: skip
def test_clocks_that_differ_are_named_with_what_each_says(database: timedelta, depot: timedelta) -> None:
    sources = [("the database", lambda: BEGIN + database), ("the depot", lambda: BEGIN + depot)]
    with pytest.raises(ClocksDiffer, match=r"this machine says .*; the database says .*; the depot says .*Z\. Nothing"):
        check_clocks(BEGIN, sources)
    assert offsets(BEGIN, sources) == {"the database": database.total_seconds(), "the depot": depot.total_seconds()}


def test_nothing_is_signed_while_the_depots_clock_says_otherwise_and_all_of_it_afterwards(world: World) -> None:
    depots = [world.now + timedelta(hours=1)]
    clocks = (("the database", lambda: None), ("the depot", lambda: depots[0]))
    service = replace(world.service, press=replace(world.service.press, clocks=clocks))
    world.record(publishing("foo"))
    before = listed(world)
    with pytest.raises(ClocksDiffer, match="the depot says 2026-11-22T11:00:00Z"):
        service.round()
    assert listed(world) == before
    with service.journal.reading() as view:
        assert len(view.pending().events) == 2, "what was accepted waits"
    depots[0] = world.now
    assert service.round() is not None
    assert world.client().page("foo") is not None


def test_a_service_with_the_real_clock_asks_the_database_and_the_depot(world: World) -> None:
    service = open_service(world.service.folder)
    assert [name for name, _ in service.press.clocks] == ["the database", "the depot"]
    assert offsets(datetime.now(UTC), service.press.clocks) == {}, "SQLite's clock and a disk's are this machine's"


def far_ahead(world: World) -> datetime:
    """Sign something with a clock that is a year ahead, then set it right."""
    right = world.now
    world.tick(days=365)
    world.do()
    world.now = right + timedelta(minutes=5)
    with pytest.raises(ClockWentBack):
        world.do(publishing("bar"))
    return right + timedelta(days=365)


def test_after_a_signing_by_a_clock_far_ahead_an_operator_can_go_on(world: World) -> None:
    world.do(publishing("foo"))
    ahead = far_ahead(world)
    with pytest.raises(
        ClocksDiffer, match="machine says 2026-11-22T10:05:00Z; the time you gave says 2026-11-22T10:07"
    ):
        world.service.clear_clock(world.now + timedelta(minutes=2))
    with pytest.raises(ClockWentBack):
        world.do(publishing("bar"))
    assert world.service.clear_clock(world.now) == ahead
    world.do(publishing("bar"))
    assert world.client("new").page("bar") is not None
    world.stock("stock").refresh()


def test_what_the_wrong_clock_signed_for_a_year_is_signed_again_at_once(world: World) -> None:
    """Whoever keeps it from clients may not do so for a year."""
    far_ahead(world)
    world.service.clear_clock(world.now)
    world.service.round()
    lifetimes = world.service.press.lifetimes
    with world.service.journal.reading() as view:
        roles = [each for each in view.roles().values() if each.role not in ("root", "targets", "held", "bins")]
    assert all(each.expires <= world.now + lifetimes.of(each.role) for each in roles)


def test_a_clock_that_is_right_is_not_cleared_and_the_next_one_that_goes_back_is_noticed(world: World) -> None:
    with pytest.raises(BadSettings, match="there is no clock to clear"):
        world.service.clear_clock(world.now)
    far_ahead(world)
    world.service.clear_clock(world.now)
    world.do(publishing("bar"))
    world.now -= CLOCK + SECOND
    with pytest.raises(ClockWentBack):
        world.do(publishing("baz"))


def test_names_that_changed_by_the_wrong_clock_wait_for_their_date_and_nobody_else_does(world: World) -> None:
    """What clients have verified cannot be told otherwise: those pages stay, dated later than now."""
    right = world.now
    world.tick(days=365)
    world.do(publishing("foo"))
    world.now = right + timedelta(minutes=5)
    world.service.clear_clock(world.now)
    with pytest.raises(ClockWentBack, match="2027-11-22T10:00:00Z"):
        world.record(r.Yank("foo", "1.0", BECAUSE, OWNER))
    world.do(publishing("bar"))
    stock = world.stock()
    stock.refresh()
    assert stock.get_targetinfo(names.page_path("foo")) is not None
    assert stock.get_targetinfo(names.page_path("bar")) is not None
    world.tick(days=365)
    world.do(r.Yank("foo", "1.0", BECAUSE, OWNER))
