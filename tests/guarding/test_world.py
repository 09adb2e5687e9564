"""With a guard before the key the repository is as it is without, and python-tuf reads it through everything."""

import json
from pathlib import Path
from typing import Final

import pytest
from tuf.ngclient import Updater

from keys import layout, names
from keys.signing import SignerAway, SignerRefused
from repo_service.commands import keyfiles
from repo_service.domain import requests as r
from tests.guarding.guarded import GuardedWorld
from tests.world import BECAUSE, OWNER, online_key, publishing, root_of_trust

OLD: Final = online_key(1).record.keyid
NEW: Final = online_key(2).record.keyid


def everyone_reads(world: GuardedWorld, *expected: str) -> None:
    """Clients that were there from the beginning and clients that begin now: python-tuf's and ours."""
    for name in ("cached", f"fresh-{world.now:%d-%H-%M-%S}"):
        stock: Updater = world.stock(f"stock-{name}")
        stock.refresh()
        for each in expected:
            assert stock.get_targetinfo(names.page_path(each)) is not None
            assert world.client(f"ours-{name}").page(each) is not None


def signers(world: GuardedWorld, role: str) -> set[str]:
    files = [each for each in (world.public / "metadata").iterdir() if each.name.endswith(f"{role}.json")]
    newest = max(files, key=lambda file: int("0" + file.name.partition(".")[0].replace("timestamp", "")))
    return {each["keyid"] for each in json.loads(newest.read_bytes())["signatures"]}


def yank(name: str) -> r.Request:
    return r.Yank(name, "1.0", BECAUSE, OWNER)


def test_clients_read_what_was_published_yanked_and_renewed(world: GuardedWorld) -> None:
    assert not (world.service.folder / "online.key").exists()
    world.do(publishing("foo"), publishing("bar"))
    everyone_reads(world, "foo", "bar")
    world.tick(minutes=5)
    world.do(yank("foo"), publishing("foo", "2.0"))
    everyone_reads(world, "foo", "bar")
    for _ in range(35):
        world.tick(days=1)
        world.service.round()
    everyone_reads(world, "foo", "bar")


def test_a_guard_that_was_started_again_goes_on_and_keeps_nothing_that_is_safe(world: GuardedWorld) -> None:
    for number in range(3):
        world.tick(minutes=5)
        world.do(publishing("foo", f"{number}.0"))
        world.restart_guard()
    world.tick(minutes=5)
    world.do(publishing("bar"))
    everyone_reads(world, "foo", "bar")
    kept = world.guard._store._connection.execute("SELECT count(DISTINCT role) FROM kept").fetchone()[0]
    assert kept <= 2, "of the newest release only"


def test_a_new_online_key_signs_beside_the_old_one_inside_the_guard(tmp_path: Path) -> None:
    world = GuardedWorld(tmp_path, bins=16)
    world.do(publishing("foo"))
    world.give_key("online-next.key", 2)
    world.restart_guard('keys = ["online.key", "online-next.key"]')
    world.reopen()
    world.tick(minutes=1)
    world.service.round()
    everyone_reads(world, "foo")
    assert all(signers(world, role) == {OLD, NEW} for role in ("timestamp", "snapshot", *layout.Bins(4).roles()))
    world.take_in(root_of_trust(world.now, after=world.trust, online_number=2, bins=16))
    everyone_reads(world, "foo")
    world.tick(hours=1)
    world.restart_guard('keys = ["online-next.key"]')
    world.reopen()
    world.do(publishing("bar"))
    assert signers(world, "timestamp") == {NEW}
    everyone_reads(world, "foo", "bar")
    world.close()


@pytest.mark.parametrize(("first", "second"), [(4, 16), (16, 4), (4, 256)])
def test_another_number_of_bins_loses_nothing(tmp_path: Path, first: int, second: int) -> None:
    world = GuardedWorld(tmp_path, bins=first)
    many = [f"name-{number}" for number in range(12)]
    world.do(*map(publishing, many))
    world.tick(minutes=5)
    world.take_in(root_of_trust(world.now, after=world.trust, bins=second))
    everyone_reads(world, *many)
    world.tick(minutes=5)
    world.restart_guard()
    world.do(*map(yank, many))
    everyone_reads(world, *many)
    world.close()


def test_a_name_that_goes_to_held_leaves_the_others_as_they_are(world: GuardedWorld) -> None:
    world.do(publishing("foo"))
    world.tick(minutes=5)
    world.take_in(root_of_trust(world.now, after=world.trust, held=("internal",)))
    world.do(publishing("bar"))
    everyone_reads(world, "foo", "bar", "internal")


def test_a_guard_that_is_away_stops_publishing_and_nothing_else(world: GuardedWorld) -> None:
    world.stop_guard()
    world.record(publishing("foo"))
    with pytest.raises(SignerAway, match="does not answer"):
        world.service.round()
    everyone_reads(world)
    assert any("does not answer" in each for each in keyfiles.rotation_lines(world.service)), "and status still works"
    world.start_guard()
    world.service.round()
    everyone_reads(world, "foo")


def test_more_yanks_than_the_breaker_allows_wait_for_a_waiver(world: GuardedWorld) -> None:
    many = [f"name-{number}" for number in range(6)]
    world.do(*map(publishing, many))
    world.restart_guard("yanks_an_hour = 5")
    world.tick(minutes=5)
    with pytest.raises(SignerRefused, match=r"\(yanks\): .* 6 releases would be yanked within an hour; .* allows 5"):
        world.do(*map(yank, many))
    everyone_reads(world, *many)
    with pytest.raises(SignerRefused):
        world.service.round()
    world.waive(("yanks", 1))
    world.service.round()
    everyone_reads(world, *many)
    assert world.client().page("name-0").state.releases[0].yank is not None  # type: ignore[union-attr]
