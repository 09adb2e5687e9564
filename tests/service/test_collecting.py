"""What was replaced goes only when no timestamp that was ever public, and is good, can lead anybody to it."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from client_verify.answers import Found
from repo_service.cli import main
from repo_service.domain import requests as r
from repo_service.mending import collecting
from repo_service.storage import tables as t
from tests.service.dying import dying_at
from tests.service.test_fsck import lines
from tests.world import OWNER, World, publishing

WEEK = timedelta(days=7)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Twenty releases on one day."""
    world = World(tmp_path)
    world.do(publishing("foo"))
    for number in range(9):
        world.do(r.Yank("foo", "1.0", None, OWNER))
        world.do(r.Unyank("foo", "1.0", None, OWNER))
        world.tick(minutes=number)
    return world


def collect(world: World, keep: timedelta = WEEK) -> tuple[int, int]:
    done = collecting.collect(world.service.journal, world.service.depot, keep, world.now)
    return done.marked, done.dropped


def metadata(world: World) -> set[str]:
    return {path.name for path in (world.public / "metadata").iterdir()}


def wait(world: World, days: int) -> None:
    """Days in which the service goes on."""
    for _ in range(days):
        world.tick(days=1)
        world.service.round()


def test_first_marked_then_gone_a_day_later_and_the_rest_is_sound(world: World) -> None:
    before = metadata(world)
    assert collect(world) == (0, 0), "nothing is old enough"
    wait(world, 5)
    assert collect(world) == (0, 0), "no timestamp of then is good, and keep_s has not passed"
    wait(world, 3)
    marked, dropped = collect(world)
    assert marked > 20 and dropped == 0 and before <= metadata(world)
    assert collect(world) == (0, 0), "marked once, and a day has not passed"
    wait(world, 1)
    assert collect(world)[1] == 0, "a day is a day"
    world.tick(minutes=1)
    assert collect(world)[1] == marked
    assert "2.snapshot.json" in before and "2.snapshot.json" not in metadata(world)
    assert [line for line in lines(world) if "packages" not in line] == []
    assert isinstance(world.client("fresh").page("foo"), Found)


def test_a_slow_client_with_an_old_timestamp_that_is_good_finds_all_that_it_names(world: World) -> None:
    """It fetched the timestamp, slept as long as that is good, and only then goes on."""
    world = World(
        world.folder / "long", "timestamp_s = 864000\nsnapshot_s = 864000\nkeep_s = 867660\n", begin=world.now
    )
    world.do(publishing("foo"))
    mirror = world.folder / "mirror"
    slow = world.stock("slow")
    old = (world.public / "metadata/timestamp.json").read_bytes()
    for number in range(12):
        world.do(publishing("foo", f"{number}.1"))
    for _ in range(9):
        world.tick(days=1)
        world.service.round()
        collect(world, timedelta(seconds=1))
    shutil.copytree(world.public, mirror)
    (mirror / "metadata/timestamp.json").write_bytes(old)
    slow._fetcher.folder = mirror  # type: ignore[attr-defined]
    slow = world.updater(
        str(world.folder / "slow"), "https://registry.test/metadata", target_base_url="https://registry.test/targets",
        target_dir=str(world.folder / "slow"), fetcher=slow._fetcher, bootstrap=world.trust.roots[0].data,
    )  # fmt: skip
    slow.refresh()
    found = slow.get_targetinfo("simple/foo/vnd.pypi.simple.v1.json")
    assert found is not None
    slow.download_target(found)
    world.tick(days=2)
    world.service.round()
    for _ in range(2):
        collect(world, timedelta(seconds=1))
        world.tick(days=1, minutes=1)
        world.service.round()
    assert "2.snapshot.json" not in metadata(world), "once the timestamp is past its date, it goes"


def test_ten_releases_stay_however_old_they_are(world: World) -> None:
    wait(world, 0)
    world.tick(days=30)
    world.service.round()
    for _ in range(2):
        collect(world)
        world.tick(days=1, minutes=1)
    with world.service.journal.reading() as view:
        head = view.head()
    assert head is not None
    snapshots = sorted(int(name.split(".")[0]) for name in metadata(world) if name.endswith("snapshot.json"))
    assert snapshots == [1, *range(head.generation - 10, head.generation + 1)], "and 1, an anchor of deltas"


def test_the_deltas_to_a_file_go_with_it_and_the_snapshot_that_deltas_lead_from_stays(world: World) -> None:
    wait(world, 9)
    before = {path.name for path in (world.public / "deltas").iterdir()}
    for _ in range(2):
        collect(world)
        world.tick(days=1, minutes=1)
        world.service.round()
    left = {path.name for path in (world.public / "deltas").iterdir()}
    led_to = {f"{new}.{role}.json" for new, role in (name.split(".")[1:3] for name in left)}
    assert left and left < before | left and led_to <= metadata(world)
    assert len(before - left) > 10 and "1.snapshot.json" in metadata(world)


def test_a_partial_tile_of_the_log_stays_until_the_full_one_is_there_and_full_ones_stay(world: World) -> None:
    def tiles() -> set[str]:
        return {path.relative_to(world.public).as_posix() for path in (world.public / "log/tile").rglob("*/*.p/*")}

    first = {path for path in tiles() if "000.p/" in path}
    wait(world, 9)
    collect(world)
    wait(world, 2)
    assert collect(world)[1] > 0 and first <= tiles(), "of 256 leaves there are few"
    while not (world.public / "log/tile/0/000").is_file():
        world.do(*(publishing(f"name-{world.now:%H%M}-{number}", actor=r.Actor("system")) for number in range(30)))
        world.tick(minutes=1)
    wait(world, 12)
    collect(world)
    wait(world, 2)
    collect(world)
    assert not first & tiles() and (world.public / "log/tile/entries/000").is_file()


def test_no_root_ever_goes(world: World) -> None:
    with world.service.journal._engine.begin() as connection:
        connection.execute(t.files.update().where(t.files.c.path == "metadata/1.root.json").values(superseded=1))
    wait(world, 30)
    for _ in range(2):
        collect(world)
        world.tick(days=1, minutes=1)
    assert "1.root.json" in metadata(world)


def test_what_is_not_copied_out_yet_protects_what_it_replaces(world: World) -> None:
    """Its pointer has not moved: clients are still at the release before."""
    world.record(publishing("foo", "7.0"))
    with dying_at("publish.committed"):
        world.service.round()
    for _ in range(12):  # many more are signed while the depot cannot be reached
        with world.service.journal._engine.begin() as connection:
            row = connection.execute(select(t.releases).order_by(t.releases.c.generation.desc())).first()
            assert row is not None
            connection.execute(t.releases.insert(), {**row._mapping, "generation": row.generation + 1})
    world.tick(days=60)
    with world.service.journal.inventory() as view:
        staged = min(view.staged())
        assert collecting._until(view, world.now) < staged


def test_a_clock_that_was_ahead_is_noticed_before_anything_is_gone(world: World) -> None:
    world.tick(days=300)
    assert collect(world)[0] > 0
    world.tick(days=-300 + 2)
    before = metadata(world)
    assert collect(world)[1] == 0 and metadata(world) == before


def test_killed_between_the_file_and_its_row_it_is_done_again(world: World) -> None:
    wait(world, 8)
    marked, _ = collect(world)
    wait(world, 1)
    world.tick(minutes=1)
    with dying_at("collect.dropped"):
        collect(world)
    assert collect(world)[1] == marked
    assert [line for line in lines(world) if "packages" not in line] == []


def test_the_command_says_what_would_go_and_writes_nothing(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = str(world.folder / "service")
    wait(world, 8)
    monkeypatch.setattr("repo_service.wiring.utc_now", lambda: world.now)
    assert main(["gc", home, "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "would go in a day: metadata/2.snapshot.json" in said and said[-1] == "Nothing was written."
    assert main(["gc", home]) == 0
    assert capsys.readouterr().out == f"0 files are gone, and {len(said) - 1} more go in a day.\n"
    world.tick(days=1, minutes=1)
    assert main(["gc", home, "--dry-run"]) == 0
    assert "would go now: metadata/2.snapshot.json" in capsys.readouterr().out
    assert "2.snapshot.json" in metadata(world)


def test_a_publisher_collects_once_a_day_when_it_has_nothing_to_publish(world: World) -> None:
    wait(world, 30)
    before = metadata(world)
    do_round = world.service.rounds()

    def idle() -> int:
        """Rounds until there is nothing to do; how many files are marked to go then."""
        while do_round():
            pass
        with world.service.journal.inventory() as view:
            return len([*view.marked(1 << 30, world.now, world.now + timedelta(minutes=1))])

    assert idle() == 0, "not at a start"
    world.tick(hours=1)
    assert idle() > 0 and before <= metadata(world), "marked, and there for another day"
    world.tick(hours=23)
    idle()
    assert before <= metadata(world)
    world.tick(hours=1, minutes=1)
    idle()
    assert not before <= metadata(world)
