"""What a client sees from one snapshot to the next, also when a mirror misses one, mixes two or stands still."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from client_verify.refusals import Refused
from keys.state import Reason
from keys.times import stamp
from repo_service import failpoint
from repo_service.domain import requests as r
from tests.world import ADMIN, BECAUSE, OWNER, World, publishing


def mirrored(world: World, name: str) -> Path:
    """A mirror that copies what is public now, and nothing later."""
    return Path(shutil.copytree(world.public, world.folder / name))


def unpublished(world: World, name: str, version: str = "1.0") -> r.Unpublish:
    return r.Unpublish(name, version, BECAUSE, r.Fact(0, stamp(world.now)), OWNER)


def test_the_last_version_goes_and_the_placeholder_comes_in_one_snapshot(world: World) -> None:
    """Edge case 1: there is no snapshot with a registered project and no version."""
    world.do(publishing("foo"))
    before = mirrored(world, "before")
    world.record(unpublished(world, "foo"))
    assert world.client("waits").page("foo").state.state == "registered", "accepted is not in force"
    release = world.service.round()
    assert release is not None
    seen = [world.client(f"client-of-{mirror.name}", mirror).page("foo").state for mirror in (before, world.public)]
    assert [(state.state, [each.state for each in state.releases]) for state in seen] == [
        ("registered", ["published"]),
        ("placeholder", ["unpublished"]),
    ]


def test_after_everything_was_yanked_one_lifted_yank_makes_the_project_installable_again(world: World) -> None:
    """Edge case 12: each act is one serial further, so nothing passes unseen."""
    world.do(publishing("foo"), publishing("foo", "2.0", content=b"y"))
    world.do(*(r.Yank("foo", version, BECAUSE, OWNER) for version in ("1.0", "2.0")))
    before = world.client().page("foo").state
    assert all(release.yank for release in before.releases)
    world.do(r.Unyank("foo", "1.0", None, OWNER))
    after = world.client().page("foo").state
    assert [release.yank is None for release in after.releases] == [True, False]
    assert after.serial == before.serial + 1


def test_a_client_that_missed_a_snapshot_finds_every_yank_in_the_history(world: World) -> None:
    """Edge case 13: yanked, lifted, yanked for another reason; the client sees the serial three further."""
    world.do(publishing("foo"))
    before = world.client().page("foo").state.serial
    first, second = Reason("broken", "does not import"), Reason("insecure", "leaks memory")
    for request in (
        r.Yank("foo", "1.0", first, OWNER),
        r.Unyank("foo", "1.0", None, OWNER),
        r.Yank("foo", "1.0", second, OWNER),
    ):
        world.tick(hours=1)
        world.do(request)
    state = world.client().page("foo").state
    assert state.serial == before + 3
    assert [(act.type, act.mark.reason) for act in state.history[-3:]] == [
        ("release.yanked", first),
        ("release.unyanked", None),
        ("release.yanked", second),
    ]
    assert len({act.mark.at for act in state.history[-3:]}) == 3


@pytest.mark.parametrize("point", ["publish.committed", "finish.added", "depot.pointer_written", "depot.pointed"])
def test_a_snapshot_whose_publisher_died_is_never_signed_again_with_other_content(world: World, point: str) -> None:
    """Edge case 50: what came in meanwhile is in the next one."""

    def die(reached: str) -> None:
        if reached == point:
            raise KeyboardInterrupt

    world.record(publishing("foo"))
    failpoint.arm(die)
    try:
        with pytest.raises(KeyboardInterrupt):
            world.service.round()
    finally:
        failpoint.arm(None)
    with world.service.journal.reading() as view:
        committed = {path: body for _, path, body in view.staged_files(view.staged()[0], -1) if "snapshot" in path}
    assert [*committed] == ["metadata/2.snapshot.json"]
    world.tick(minutes=1)
    world.do(publishing("bar"))
    assert {path: (world.public / path).read_bytes() for path in committed} == committed
    assert (world.public / "metadata/3.snapshot.json").is_file()
    assert json.loads((world.public / "metadata/timestamp.json").read_bytes())["signed"]["version"] == 3
    assert {world.client().page(name).state.state for name in ("foo", "bar")} == {"registered"}


def test_a_mirror_that_missed_a_removal_deceives_nobody_for_longer_than_a_timestamp_lives(world: World) -> None:
    """Edge case 53: and whoever has seen the removal once, not at all."""
    world.do(publishing("foo"))
    stale = mirrored(world, "stale")
    world.do(r.Quarantine("foo", BECAUSE, ADMIN))
    assert world.client("saw it").page("foo").state.quarantine is not None
    with pytest.raises(Refused) as rolled_back:
        world.client("saw it", stale)
    assert rolled_back.value.code == "rollback"
    assert world.client("did not", stale).page("foo").state.quarantine is None
    world.tick(days=3)
    with pytest.raises(Refused) as frozen:
        world.client("did not", stale)
    assert frozen.value.code == "expired"


def test_an_old_page_under_a_new_snapshot_is_refused(world: World) -> None:
    """Edge case 54: one page is state and listing, and its address holds its hash."""
    world.do(publishing("foo"))
    (old,) = (world.public / "targets/simple/foo").iterdir()
    world.do(r.Quarantine("foo", BECAUSE, ADMIN))
    (new,) = set((world.public / "targets/simple/foo").iterdir()) - {old}
    mixed = mirrored(world, "mixed")
    (mixed / "targets/simple/foo" / new.name).write_bytes(old.read_bytes())
    with pytest.raises(Refused) as refused:
        world.client("client", mixed).page("foo")
    assert refused.value.code == "mismatch"


def test_an_account_that_is_erased_from_the_journal_changes_nothing_that_was_signed(world: World) -> None:
    """Edge case 60: its ids are in restricted columns alone, so everything verifies and goes on as before."""
    world.do(publishing("foo"), r.Reserve("kept", OWNER), r.Yank("foo", "1.0", BECAUSE, OWNER))
    before = {path: path.read_bytes() for path in world.public.rglob("*") if path.is_file()}
    known = world.client("cached").page("foo").state
    assert not any(b"account-" in body for body in before.values())
    with sqlite3.connect(world.folder / "service/journal.sqlite") as journal:
        journal.execute("UPDATE events SET actor = NULL, approver = NULL, holder = NULL")
        journal.execute("UPDATE names SET holder = NULL")
    assert {path: path.read_bytes() for path in before} == before
    world.do(r.Unyank("foo", "1.0", None, OWNER))
    for client in ("cached", "fresh"):
        state = world.client(client).page("foo").state
        assert state.serial == known.serial + 1 and state.history[: len(known.history)] == known.history


def test_a_project_that_is_renamed_is_another_project_and_the_old_one_says_where_it_went(world: World) -> None:
    """Edge case 61: another spelling is the same name; another name is deprecation and a new project."""
    world.do(publishing("foo-bar", display="Foo.Bar"))
    world.do(publishing("baz"), r.Deprecate("foo-bar", BECAUSE, "baz", OWNER))
    old, new = (world.client().page(name).state for name in ("foo-bar", "baz"))
    assert old.display == "Foo.Bar" and old.deprecated is not None and old.deprecated.alternative == "baz"
    assert (new.generation, [release.version for release in new.releases]) == (1, ["1.0"])
