"""A new online key without a moment in which any client fails, and what is refused because it would be one."""

import json
from pathlib import Path
from typing import Final

import pytest
from tuf.ngclient import Updater

from keys import layout, names, sealed
from repo_service.build.check import WouldBeRefused
from repo_service.commands import keyfiles
from repo_service.commands.keyfiles import KeyRefused
from repo_service.publishing import planning, publish
from repo_service.publishing.roots import NotTakenIn
from repo_service.wiring import BadSettings, open_service
from tests.world import World, online_key, publishing, root_of_trust, write_folder

OLD: Final = online_key(1).record.keyid
NEW: Final = online_key(2).record.keyid
PAGE: Final = names.page_path("foo")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, bins=16)
    made.do(publishing("foo"), publishing("bar"))
    return made


def everyone_reads(world: World) -> None:
    """Clients that were there from the beginning and clients that begin now: python-tuf's and ours."""
    for name in ("cached", f"fresh-{world.now:%d-%H-%M-%S}"):
        stock: Updater = world.stock(f"stock-{name}")
        stock.refresh()
        assert stock.get_targetinfo(PAGE) is not None
        assert world.client(f"ours-{name}").page("foo") is not None


def hold_next(world: World) -> None:
    sealed.write_private(world.service.folder / "online-next.key", sealed.plain(online_key(2)._private))
    (world.service.folder / "online-next.pub").write_bytes(b"")
    world.reopen()


def signers(world: World, role: str) -> set[str]:
    files = [each for each in (world.public / "metadata").iterdir() if each.name.endswith(f"{role}.json")]
    newest = max(files, key=lambda file: int("0" + file.name.partition(".")[0].replace("timestamp", "")))
    return {each["keyid"] for each in json.loads(newest.read_bytes())["signatures"]}


def test_a_new_online_key_takes_over_and_no_client_fails_at_any_step(world: World) -> None:
    """engine.md: re-sign with old and new under the old root, publish; the new root; drop the old signature."""
    everyone_reads(world)
    hold_next(world)
    world.tick(minutes=1)
    world.service.round()
    everyone_reads(world)
    assert all(signers(world, role) == {OLD, NEW} for role in ("timestamp", "snapshot", *layout.Bins(4).roles()))

    world.take_in(root_of_trust(world.now, after=world.trust, online_number=2, bins=16))
    everyone_reads(world)
    world.tick(minutes=10)
    world.do(publishing("baz"))
    everyone_reads(world)
    assert signers(world, "timestamp") == {OLD, NEW}

    world.tick(hours=1)
    keyfiles.retire(world.service)
    world.reopen()
    world.do(publishing("more"))
    assert signers(world, "timestamp") == signers(world, "snapshot") == {NEW}
    everyone_reads(world)
    for _ in range(35):
        world.tick(days=1)
        world.service.round()
    everyone_reads(world)
    assert all(signers(world, role) == {NEW} for role in layout.Bins(4).roles())


def test_a_root_that_names_a_new_key_is_refused_until_that_key_has_signed_everything(world: World) -> None:
    """The naive order: every client would refuse from the new root on."""
    following = root_of_trust(world.now, after=world.trust, online_number=2, bins=16)
    before = sorted(path.name for path in (world.public / "metadata").iterdir())
    with pytest.raises(NotTakenIn, match="is signed by other keys than this service's online key"):
        world.take_in(following)
    hold_next(world)
    with pytest.raises(
        NotTakenIn, match=r"has not signed everything yet: bin \(of 16 files\), snapshot .* key DIR --next"
    ):
        world.take_in(following)
    assert sorted(path.name for path in (world.public / "metadata").iterdir()) == before
    everyone_reads(world)


def test_one_bin_that_the_new_key_has_not_signed_keeps_the_new_root_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "DUAL_SIGNED", 17)
    hold_next(world)
    publish._publish_once(world.service.press, world.now, None)
    assert [line for line in keyfiles.rotation_lines(world.service) if "17 of 18 files" in line]
    with pytest.raises(NotTakenIn, match=r"yet: bin \(of 1 files\)\."):
        world.take_in(root_of_trust(world.now, after=world.trust, online_number=2, bins=16))
    everyone_reads(world)


def test_everything_is_signed_by_both_keys_in_bounded_batches_and_changes_do_not_wait_for_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "DUAL_SIGNED", 5)
    hold_next(world)
    with world.service.journal.reading() as view:
        head = view.head()
        assert head is not None
    world.do(publishing("baz"))
    with world.service.journal.reading() as view:
        now = view.head()
        assert now is not None and now.generation - head.generation in (3, 4)
        assert view.lacking({OLD, NEW}, 1) == []
    assert list(keyfiles.rotation_lines(world.service)) == [
        f"two online keys, {OLD:.16} and {NEW:.16}: both have signed 18 of 18 files; "
        "ready for the root that names the new one"
    ]
    everyone_reads(world)


def test_the_old_key_is_not_retired_before_clients_know_the_new_one(world: World) -> None:
    with pytest.raises(KeyRefused, match=r"online-next\.key is missing"):
        keyfiles.retire(world.service)
    hold_next(world)
    world.service.round()
    with pytest.raises(KeyRefused, match="is not named for bin, snapshot, timestamp"):
        keyfiles.retire(world.service)
    world.take_in(root_of_trust(world.now, after=world.trust, online_number=2, bins=16))
    world.tick(minutes=59)
    with pytest.raises(KeyRefused, match=r"is public since 2026-11-22T10:00:00Z.* after 2026-11-22T11:00:00Z"):
        keyfiles.retire(world.service)
    assert (world.service.folder / "online.key").exists()


def test_a_service_whose_key_is_retired_too_early_by_hand_publishes_nothing(world: World) -> None:
    hold_next(world)
    world.service.round()
    (world.service.folder / "online.key").unlink()
    world.reopen()
    with pytest.raises(WouldBeRefused, match="not signed by enough"):
        world.do(publishing("baz"))
    everyone_reads(world)


def test_the_old_key_must_sign_the_release_that_brings_the_new_root(world: World) -> None:
    """Between the pointer and the root clients still have the old root."""
    hold_next(world)
    world.service.round()
    (world.service.folder / "online.key").unlink()
    world.reopen()
    with pytest.raises(WouldBeRefused, match="hold the old online key until it is public"):
        world.take_in(root_of_trust(world.now, after=world.trust, online_number=2, bins=16))
    everyone_reads(world)


def test_a_service_that_was_not_restarted_cannot_undo_the_rotation(world: World) -> None:
    """It signs with the old key alone; after the new root it can publish nothing, and says so."""
    old = world.service
    hold_next(world)
    world.service.round()
    world.take_in(root_of_trust(world.now, after=world.trust, online_number=2, bins=16))
    world.tick(days=1)
    with pytest.raises(WouldBeRefused, match="not signed by enough"):
        old.round()
    everyone_reads(world)


def test_retiring_that_was_interrupted_is_a_service_with_the_next_key(world: World) -> None:
    hold_next(world)
    world.service.round()
    world.take_in(root_of_trust(world.now, after=world.trust, online_number=2, bins=16))
    world.tick(hours=2)
    (world.service.folder / "online.key").rename(world.service.folder / "online-retired-x.key")
    world.reopen()
    assert world.service.online.keyids == {NEW}
    keyfiles.retire(world.service)
    world.reopen()
    assert world.service.online.keyids == {NEW}
    everyone_reads(world)


def test_a_folder_without_any_online_key_is_no_service(world: World) -> None:
    (world.service.folder / "online.key").unlink()
    with pytest.raises(BadSettings, match="is missing"):
        open_service(world.service.folder)


def test_a_service_that_lost_its_online_key_signs_everything_anew_when_it_is_told_so(world: World) -> None:
    """The one case with a moment in which clients fail, between the pointer and the new root; none afterwards."""
    everyone_reads(world)
    following = root_of_trust(world.now, after=world.trust, online_number=2, bins=16)
    folder = write_folder(world.folder / "sealed-after-loss", following.files())
    with pytest.raises(NotTakenIn, match="is signed by other keys"):
        world.service.take_in(folder, rehearsal_allowed=True, key_lost=True)
    hold_next(world)
    with pytest.raises(NotTakenIn, match="the old online key is here: sign everything with both"):
        world.service.take_in(folder, rehearsal_allowed=True, key_lost=True)
    (world.service.folder / "online.key").unlink()
    world.reopen()
    with pytest.raises(NotTakenIn, match="has not signed everything yet"):
        world.service.take_in(folder, rehearsal_allowed=True)
    world.service.take_in(folder, rehearsal_allowed=True, key_lost=True)
    everyone_reads(world)
    assert all(signers(world, role) == {NEW} for role in ("timestamp", "snapshot", *layout.Bins(4).roles()))
    world.do(publishing("baz"))
    everyone_reads(world)
