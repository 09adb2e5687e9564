"""What a session answers while nobody attacks, and what it leaves on disk."""

import threading

import pytest

from client_verify.answers import Found, ProvenAbsent
from client_verify.refusals import Refused
from keys import layout
from keys.times import stamp
from tests import paper


def test_a_published_name_is_found_as_it_was_said(world):
    state = paper.project(world.now, "flask", paper.release(world.now, "1.0", paper.wheel("flask", "1.0")))
    world.repository.say(state)
    world.publish()
    assert world.session().page("flask") == Found(state)


def test_an_unknown_name_is_proven_absent_by_a_snapshot_and_until_a_date(world):
    world.publish()
    assert world.session().page("nobody") == ProvenAbsent("nobody", 1, world.now + paper.DAY)


def test_a_state_that_keeps_its_promises_follows_the_one_before(world):
    world.say("flask", serial=1)
    world.session().page("flask")
    after = world.say("flask", paper.release(world.now, "1.0"), serial=2)
    assert world.session().page("flask") == Found(after)


def test_an_unchanged_page_is_not_fetched_again(world):
    world.say("flask")
    world.session().page("flask")
    world.fetcher.asked.clear()
    world.session().page("flask")
    assert [path for path in world.fetcher.asked if path.startswith("targets/")] == []


def test_one_session_answers_from_one_snapshot(world):
    first = world.say("flask", serial=1)
    session = world.session()
    world.say("flask", serial=2)
    assert session.page("flask") == Found(first)


def test_a_session_older_than_the_memory_looks_again_instead_of_seeing_a_contradiction(world):
    """Two installers run side by side; the one that began first must not take the other's knowledge for a rollback."""
    world.say("flask", serial=1)
    older = world.session()
    after = world.say("flask", serial=2)
    world.session().page("flask")
    assert older.page("flask") == Found(after)


def test_a_session_keeps_to_its_snapshot_while_another_process_replaces_the_files(world):
    world.say("flask")
    older = world.session()
    older.page("flask")
    world.say("flask", serial=2)
    world.session().page("flask")
    role = world.repository.bin_of("flask")
    beside = next(name for name in (f"p{number}" for number in range(99)) if world.repository.bin_of(name) == role)
    assert older.page(beside) == ProvenAbsent(beside, 1, world.now + paper.DAY)


def test_the_metadata_directory_holds_exactly_the_trusted_files_as_they_were_served(world):
    world.say("flask")
    world.session().page("flask")
    served, role = world.repository.files, world.repository.bin_of("flask")
    newest = {each: world.repository.newest(each) for each in ("root", "snapshot", "targets", "bins", role)}
    expected = {f"{each}.json": served[path] for each, path in newest.items()}
    expected |= {"timestamp.json": served["metadata/timestamp.json"], "root_history/1.root.json": world.repository.root}
    directory = world.directory / "metadata"
    found = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert found == expected
    assert {path.name for path in world.directory.iterdir()} == {"metadata", "memory.sqlite", "lock"}


def test_a_rotated_root_is_followed_from_the_pinned_one(world):
    world.repository.ceremony(world.later(days=30))
    world.say("flask")
    assert world.session().trusted.root.version == 2


def test_threads_of_one_session_get_the_same_answers(world):
    states = [paper.project(world.now, f"p{number}") for number in range(12)]
    for state in states:
        world.repository.say(state)
    world.publish()
    session, found = world.session(), {}

    def ask(state):
        found[state.name] = session.page(state.name)

    threads = [threading.Thread(target=ask, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {state.name: Found(state) for state in states}


def test_while_another_process_holds_the_lock_nothing_is_verified_or_stored(world, locked):
    """python-tuf: "running multiple instances that use the same cache directories is not supported"."""
    world.say("flask")
    session = world.session()
    before = kept(world)
    asking = threading.Thread(target=session.page, args=("flask",))
    with locked(world.directory / "lock"):
        asking.start()
        asking.join(0.2)
        assert asking.is_alive()
        assert kept(world) == before
        assert world.fetcher.asked[-1] == world.repository.page_file("flask"), "bytes that nobody believes may come"
    asking.join()
    assert kept(world) != before


def kept(world):
    """What the client has on disk."""
    return {path: path.read_bytes() for path in world.directory.rglob("*") if path.is_file()}


def test_a_timestamp_that_is_long_signed_is_warned_of_while_it_is_valid(world):
    world.publish(lifetime=7 * paper.DAY)
    assert world.session().warnings == []
    signed_at = stamp(world.now)
    world.later(hours=25)
    (warning,) = world.session().warnings
    assert signed_at in warning


def test_a_clock_that_is_behind_what_was_signed_is_warned_of(world):
    """Edge case 55: with such a clock nothing would ever be out of date."""
    world.publish()
    signed_at = stamp(world.now)
    world.later(minutes=-5)
    assert world.session().warnings == []
    world.later(hours=-24)
    (warning,) = world.session().warnings
    assert signed_at in warning and f"this machine's clock says {stamp(world.now)}" in warning


def test_a_rehearsal_root_is_warned_of(world):
    world.rebuild(lambda role, body: body.update({layout.REHEARSAL_FIELD: True}) if role == "root" else None)
    world.publish()
    (warning,) = world.session().warnings
    assert "rehearsal" in warning


def test_the_pinned_root_stays_the_anchor_and_not_the_one_in_the_directory(world, tmp_path):
    """GHSA-9pfj-pjv5-22gj: a trust anchor must not be taken from a writable cache."""
    world.publish()
    world.session()
    stranger = paper.Paper(world.now, forge=lambda role, body: body.update({"x-stranger": True}))
    (world.directory / "metadata" / "root.json").unlink()
    (world.directory / "metadata" / "root.json").write_bytes(stranger.root)
    world.session()
    assert (world.directory / "metadata" / "root.json").read_bytes() == world.repository.root


def test_bins_against_the_rules_are_refused_each_time_they_are_asked(world):
    def forge(role, body):
        if role == "bins":
            body["targets"] = {"simple/x/y": {"length": 1, "hashes": {"sha256": "0" * 64}}}

    world.rebuild(forge)
    world.say("flask")
    session = world.session()
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            session.page("flask")
        assert caught.value.code == "invalid"
