"""Emergencies, each as real clients see it: what the attacker gets, what the procedure cures, and what nothing cures.

The quotes are rows of a table that this project was built from: a case, the procedure, what was seen with python-tuf.
"""

import json
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from ceremony.plan import Log
from client_verify.answers import Found
from client_verify.directory import forget
from client_verify.remembering.evidence import doubts
from client_verify.remembering.memory import Memory
from keys import sealed, trust
from keys.signing import signed_file
from keys.tlog import notes
from keys.tlog.notes import Checkpoint
from repo_service.build.growth import LogFile, grown
from repo_service.mending import fsck
from repo_service.mending.recovering import NotRecovered, recover
from repo_service.publishing import roots
from repo_service.publishing.roots import NotTakenIn
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP, Behind, DepotError, Diverged, version_of
from repo_service.wiring import EVIDENCE, LOG_KEY
from tests.paper import all_of
from tests.servers import S3Server
from tests.service.test_fsck import lines
from tests.service.test_restoring import set_back
from tests.walks.bare import FIRST, Bare
from tests.walks.machines import (
    READS,
    at,
    ceremony,
    dying_at,
    everyone_reads,
    fresh,
    hold,
    ours,
    refusal,
    root_of,
    says,
)
from tests.walks.thief import HUGE, Thief
from tests.world import LOG_NAME, World, held_key, log_key, online_key, publishing, write_folder

UNSIGNED: Final = ("UnsignedMetadataError", "invalid")
ROLLBACK: Final = ("BadVersionNumberError", "rollback")
EXPIRED: Final = ("ExpiredMetadataError", "expired")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """foo is published, and two machines have seen it: one that the attacker will reach, and one that is away."""
    made = World(tmp_path / "world")
    made.do(publishing("foo"))
    everyone_reads(made, "victim", "away")
    return made


# Fast-forward: an attacker with the online keys raised a version to the end of the numbers.


ROTATIONS: Final = {
    "nothing": {},
    "timestamp": {"timestamp": ("timestamp-2",)},
    "snapshot": {"snapshot": ("snapshot-2",)},
    "both": {"timestamp": ("timestamp-2",), "snapshot": ("snapshot-2",)},
    "added, old kept": {"timestamp": ("timestamp-2", "timestamp"), "snapshot": ("snapshot-2", "snapshot")},
}
CURED: Final = {
    ("timestamp", "timestamp"), ("timestamp", "both"), ("snapshot", "timestamp"), ("snapshot", "both"), ("bins", "both")
}  # fmt: skip
"""The table "Fast-forward matrix": what was raised, and which rotation brings a client back that took it."""


@pytest.mark.parametrize(("raised", "rotated"), [*product(["timestamp", "snapshot", "bins"], ROTATIONS)])
def test_a_raised_version_is_cured_by_taking_both_keys_away_and_by_nothing_less(
    tmp_path: Path, raised: str, rotated: str
) -> None:
    """The row "Recovery continues at last good +1. Always rotate both, and use one key for both or two keys but rotate
    as one unit." That the timestamp's key alone cures a raised snapshot is python-tuf's reading of the specification
    only.
    """
    bare = Bare(tmp_path)
    bare.everything(5)
    bare.client("victim")
    if raised == "bins":
        bare.bins(HUGE)
    snapshot = {"timestamp": 5, "snapshot": HUGE, "bins": 6}[raised]
    if raised != "timestamp":
        bare.snapshot(snapshot, HUGE if raised == "bins" else 5, targets=5)
    bare.timestamp(HUGE if raised == "timestamp" else 6, snapshot)
    assert bare.says("victim") == "reads"

    new = {role: words[:1] for role, words in ROTATIONS[rotated].items()}
    bare.root(2, FIRST | ROTATIONS[rotated])
    bare.everything(6, **new)
    assert bare.says("fresh") == "reads"
    assert is_cured(bare) == ((raised, rotated) in CURED)


def is_cured(bare: Bare) -> bool:
    """Whether the victim has come to what the repository says now: a cached snapshot of the same version, which
    python-tuf does not compare, is not it.
    """
    if bare.says("victim") != "reads":
        return False
    return bare.client("victim")._trusted_set.snapshot.meta["bin-0.json"].version == 6


# The online key is stolen: the service's own procedure.


STRIKES: Final[dict[str, dict[str, int]]] = {
    "timestamp": {"timestamp": HUGE},
    "snapshot": {"snapshot": HUGE},
    "bins": {"bins": HUGE},
    "everything": {"timestamp": HUGE, "snapshot": HUGE, "bins": HUGE},
    "one more": {},
    "one more of each": {"bins": 300_000},
}


def newest(world: World) -> int:
    """The newest release of the journal."""
    with world.service.journal.reading() as view:
        head = view.head()
    assert head is not None
    return head.generation


def pointed(world: World) -> int:
    data = world.service.depot.pointer()
    assert data is not None
    return version_of(data)


def change_key(world: World, number: int = 2) -> None:
    """The stolen key is moved away, and the service has a new one."""
    key = world.service.folder / "online.key"
    key.rename(key.with_name(f"stolen-{len(list(world.service.folder.iterdir()))}"))
    sealed.write_private(key, sealed.plain(online_key(number)._private))
    world.reopen()


def change_log_key(world: World, number: int = 2) -> Log:
    """The service signs its log with another key; what a plan says of it."""
    key = world.service.folder / LOG_KEY
    key.unlink()
    sealed.write_private(key, log_key(number).written.encode())
    return Log((str(log_key(number).key),))


def written(world: World, **plan: Any) -> Path:
    """What a ceremony of two holders sealed, in a folder."""
    folder = world.folder / f"after-theft-{len(list(world.folder.iterdir()))}"
    return write_folder(folder, ceremony(world, (1, 2), **{"online_number": 2, **plan}))


def recovered(world: World, folder: Path | None = None, last_good: int | None = None) -> list[str]:
    """The operator's procedure; the files that went."""
    release = last_good or newest(world)
    _, taken = world.service.take_in_after_theft(folder or written(world), release, rehearsal_allowed=True)
    return taken


@pytest.mark.parametrize("strike", STRIKES)
def test_a_stolen_online_key_is_taken_away_and_everybody_is_well_again(world: World, strike: str) -> None:
    """The row "Online compromise: stop signer; find last good state; new keys on a clean host; root N+1 removes old
    keys; re-sign all at last-good+1" and "Replay of the attacker's files afterwards: rejected, 0/1 keys".
    """
    thief = Thief(world)
    thief.strike(**STRIKES[strike])
    assert says(world, "victim") == says(world, "met-them-first") == READS, "they hold the key: everybody believes them"
    with pytest.raises((Behind, Diverged)):
        world.do(publishing("bar"))
    with pytest.raises((Behind, Diverged)):
        world.service.round()

    last_good = newest(world)
    change_key(world)
    taken = recovered(world)
    assert set(taken) <= set(thief.wrote) and TIMESTAMP in taken
    assert len(list((world.service.folder / EVIDENCE).iterdir())) == len(taken)
    everyone_reads(world, "victim", "met-them-first", "away")
    assert says(world, "victim", name="bar") == READS
    assert pointed(world) == last_good + 1
    assert lines(world, fsck.examine_quickly) == []
    for number in range(4):
        world.do(publishing("more", f"{number}.0"))
    everyone_reads(world, "victim", "met-them-first", "away")

    mirror = world.folder / "mirror"
    shutil.copytree(world.public, mirror)
    thief.strike_again(mirror)
    for machine in ("victim", "away", fresh()):
        assert says(world, machine, mirror=mirror) == UNSIGNED
    everyone_reads(world, "victim", "away")


@pytest.mark.parametrize("strike", [each for each in STRIKES if each != "one more"])
def test_without_a_new_key_whoever_met_the_thief_refuses_from_then_on(world: World, strike: str) -> None:
    """The column "Rotate nothing" with the real service: the thief's files are deleted, and the old key goes on."""
    deleted(world, strike)
    for name in ("bar", "baz"):
        world.do(publishing(name))
        everyone_reads(world, "away")
    assert says(world, "victim") == ROLLBACK
    refused = refusal(world, "victim")
    assert refused.kind.exit == 3 and "; this machine has already verified version" in refused.detail
    assert "Do not delete the local state" in refused.kind.explanation


def test_without_a_new_key_a_thief_who_was_modest_is_believed_by_python_tuf_and_caught_by_our_client(
    world: World,
) -> None:
    """A timestamp of the same version as the next one of ours: python-tuf takes it for the one that it has. Ours keeps
    both as evidence, and reads again what has another version.
    """
    thief = deleted(world, "one more")
    world.do(publishing("bar"))
    assert says(world, "victim") == ("reads", "contradiction")
    assert says(world, "victim", name="bar") == ("absent", "contradiction")
    assert (world.folder / "victim-stock/timestamp.json").read_bytes() == thief.wrote[TIMESTAMP]
    (found,) = Memory(world.folder / "victim-ours/memory.sqlite").evidence()
    assert found.subject == "timestamp" and doubts(found) == []
    assert {side.files["timestamp"] for side in (found.before, found.after)} == {
        thief.wrote[TIMESTAMP],
        published(world),
    }
    world.do(publishing("baz"))
    everyone_reads(world, "victim")


def deleted(world: World, strike: str) -> Thief:
    """A machine met the thief, whose files were deleted then; the public ones are those of before."""
    thief = Thief(world)
    thief.strike(**STRIKES[strike])
    assert says(world, "victim") == READS
    for path in thief.wrote:
        (world.public / path).unlink()
    world.service.depot.point(published(world))
    return thief


def published(world: World) -> bytes:
    """The timestamp that the journal copied out last."""
    with world.service.journal.inventory() as view:
        found = view.pointed()
    assert found is not None
    return found[1]


def test_the_root_that_cures_must_take_the_old_key_away(world: World) -> None:
    """The column "New keys added, old kept": a root that still names the key cures nobody, so it is not taken for one
    that does; and a service that could still sign with it is not either.
    """
    Thief(world).strike(timestamp=HUGE)
    before = sorted(world.public.rglob("*"))
    kept = written(world, online_number=1, holders=(1, 2, 4))
    with pytest.raises(NotTakenIn, match="root 2 does not take the online key away"):
        recovered(world, kept)
    no_root = write_folder(world.folder / "as-before", world.trust.files())
    with pytest.raises(NotTakenIn, match="root 1 does not take the online key away"):
        recovered(world, no_root)
    sealed.write_private(world.service.folder / "online-next.key", sealed.plain(online_key(2)._private))
    world.reopen()
    with pytest.raises(NotTakenIn, match="which was stolen, is still this service's: move it away"):
        recovered(world)
    assert sorted(world.public.rglob("*")) == before


def test_whoever_takes_an_old_backup_for_a_theft_is_stopped_by_the_number_of_the_last_release(
    world: World, tmp_path: Path
) -> None:
    """To the service both look alike: a public timestamp that is ahead of the database."""
    world.service.journal.back_up(tmp_path / "backup")
    world.do(publishing("bar"))
    last_good = newest(world)
    set_back(world, tmp_path / "backup")
    change_key(world)
    before = {path: path.read_bytes() for path in world.public.rglob("*.json")}
    with pytest.raises(NotTakenIn, match="release 3 was the last good one, and the newest in this database is 2"):
        world.service.take_in_after_theft(written(world), last_good, rehearsal_allowed=True)
    assert {path: path.read_bytes() for path in world.public.rglob("*.json")} == before


def test_what_the_new_key_signed_or_the_journal_committed_never_goes(world: World) -> None:
    """Files of ours that the thief wrote over are put back; those that nobody touched stay as they are."""
    ours_before = {path: path.read_bytes() for path in (world.public / "metadata").iterdir()}
    thief = Thief(world)
    thief.strike(bins=HUGE)
    (world.public / "metadata/1.targets.json").write_bytes(b"rubbish")
    (world.public / "metadata/2.root.json").write_bytes(b"rubbish")
    (world.public / "metadata/notes.txt").write_bytes(b"nobody asks for it")
    good = world.public / "metadata/99.snapshot.json"  # another publisher with the new key was quicker
    good.write_bytes(signed_file(json.loads(thief.wrote["metadata/3.snapshot.json"])["signed"], online_key(2)))
    change_key(world)
    taken = recovered(world)
    assert {"metadata/1.targets.json", "metadata/2.root.json", TIMESTAMP} < set(taken)
    kept = {path: path.read_bytes() for path in (world.public / "metadata").iterdir()}
    assert {path: data for path, data in ours_before.items() if path.name != "timestamp.json"}.items() <= kept.items()
    assert (world.public / "metadata/notes.txt").exists() and good.exists()
    assert recovered_again(world) == []
    everyone_reads(world, "victim", "away")


def recovered_again(world: World) -> list[str]:
    """The same command with the same files once more."""
    return recovered(world, max(world.folder.glob("after-theft-*"), key=lambda path: path.stat().st_mtime_ns))


@pytest.mark.parametrize(
    "point",
    ["depot.dropped", "depot.pointed", "publish.read", "publish.signed", "publish.before_commit", "publish.committed",
     "finish.staged", "depot.linked", "finish.added", "finish.pointed", "finish.marked"],
)  # fmt: skip
@pytest.mark.parametrize("staged", [False, True], ids=["stopped in time", "published against it"])
def test_the_procedure_may_die_anywhere_and_is_said_again(world: World, point: str, staged: bool) -> None:
    thief = Thief(world)
    thief.strike(timestamp=HUGE, bins=300_000)
    says(world, "victim")
    if staged:
        with pytest.raises(DepotError):
            world.do(publishing("bar"))
    change_key(world)
    folder, last_good = written(world), newest(world)
    with dying_at(point):
        recovered(world, folder, last_good)
    world.reopen()
    recovered(world, folder, last_good)
    everyone_reads(world, "victim", "away")
    assert lines(world, fsck.examine_quickly) == []
    world.do(publishing("more"))
    everyone_reads(world, "victim", "away")


def test_between_the_pointer_and_the_new_root_clients_refuse_and_say_that_signatures_are_missing(world: World) -> None:
    """The one moment in which all fail. Before it the last good release is public again; after it nobody believes the
    thief.
    """
    Thief(world).strike(timestamp=HUGE)
    says(world, "victim")
    change_key(world)
    with at(("publish.read", "finish.pointed"), lambda: (says(world, "away"), says(world, fresh()))) as seen:
        recovered(world)
    assert seen == [(READS, READS), (UNSIGNED, UNSIGNED)]
    everyone_reads(world, "victim", "away")


def test_a_client_in_that_moment_says_that_nothing_was_used_and_that_it_may_be_an_attack(world: World) -> None:
    Thief(world).strike(timestamp=HUGE)
    change_key(world)
    with at(("finish.pointed",), lambda: refusal(world, "away")) as seen:
        recovered(world)
    [refused] = seen
    assert refused.kind.exit == 5 and "timestamp was signed by 0/1 keys" in refused.detail
    assert "It was not used." in refused.kind.explanation and "so can an attack" in refused.kind.explanation


def test_a_mirror_that_hides_the_new_root_keeps_a_victim_with_the_thief_until_the_old_root_ends(world: World) -> None:
    """What no rotation cures: a root lives a year so that this ends."""
    Thief(world).strike(timestamp=HUGE, bins=HUGE)
    mirror = world.folder / "mirror"
    shutil.copytree(world.public, mirror)
    change_key(world)
    recovered(world)
    world.tick(days=364)
    assert says(world, "victim", mirror=mirror) == READS
    world.tick(days=2)
    assert says(world, "victim", mirror=mirror) == EXPIRED
    assert "the newest root that repository" in refusal(world, "victim", mirror=mirror).detail


def test_who_believed_the_thief_about_a_project_is_told_that_the_registry_contradicts_itself(world: World) -> None:
    """TUF forgets what the old key said; our client remembers each page, and says so instead of choosing."""
    answer = ours(world, "victim").page("foo")
    assert isinstance(answer, Found)
    said = replace(answer.state, serial=answer.state.serial + 1, event=answer.state.event + 1)
    Thief(world).strike(saying=said)
    believed = ours(world, "victim").page("foo")
    assert isinstance(believed, Found) and believed.state == said
    change_key(world)
    recovered(world)
    everyone_reads(world, "away")
    assert says(world, "victim") == ("reads", "contradiction")
    refused = refusal(world, "victim")
    assert refused.kind.exit == 6 and "One of its keys may be stolen" in refused.kind.explanation
    assert "`tallystick forget NAME` begins again" in refused.kind.explanation
    assert forget(world.folder / "victim-ours", "foo")
    assert says(world, "victim") == READS
    assert not forget(world.folder / "victim-ours", "foo"), "only what was contradicted"
    assert Memory(world.folder / "victim-ours/memory.sqlite").contradictions(), "the evidence stays"


def test_what_a_thief_left_in_a_bucket_goes_too(
    moto_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in moto_server.credentials.items():
        monkeypatch.setenv(variable, value)
    world = World(tmp_path / "world", f'public = "{moto_server.url(tmp_path.name)}"\n')
    world.do(publishing("foo"))
    depot, seen = world.service.depot, tmp_path / "seen"
    write_folder(seen, {path: depot.read(path) or b"" for path in depot.paths("")})
    thief = Thief(world, seen)
    thief.strike(timestamp=HUGE, bins=300_000)
    for path, data in thief.wrote.items():
        depot.drop(path)
        depot.add([(path, data)])
    change_key(world)
    assert set(recovered(world)) == set(thief.wrote)
    assert pointed(world) == 3
    world.do(publishing("more"))
    assert lines(world, fsck.examine_quickly) == []


def test_a_thief_who_writes_once_more_meanwhile_is_put_out_by_the_same_command(world: World) -> None:
    thief = Thief(world)
    thief.strike(timestamp=HUGE, bins=300_000)
    says(world, "victim")
    change_key(world)
    folder, last_good = written(world), newest(world)
    with at(("publish.committed",), lambda: thief.strike_again(world.public)), pytest.raises(DepotError):
        recovered(world, folder, last_good)
    recovered(world, folder, last_good)
    everyone_reads(world, "victim", "away")
    assert lines(world, fsck.examine_quickly) == []


def test_said_again_long_after_for_an_old_backup_it_takes_nothing_away_that_the_new_key_signed(
    world: World, tmp_path: Path
) -> None:
    change_key(world)
    folder = written(world)
    recovered(world, folder)
    world.service.journal.back_up(tmp_path / "backup")
    world.do(publishing("bar"))
    set_back(world, tmp_path / "backup")
    before = {path: path.read_bytes() for path in world.public.rglob("*.json")}
    with pytest.raises(Behind):
        recovered(world, folder, 2)
    assert {path: path.read_bytes() for path in world.public.rglob("*.json")} == before


def test_recover_does_not_take_a_thiefs_numbers_for_lost_releases(world: World) -> None:
    """Whoever says it although no backup was restored: no service has published so often since."""
    Thief(world).strike(timestamp=HUGE)
    world.tick(hours=1)
    with pytest.raises(
        NotRecovered, match=r"the last release that is logged is another, 2: the online key was stolen.*Nothing"
    ):
        recover(world.service.press, world.now, lambda *_: None)
    assert newest(world) == 2


# The database is lost.


def test_a_database_and_public_files_that_are_both_set_back_are_refused_until_the_online_key_changes(
    world: World, tmp_path: Path
) -> None:
    """The row "Lost DB / rolled-back bins: restore; else rotate snapshot key. "Expected bin-0.json version 1, got 10"
    bricks; snapshot rotation cures." Where newer public files are left, `recover` takes them back (test_restoring.py).
    """
    world.service.journal.back_up(tmp_path / "backup")
    shutil.copytree(world.public, tmp_path / "public")
    for number in range(3):
        world.do(publishing("bar", f"{number}.0"))
    everyone_reads(world, "victim")
    set_back(world, tmp_path / "backup")
    shutil.rmtree(world.public)
    shutil.copytree(tmp_path / "public", world.public)
    world.reopen()
    assert says(world, "victim") == ROLLBACK
    assert says(world, "away") == says(world, fresh()) == READS
    change_key(world)
    world.service.take_in(written(world), rehearsal_allowed=True, key_lost=True)
    everyone_reads(world, "victim", "away")
    assert says(world, "victim", name="bar") == ("absent", "absent"), "what is lost is lost"


def test_bins_that_are_rolled_back_break_clients_until_timestamp_and_snapshot_change_hands(tmp_path: Path) -> None:
    """The same with plain TUF: the snapshot lists bins of an older version than a client has seen."""
    bare = Bare(tmp_path)
    bare.everything(10)
    assert bare.says("cached") == "reads"
    bare.bins(1)
    bare.snapshot(11, 1, targets=10)
    bare.timestamp(11, 11)
    assert bare.says("cached") == "BadVersionNumberError: Expected bin-0.json version 1, got 10."
    assert bare.says("fresh") == "reads"
    bare.root(2, FIRST | {"timestamp": ("timestamp-2",), "snapshot": ("snapshot-2",)})
    bare.snapshot(12, 1, ("snapshot-2",), targets=10)
    bare.timestamp(12, 12, ("timestamp-2",))
    assert {bare.says("cached"), bare.says("fresh"), bare.says("late")} == {"reads"}


# The root keys are lost, or stolen.


def another(world: World, folder: Path) -> World:
    """A new chain of roots by other people, as if nothing had been before, that publishes the same project."""
    made = World(folder, begin=world.now, holders=(7, 8, 9))
    made.do(publishing("foo"))
    return made


def test_without_a_quorum_the_old_chain_works_until_its_root_ends_and_a_new_one_begins_at_a_new_address(
    world: World, tmp_path: Path
) -> None:
    """The row "Lost root keys, quorum gone: online roles continue until root expiry; new chain at new URL, new client
    release with bootstrap=. Old clients undisturbed; at the old URL they all fail at once."
    """
    world.tick(days=200)
    world.do(publishing("bar"))
    everyone_reads(world, "victim", "away")
    new = another(world, tmp_path / "new")
    pin = new.trust.roots[0].data
    assert says(new, fresh()) == READS
    everyone_reads(world, "victim", "away")

    at_the_old = world.folder / "new-chain-at-the-old-address"
    shutil.copytree(new.public, at_the_old)
    assert says(world, "cached-copy", trusting=pin, mirror=at_the_old) == READS
    assert says(world, "victim", mirror=at_the_old) == says(world, "away", mirror=at_the_old) == ROLLBACK
    assert says(world, fresh(), mirror=at_the_old) == UNSIGNED
    as_next = world.folder / "new-root-as-the-next-one"
    shutil.copytree(world.public, as_next)
    root = signed_file(json.loads(pin)["signed"] | {"version": 2}, all_of(held_key(7), held_key(8)))
    (as_next / "metadata/2.root.json").write_bytes(root)
    for machine in ("victim", "away", fresh()):
        assert says(world, machine, mirror=as_next) == UNSIGNED

    everyone_reads(world, "victim", "away")
    world.tick(days=166)
    world.service.round()
    assert says(world, "victim") == says(world, fresh()) == EXPIRED


def test_a_stolen_root_threshold_keeps_its_victims_and_only_a_later_root_given_by_hand_cures(
    world: World, tmp_path: Path
) -> None:
    """The row "Root threshold stolen: legit holders may race N+1 with all old keys to save clients not yet hit. Victims
    stay on the evil chain; bootstrap= a later good root cures, and stays cured on restart".
    """
    first = world.trust
    evil = World(tmp_path / "evil", begin=world.now)  # the same first ceremony, so the same root 1
    evil.do(publishing("foo"))
    assert evil.trust.roots[0].data == first.roots[0].data
    log = change_log_key(evil, 66)
    change_key(evil, 66)
    evil.service.take_in(
        write_folder(tmp_path / "theirs", ceremony(evil, (1, 2, 4, 5), holders=(4, 5, 6), online_number=66, log=log)),
        rehearsal_allowed=True, key_lost=True,
    )  # fmt: skip
    assert says(world, "victim", mirror=evil.public) == READS, "they have the threshold: everybody believes them"
    assert says(world, "victim") == UNSIGNED, "and stays with them"

    hold(world, (1, 2, 3), holders=(1, 2, 3, 7))  # the race: who comes home first is safe
    assert says(world, "away") == READS
    assert says(world, "away", mirror=evil.public) == UNSIGNED
    assert says(world, "victim") == UNSIGNED
    later = world.trust.roots[1].data
    assert says(world, "victim", trusting=later) == READS
    assert says(world, "victim", trusting=later) == READS, "after a restart too"
    assert says(world, "victim", trusting=later, mirror=evil.public) == UNSIGNED


def test_with_the_old_root_a_victims_own_cache_leads_back_to_the_thieves(world: World, tmp_path: Path) -> None:
    """The row "With the old embedded root the evil local cache is found first: wipe it"."""
    evil = World(tmp_path / "evil", begin=world.now)
    evil.do(publishing("foo"))
    log = change_log_key(evil, 66)
    change_key(evil, 66)
    evil.service.take_in(
        write_folder(tmp_path / "theirs", ceremony(evil, (1, 2), online_number=66, log=log)), rehearsal_allowed=True,
        key_lost=True,
    )  # fmt: skip
    assert says(world, "victim", mirror=evil.public) == READS
    hold(world, (2, 3), holders=(1, 2, 3, 7))
    assert says(world, "victim") == UNSIGNED
    shutil.rmtree(world.folder / "victim-stock")
    shutil.rmtree(world.folder / "victim-ours/metadata")
    assert says(world, "victim") == READS


# Roots that must never be.


def test_a_gap_in_the_roots_stops_new_clients_silently_and_fsck_says_so(world: World) -> None:
    """The row "Gap in N.root.json: keep all roots for ever. Fresh clients stop silently at the gap (status OK, old
    root)".
    """
    for days in (300, 200, 300):
        hold(world, (1, 2), holders=(1, 2, days))
    everyone_reads(world, "victim")
    gap = world.public / "metadata/3.root.json"
    gap.rename(world.folder / "gone")
    for machine, root in (("victim", 4), ("away", 2), (fresh(), 2)):
        assert says(world, machine) == READS
        assert root_of(world, machine) == root
        assert ours(world, machine).trusted.root.version == root
    assert lines(world, fsck.examine_quickly) == ["metadata/3.root.json: is missing in the depot"]
    (world.folder / "gone").rename(gap)
    assert lines(world, fsck.examine_quickly) == []
    assert root_of(world, "away") == 4


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_threshold_that_nobody_can_meet_stops_every_client_until_the_next_root(tmp_path: Path, role: str) -> None:
    """The row "Impossible threshold in another role: lint. All clients fail until N+1"."""
    bare = Bare(tmp_path)
    assert bare.says("cached") == "reads"
    bare.root(2, FIRST, **{role: 2})
    assert f"{role} was signed by 1/2 keys" in bare.says("cached")
    assert f"{role} was signed by 1/2 keys" in bare.says("fresh")
    bare.root(3, FIRST)
    assert {bare.says("cached"), bare.says("fresh"), bare.says("late")} == {"reads"}


def test_a_root_with_a_threshold_that_nobody_can_meet_is_taken_in_by_nobody_of_ours(world: World) -> None:
    root = json.loads(ceremony(world, (1, 2), holders=(1, 2, 4))["2.root.json"])["signed"]
    root["roles"]["timestamp"]["threshold"] = 2
    bad = signed_file(root, all_of(held_key(1), held_key(2)))
    with pytest.raises(trust.Unreadable, match="timestamp: the threshold is 2 of 1 keys, which nobody can meet"):
        trust.read({**world.trust.files(), "2.root.json": bad})
    folder = write_folder(world.folder / "bad", {**world.trust.files(), "2.root.json": bad})
    with pytest.raises(NotTakenIn, match="which nobody can meet"):
        world.service.take_in(folder, rehearsal_allowed=True)


def test_two_roots_of_one_version_split_the_clients(tmp_path: Path) -> None:
    """The row "Fork of a version: irreparable for one side", unless the keys of both sides sign what follows."""
    bare = Bare(tmp_path)
    for side in ("left", "right"):
        bare.root(2, FIRST | {"root": (side,)}, ("root", side))
        assert bare.client(side)._trusted_set.root.version == 2
    for _ in range(2):
        bare.root(3, FIRST | {"root": ("left",)}, ("left",))
        assert bare.says("left") == "reads"
        assert bare.says("right") == "UnsignedMetadataError: root was signed by 0/1 keys"
    bare.root(3, FIRST | {"root": ("left",)}, ("left", "right"))
    assert {bare.says("left"), bare.says("right")} == {"reads"}


def test_of_two_roots_of_one_version_the_service_takes_the_first_in_and_no_other(world: World) -> None:
    """A holder's key refuses to sign the second (tests/ceremony); this is the last hurdle."""
    left, right = ceremony(world, (1, 2, 4), holders=(1, 4, 5)), ceremony(world, (1, 2), holders=(1, 2, 6))
    world.take_in(trust.read(left))
    everyone_reads(world, "victim", "away")
    before = sorted(world.public.rglob("*"))
    with pytest.raises(NotTakenIn, match="this service trusts another root 2; these files do not continue it"):
        world.service.take_in(write_folder(world.folder / "right", right), rehearsal_allowed=True)
    assert sorted(world.public.rglob("*")) == before


def test_a_client_never_passes_256_roots_after_the_one_that_it_was_given(tmp_path: Path) -> None:
    """The row "With bootstrap= a client can never pass 256 roots after its embedded one: a second run does not
    continue." It does not fail either: it goes on with an old root. A ceremony therefore stops at 200.
    """
    bare = Bare(tmp_path)
    for version in range(2, 261):
        bare.root(version, FIRST)
    for _ in range(2):
        assert bare.client("cached")._trusted_set.root.version == 257
    bare.root(261, FIRST | {"timestamp": ("timestamp-2",)})
    bare.timestamp(2, 1, ("timestamp-2",))
    assert "timestamp was signed by 0/1 keys" in bare.says("cached")
    assert "timestamp was signed by 0/1 keys" in bare.says("fresh")


# The log's key is stolen with the online key.


def forged(world: World, leaves: int = 1) -> bytes:
    """What a thief with the log's key makes of the public log: it goes on, and nobody can take that back."""
    with world.service.journal.reading() as view:
        before = view.log(trust.bins_shape(roots.parse_targets(view.newest("bins"))))
    files: list[LogFile] = []
    edge = grown(before.edge, [b'{"kind":"document"}'] * leaves, files)
    for file in files:
        (world.public / file.path).parent.mkdir(parents=True, exist_ok=True)
        (world.public / file.path).write_bytes(file.body)
    note = str(notes.signed(Checkpoint(LOG_NAME, edge.size, edge.root), [log_key()])).encode()
    (world.public / CHECKPOINT).write_bytes(note)
    return note


def test_a_log_that_a_thief_appended_to_is_not_overwritten_and_its_name_has_ended(world: World) -> None:
    Thief(world).strike(timestamp=HUGE)
    note = forged(world)
    world.reopen()
    with pytest.raises(Behind, match="the online key was stolen"):
        world.do(publishing("bar"))
    before = {path: path.read_bytes() for path in world.public.rglob("*") if path.is_file()}
    change_key(world)
    with pytest.raises(NotTakenIn, match=rf"the log's key was stolen too.*{LOG_NAME} has ended.*Nothing was written"):
        recovered(world)
    assert {path: path.read_bytes() for path in world.public.rglob("*") if path.is_file()} == before

    other = log_key(2, "registry.test/second")
    (world.service.folder / "log.key").write_text(other.written)
    world.reopen()
    taken = recovered(world, written(world, log=Log((str(other.key),), begins_anew=True)))
    assert CHECKPOINT in taken and any("log/tile/" in path for path in taken)
    assert note in [path.read_bytes() for path in (world.service.folder / EVIDENCE).iterdir()]
    assert (world.public / CHECKPOINT).read_bytes().startswith(b"registry.test/second\n")
    everyone_reads(world, "victim", "away")
    world.do(publishing("more"))
    assert [line for line in lines(world) if "packages" not in line] == []


def test_files_of_the_log_that_its_key_did_not_sign_are_taken_out_and_ours_put_back(world: World) -> None:
    Thief(world).strike(timestamp=HUGE)
    tile = max((world.public / "log/tile/0").rglob("000.p/*"), key=lambda path: int(path.name))
    whole = tile.read_bytes()
    tile.write_bytes(b"x")
    (world.public / CHECKPOINT).write_bytes(b"rubbish")
    (world.public / "log/proofs/9.tlog-proof").write_bytes(b"rubbish")
    change_key(world)
    assert {CHECKPOINT, "log/proofs/9.tlog-proof"} <= set(recovered(world))
    assert tile.read_bytes() == whole and not (world.public / "log/proofs/9.tlog-proof").exists()
    assert [line for line in lines(world) if "packages" not in line] == []
