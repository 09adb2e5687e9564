"""Rotations that were planned, each as real clients see it: before, during and after, by old machines and new ones.

The quotes are rows of a table that this project was built from: a case, the procedure, what was seen with python-tuf.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from keys import sealed, trust
from keys.encoding import sha256
from keys.signing import Sign, signed_file
from keys.trust import Unreadable, Unsigned
from repo_service.publishing.roots import NotTakenIn
from repo_service.storage.depot import Diverged
from tests.paper import alias, all_of
from tests.walks.bare import FIRST, Bare
from tests.walks.machines import READS, at, ceremony, everyone_reads, fresh, hold, refusal, root_of, says
from tests.world import World, held_key, online_key, publishing, root_of_trust, write_folder

UNSIGNED: Final = ("UnsignedMetadataError", "invalid")
EXPIRED: Final = ("ExpiredMetadataError", "expired")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """foo is published, and a machine has seen it."""
    return begun(tmp_path)


def begun(folder: Path, **plan: Any) -> World:
    made = World(folder, **plan)
    made.do(publishing("foo"))
    everyone_reads(made, "cached")
    return made


def put(world: World, data: bytes) -> Path:
    """Somebody publishes a root by hand."""
    path = world.public / f"metadata/{json.loads(data)['signed']['version']}.root.json"
    path.write_bytes(data)
    return path


def refuses(world: World, files: dict[str, bytes], why: str) -> None:
    """The service takes these files of a ceremony not in, and writes nothing."""
    before = sorted(world.public.rglob("*"))
    folder = write_folder(world.folder / f"refused-{sha256(files['2.root.json']):.8}", files)
    with pytest.raises(NotTakenIn, match=why):
        world.service.take_in(folder, rehearsal_allowed=True)
    assert sorted(world.public.rglob("*")) == before


# Dates.


def test_a_root_that_is_signed_again_before_its_end_is_followed_by_everyone(world: World) -> None:
    """The row "Re-sign before expiry: N+1, same keys, new date; threshold of them. Cached and fresh clients fine. Begin
    at -90 d".
    """
    world.tick(days=276)
    world.service.round()
    everyone_reads(world, "cached")
    hold(world, (1, 3))
    everyone_reads(world, "cached")
    assert root_of(world, "cached") == 2
    world.tick(days=300)
    world.service.round()
    everyone_reads(world, "cached")


def test_an_expired_root_is_an_outage_which_the_same_keys_heal(world: World) -> None:
    """The row "Expired root: publish N+1 with the same keys. Clients recover by themselves. An outage, not a loss"."""
    world.tick(days=366)
    world.service.round()
    assert says(world, "cached") == says(world, fresh()) == EXPIRED
    for machine in ("cached", fresh()):
        said = refusal(world, machine).detail
        assert said.startswith('the newest root that repository "test" serves is version 1; it was valid until 2027-11')
    hold(world, (2, 3))
    everyone_reads(world, "cached")


def test_expired_roots_in_between_do_not_matter(tmp_path: Path) -> None:
    """The row "Expired intermediate roots do not matter"."""
    world = begun(tmp_path, days=30)
    for _ in range(3):
        world.tick(days=31)
        world.service.round()
        hold(world, (1, 2), days=30)
    everyone_reads(world, "cached")
    assert root_of(world, "cached") == 4


# Who holds a key.


def test_a_new_holder_needs_the_old_threshold_and_the_new_one(world: World) -> None:
    """The row "Replace holder c by d: old threshold (from a, b, c) AND new threshold (a, b, d). a+d fails, a+b
    passes".
    """
    wrong = ceremony(world, (1, 4), holders=(1, 2, 4))
    with pytest.raises(Unsigned, match=r"2.root.json: signed by 1 of 2 keys that root 1 asks for"):
        trust.read(wrong)
    refuses(world, wrong, "signed by 1 of 2 keys that root 1")
    hold(world, (1, 2), holders=(1, 2, 4))
    everyone_reads(world, "cached")
    world.tick(days=1)
    hold(world, (2, 4), holders=(2, 4, 5))  # and now the new holder's signature counts
    everyone_reads(world, "cached")


def test_a_root_that_was_signed_wrongly_is_taken_by_nobody_and_may_be_replaced(world: World) -> None:
    """The row "A wrongly signed N+1 may be replaced by the right one as no client took it"."""
    put(world, ceremony(world, (1, 4), holders=(1, 2, 4))["2.root.json"])
    assert says(world, "cached") == says(world, fresh()) == UNSIGNED
    with pytest.raises(Diverged, match=r"2\.root\.json exists with other bytes; nothing was overwritten"):
        hold(world, (1, 2), holders=(1, 2, 4))
    (world.public / "metadata/2.root.json").rename(world.folder / "wrong-root")
    world.service.round()
    everyone_reads(world, "cached")
    assert root_of(world, "cached") == 2


def test_a_higher_threshold_needs_that_many_and_a_lower_one_still_the_old_number(world: World) -> None:
    """The row "Threshold 2 -> 3 / 3 -> 2: raising: 3 signatures; lowering needs the OLD 3"."""
    with pytest.raises(Unsigned, match=r"signed by 2 of 3 keys that root 2 asks for"):
        trust.read(ceremony(world, (1, 2), threshold=3))
    hold(world, (1, 2, 3), threshold=3)
    everyone_reads(world, "cached")
    world.tick(days=1)
    lower = ceremony(world, (1, 2), threshold=2)
    with pytest.raises(Unsigned, match=r"3.root.json: signed by 2 of 3 keys that root 2 asks for"):
        trust.read(lower)
    path = put(world, lower["3.root.json"])
    assert says(world, "cached") == says(world, fresh()) == UNSIGNED
    path.unlink()
    hold(world, (1, 2, 3), threshold=2)
    everyone_reads(world, "cached")
    world.tick(days=300)
    hold(world, (1, 3))
    everyone_reads(world, "cached")


def test_all_holders_are_replaced_in_one_version(world: World) -> None:
    """The rows "Replace ALL root keys: one version, old t + new t signatures. Passes in one step" and "Targets key with
    bins: dual-sign targets.json + snapshot first, then root N+1. No window": the new targets are public before the new
    root, and good for the old one.
    """
    refuses(world, ceremony(world, (4, 5), holders=(4, 5, 6)), "signed by 0 of 2 keys that root 1")
    refuses(world, ceremony(world, (1, 2, 4), holders=(4, 5, 6)), "signed by 1 of 2 keys that root 2")
    with at(("finish.pointed",), lambda: (says(world, "cached"), says(world, "between"))) as between:
        hold(world, (1, 2, 4, 5), holders=(4, 5, 6))
    assert between == [(READS, READS)]
    everyone_reads(world, "cached", "between")
    assert root_of(world, "between") == 2
    world.tick(days=300)
    hold(world, (5, 6), holders=(4, 5, 6))
    everyone_reads(world, "cached")


def renamed(world: World, sign: Sign) -> bytes:
    """Root 2 with the same holders, of whom each goes by another key id, as this signer signs it."""
    body = json.loads(world.trust.roots[0].data)["signed"] | {"version": 2}
    others = {held_key(number).record.keyid: other(number) for number in (1, 2, 3)}
    body["keys"] |= {new: body["keys"][old] for old, new in others.items()}
    body["roles"]["root"] = {"keyids": sorted(others.values()), "threshold": 2}
    return signed_file(body, sign)


def other(number: int) -> str:
    return f"{number:x}" * 64


def test_a_key_under_another_id_is_another_key_to_stock_clients_and_no_tool_of_ours_makes_one(world: World) -> None:
    """The row "Key id only changes: same key signs under both ids, else 1/2". In stock clients two ids are two keys. An
    id of ours is the digest of the key, and nothing else is read or signed, so a ceremony never comes to this.
    """
    old = all_of(held_key(1), held_key(2))

    def new(payload: bytes) -> Any:
        return tuple(sig for number in (1, 2) for sig in alias(held_key(number), other(number))(payload))

    path = put(world, renamed(world, old))
    assert says(world, "cached") == says(world, fresh()) == UNSIGNED
    path.write_bytes(renamed(world, new))
    assert says(world, "cached") == says(world, fresh()) == UNSIGNED
    both = renamed(world, lambda payload: (*old(payload), *new(payload)))
    with pytest.raises(Unreadable, match=r"key 1{16}: its id should be"):
        trust.read({**world.trust.files(), "2.root.json": both})
    refuses(world, {**world.trust.files(), "2.root.json": both}, "its id should be")
    path.write_bytes(both)
    everyone_reads(world, "cached")
    assert root_of(world, "cached") == 2


# Keys that are online.


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_a_key_that_only_one_order_of_steps_replaces_breaks_every_client_in_between(tmp_path: Path, role: str) -> None:
    """The row "Naive: all clients fail in the window", in either order."""
    new = {role: (f"{role}-2",)}
    for order in ("root first", "files first"):
        bare = Bare(tmp_path / order)
        assert bare.says("cached") == "reads"
        steps = [lambda bare=bare: bare.root(2, FIRST | new), lambda bare=bare: bare.everything(2, **new)]
        first, second = steps if order == "root first" else reversed(steps)
        first()
        for machine in ("cached", "between"):
            assert f"{role} was signed by 0/1 keys" in bare.says(machine), order
        second()
        assert {bare.says(machine) for machine in ("cached", "between", "late")} == {"reads"}


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_what_both_keys_have_signed_is_good_before_and_after_the_new_root(tmp_path: Path, role: str) -> None:
    """The row "Online key, planned: publish new versions signed by old+new; publish root N+1; drop old. No failing
    moment".
    """
    bare, both, new = Bare(tmp_path), {role: (role, f"{role}-2")}, {role: (f"{role}-2",)}
    for number, step in enumerate((
        lambda: bare.everything(2, **both), lambda: bare.root(2, FIRST | new), lambda: bare.everything(3, **new)
    )):  # fmt: skip
        step()
        assert {bare.says(machine) for machine in ("cached", f"fresh-{number}")} == {"reads"}


def test_a_bins_key_has_no_window_if_one_snapshot_switches_what_both_keys_signed(tmp_path: Path) -> None:
    """The row "Bins key, planned: dual-sign all bins as new versions, new targets.json, one snapshot switches all. No
    window; without: bin-0 was signed by 0/1".
    """
    bare = Bare(tmp_path)
    assert bare.says("cached") == "reads"
    bare.bins(2, ("bin", "bin-2"))
    bare.targets(2, bin_keys=("bin-2",))
    assert {bare.says("cached"), bare.says("a")} == {"reads"}
    bare.snapshot(2, 2, targets=2)
    bare.timestamp(2, 2)
    assert {bare.says("cached"), bare.says("b")} == {"reads"}
    bare.bins(3, ("bin-2",))
    bare.snapshot(3, 3, targets=2)
    bare.timestamp(3, 3)
    assert {bare.says("cached"), bare.says("c")} == {"reads"}
    bare.targets(3, bin_keys=("bin-3",))
    bare.snapshot(4, 3, targets=3)
    bare.timestamp(4, 4)
    for machine in ("cached", "d"):
        assert "was signed by 0/1 keys" in bare.says(machine)


def test_a_targets_key_has_no_window_if_both_keys_sign_before_the_root(tmp_path: Path) -> None:
    """The row "Targets key with bins: dual-sign targets.json + snapshot first, then root N+1. No window"."""
    bare = Bare(tmp_path)
    assert bare.says("cached") == "reads"
    bare.everything(2, targets=("targets", "targets-2"))
    assert {bare.says("cached"), bare.says("a")} == {"reads"}
    bare.root(2, FIRST | {"targets": ("targets-2",)})
    assert {bare.says("cached"), bare.says("b")} == {"reads"}


def test_a_new_online_key_of_the_service_has_no_failing_moment_not_even_between_its_own_steps(world: World) -> None:
    """The walk of tests/service/test_rotation.py, looked at from within: after each pointer and before each mark."""
    sealed.write_private(world.service.folder / "online-next.key", sealed.plain(online_key(2)._private))
    world.reopen()

    def look() -> None:
        everyone_reads(world, "cached", "between")

    with at(("finish.pointed", "finish.marked"), look) as looked:
        world.service.round()
        world.take_in(root_of_trust(world.now, world.trust, online_number=2))
        world.tick(hours=2)
        (world.service.folder / "online.key").unlink()
        world.reopen()
        world.do(publishing("bar"))
    assert len(looked) >= 6
    everyone_reads(world, "cached", "between")


def test_whatever_rotates_no_file_but_the_timestamp_is_ever_written_twice(world: World) -> None:
    """The row "Same version overwritten: never". Caches keep every other file for ever."""
    known: dict[Path, str] = {}

    def unchanged() -> None:
        for path in (world.public / "metadata").iterdir():
            digest = sha256(path.read_bytes())
            assert path.name == "timestamp.json" or known.setdefault(path, digest) == digest

    unchanged()
    hold(world, (1, 2), holders=(1, 2, 4))
    unchanged()
    sealed.write_private(world.service.folder / "online-next.key", sealed.plain(online_key(2)._private))
    world.reopen()
    world.service.round()
    unchanged()
    hold(world, (1, 4), holders=(1, 2, 4), online_number=2, bins=16)
    unchanged()
    for _ in range(5):
        world.tick(days=8)
        world.service.round()
        unchanged()
    assert len(known) > 40
    everyone_reads(world, "cached")


def test_a_version_with_other_bytes_stops_the_service_and_no_client_is_moved(world: World) -> None:
    """The row "Same version overwritten: never". What lies under our next name may be somebody's truth already."""
    alien = world.public / "metadata/3.snapshot.json"
    alien.write_bytes((world.public / "metadata/2.snapshot.json").read_bytes())
    with pytest.raises(Diverged, match=r"3\.snapshot\.json exists with other bytes; nothing was overwritten"):
        world.do(publishing("bar"))
    assert says(world, "cached", name="bar") == ("absent", "absent")
    everyone_reads(world, "cached")
    alien.unlink()
    world.service.round()
    assert says(world, "cached", name="bar") == READS
