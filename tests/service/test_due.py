"""What is signed again and when, with nobody asking for anything."""

from datetime import timedelta
from pathlib import Path

import pytest

from client_verify.refusals import Refused
from keys import names
from keys.invariants import CLOCK
from keys.layout import Bins
from keys.times import stamp
from repo_service.accepting import sweeping
from repo_service.build.assemble import Release
from repo_service.domain import requests as r
from repo_service.domain.clock import ClockWentBack
from repo_service.operating.settings import BadSettings
from repo_service.wiring import open_service
from tests.service.door import Door
from tests.world import BECAUSE, BEGIN, OWNER, World, publishing, root_of_trust

BINS = ["bin-0", "bin-1", "bin-2", "bin-3"]


def signed(release: Release | None) -> list[str]:
    return [role.name for role in release.roles] if release else []


def after(world: World, **duration: float) -> list[str]:
    """The roles that a round signs at this time after the beginning."""
    world.now = BEGIN + timedelta(**duration)
    return signed(world.service.round())


def test_a_timestamp_is_signed_again_alone_when_a_little_of_its_time_is_over(world: World) -> None:
    share = int(3 * 86400 * 0.08)
    assert after(world, seconds=1) == []
    assert after(world, seconds=share - 1) == []
    assert after(world, seconds=share) == ["timestamp"]
    assert after(world, seconds=2 * share - 1) == []
    assert after(world, seconds=2 * share) == ["timestamp"]


def test_a_snapshot_is_signed_again_at_half_of_its_time(world: World) -> None:
    assert after(world, days=3.5, seconds=-1) == ["timestamp"]
    assert after(world, days=3.5) == ["snapshot", "timestamp"]


def test_bins_are_signed_again_from_half_of_their_time_on_and_never_all_at_once(world: World) -> None:
    assert after(world, days=15, seconds=-1) == ["snapshot", "timestamp"]
    assert after(world, days=15) == ["bin-0", "snapshot", "timestamp"]
    assert after(world, days=17) == ["bin-2", "snapshot", "timestamp"]
    assert after(world, days=20) == ["bin-1", "snapshot", "timestamp"]
    assert after(world, days=22.5) == ["bin-3", "snapshot", "timestamp"]


def test_a_bin_that_changed_is_younger_than_the_others(world: World) -> None:
    world.tick(days=10)
    touched = signed(world.do(publishing("foo")))[:-2]
    assert 1 <= len(touched) <= 2
    assert sorted(after(world, days=22.5)) == [*(b for b in BINS if b not in touched), "snapshot", "timestamp"]


def test_only_bins_whose_content_changes_are_signed_again(tmp_path: Path) -> None:
    """A yank changes one page. The files of the other releases, and the yanked one's, lie where and as they did."""
    world = World(tmp_path, bins=256)
    world.do(*(publishing("foo", f"1.{number}", content=b"%d" % number) for number in range(30)), publishing("bar"))
    shape = Bins(8)
    page = shape.role(shape.number(names.page_path("foo")))
    assert signed(world.do(r.Yank("foo", "1.7", BECAUSE, OWNER))) == [page, "snapshot", "timestamp"]
    gone = shape.role(shape.number(names.file_path("foo", "foo-1.7.tar.gz")))
    unpublished = world.do(r.Unpublish("foo", "1.7", BECAUSE, r.Fact(0, stamp(world.now)), OWNER))
    assert signed(unpublished) == [*sorted({page, gone}), "snapshot", "timestamp"]
    stock = world.stock()
    stock.refresh()
    for number in range(30):
        target = stock.get_targetinfo(names.file_path("foo", f"foo-1.{number}.tar.gz"))
        assert (target is None) == (number == 7)
    with world.service.journal.reading() as view:
        assert len(view.targets_of(["foo"])) == 30, "the page and the files of 29 releases"


def test_idle_for_forty_days_with_a_round_each_day_keeps_every_client_happy(world: World) -> None:
    """Hackage's signed files expired unnoticed, and Stack ignores expiry since."""
    world.do(publishing("foo"), r.CloseRelease("foo", "1.0"))
    held = world.client("old").page("foo")
    for _ in range(40):
        world.tick(days=1)
        assert world.service.round() is not None
        assert world.client("old").page("foo") == held
    world.stock("new").refresh()
    with world.service.journal.reading() as view:
        assert all(each.expires > world.now for each in view.roles().values())


def test_without_rounds_clients_refuse_when_the_timestamp_is_over(world: World) -> None:
    world.tick(days=3, seconds=-1)
    world.client("just in time")
    world.tick(seconds=1)
    with pytest.raises(Refused) as refused:
        world.client("too late")
    assert refused.value.kind.title.startswith("metadata expired")
    world.service.round()
    world.client("later")


def test_what_is_signed_again_has_the_next_version_and_the_same_content(world: World) -> None:
    world.do(publishing("foo"), r.CloseRelease("foo", "1.0"))
    before = world.client().page("foo")
    with world.service.journal.reading() as view:
        old = view.roles()
    world.tick(days=23)
    world.service.round()
    with world.service.journal.reading() as view:
        new = view.roles()
    assert {role: new[role].version - old[role].version for role in BINS} == dict.fromkeys(BINS, 100_000)
    assert new["snapshot"].version == old["snapshot"].version + 1
    assert new["timestamp"].version == old["timestamp"].version + 1
    assert world.client().page("foo") == before


def test_a_clock_that_went_back_signs_nothing(world: World) -> None:
    world.do(publishing("foo"))
    last = world.now
    world.record(publishing("bar"))
    world.now = last - CLOCK - timedelta(seconds=1)
    before = sorted(path.name for path in world.public.rglob("*"))
    with pytest.raises(ClockWentBack):
        world.service.round()
    assert sorted(path.name for path in world.public.rglob("*")) == before
    world.now = last - CLOCK
    assert world.service.round() is not None


def test_a_clock_that_went_back_records_nothing_and_says_so(world: World) -> None:
    """``clock_regression``: behind the last event, although that is not signed yet."""
    world.tick(hours=1)
    world.record(publishing("foo"))
    world.tick(seconds=-60)
    world.record(publishing("foo", "2.0"))
    world.tick(seconds=-61)
    with pytest.raises(ClockWentBack, match="10:57:59Z, and the last event or signing was at 2026-11-22T10:59"):
        world.record(publishing("foo", "3.0"))
    with world.service.journal.reading() as view:
        assert len(view.events("foo")) == 3
    answer = Door(world).publish("bar")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "clock_regression")
    assert answer.get_json()["detail"].endswith("Nothing was written.")


def test_a_clock_that_went_back_lets_no_deadline_pass(world: World) -> None:
    world.record(publishing("foo"))
    world.tick(days=14, hours=1)
    world.record(publishing("bar"))
    world.tick(seconds=-61)
    with pytest.raises(ClockWentBack):
        sweeping.sweep(world.service.journal, world.now)
    world.tick(seconds=1)
    assert sweeping.sweep(world.service.journal, world.now) == 1


def test_a_deadline_that_passed_is_an_event_of_the_next_round(world: World) -> None:
    world.do(r.Reserve("foo", OWNER))
    world.tick(days=180)
    world.service.round()
    world.tick(days=14, seconds=-1)
    world.service.round()
    assert world.client("one").page("foo").state.state == "reserved"  # type: ignore[union-attr]
    world.tick(seconds=1)
    world.service.round()
    assert world.client("two").page("foo").state.state == "vacant"  # type: ignore[union-attr]
    with world.service.journal.reading() as view:
        events = len(view.events())
    world.service.round()
    with world.service.journal.reading() as view:
        assert len(view.events()) == events


def test_a_reserved_name_that_a_ceremony_came_to_hold_expires_and_stops_nobody(world: World) -> None:
    world.do(r.Reserve("foo", OWNER))
    world.take_in(root_of_trust(world.now, after=world.trust, held=("foo",)))
    world.tick(days=180)
    world.service.round()
    world.tick(days=14)
    assert world.do(publishing("bar")) is not None
    with world.service.journal.reading() as view:
        assert view.pending().events == ()
        assert [event.name for event in view.events()] == ["foo", "bar", "bar", "foo"]


def test_what_was_removed_is_purged_by_the_sweep_when_it_can_no_longer_be_restored(world: World) -> None:
    support = r.Actor("support")
    world.do(publishing("foo"), publishing("foo", "2.0"), r.Unpublish("foo", "1.0", BECAUSE, None, support))
    world.tick(days=29, hours=23)
    world.service.round()
    assert world.client().page("foo").state.releases[0].state == "unpublished"
    world.tick(hours=1)
    world.service.round()
    world.service.round()
    state = world.client().page("foo").state
    assert state.releases[0].state == "purged" and state.releases[0].files
    assert [act.type for act in state.history][-1:] == ["release.purged"]


@pytest.mark.parametrize(
    "settings",
    [
        "timestamp_s = 2399",
        "refresh_s = 0",
        "timestamp_s = 0",
        "snapshot_s = 3600",
        "bin_s = 86400",
        "timestamp_s = 999999999",
        "colour = 1",
        "refresh_s = 1.5",
        'layout = "wide"',
        "refresh_s",
    ],
)
def test_settings_with_which_clients_would_refuse_are_refused(world: World, settings: str) -> None:
    home: Path = world.service.folder
    (home / "service.toml").write_text(settings)
    with pytest.raises(BadSettings, match=r"service\.toml"):
        open_service(home)
