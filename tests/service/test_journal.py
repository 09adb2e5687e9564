"""The journal is the truth: one transaction for a change, one for a release, and nothing is lost between publishers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from client_verify.answers import Found
from keys.signing import HeldKeys
from repo_service import failpoint
from repo_service.accepting import intake
from repo_service.build.assemble import Release
from repo_service.build.check import WouldBeRefused
from repo_service.domain import requests as r
from repo_service.publishing.press import Memory, Press
from repo_service.publishing.publish import LeaseHeld, publish
from repo_service.storage import tables
from repo_service.storage.committing import Overtaken
from repo_service.storage.requestreading import KeyReused
from tests.world import BECAUSE, OWNER, World, held_key, publishing


@pytest.fixture
def at() -> Iterator[Callable[[str, Callable[[], object]], None]]:
    """Do something, once, when the program passes a failpoint."""

    def arm(point: str, do: Callable[[], object]) -> None:
        def reached(name: str) -> None:
            if name == point:
                failpoint.arm(None)
                do()

        failpoint.arm(reached)

    yield arm
    failpoint.arm(None)


def pending(world: World) -> int:
    with world.service.journal.reading() as view:
        return len(view.pending().events)


def published(world: World, *names: str) -> bool:
    client = world.client("fresh")
    return all(isinstance(client.page(name), Found) for name in names)


def generation(world: World) -> int:
    with world.service.journal.reading() as view:
        return view.head().generation


# Requests.


def test_a_key_stands_for_one_request_of_one_sender(world: World) -> None:
    first = world.record(publishing("foo"), key="once")
    assert world.record(publishing("foo"), key="once") == first
    with pytest.raises(KeyReused):
        world.record(publishing("bar"), key="once")
    with pytest.raises(KeyReused):
        world.record(r.Yank("foo", "1.0", None, OWNER), key="once")
    assert pending(world) == 2


def test_a_key_is_remembered_across_releases_and_what_came_after(world: World) -> None:
    first = world.record(publishing("foo"), key="once")
    world.service.round()
    world.do(r.Yank("foo", "1.0", BECAUSE, OWNER))
    assert world.record(publishing("foo"), key="once") == first


def test_a_refused_request_leaves_nothing(world: World) -> None:
    with pytest.raises(intake.Refused, match="foo has no release"):
        world.record(r.Yank("foo", "1.0", None, OWNER))
    with world.service.journal.reading() as view:
        assert view.counts() == {"names": 0, "events": 0, "pending": 0}
        assert view.change("key-1") is None


def test_a_change_is_remembered_whole_or_not_at_all(world: World, at: Callable[..., None]) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    at("intake.before_commit", die)
    with pytest.raises(KeyboardInterrupt):
        world.record(publishing("foo"), key="once")
    with world.service.journal.reading() as view:
        assert view.counts() == {"names": 0, "events": 0, "pending": 0}
    world.record(publishing("foo"), key="once")
    assert pending(world) == 2


def test_events_come_back_as_they_were_written(world: World) -> None:
    world.do(publishing("foo"), r.Yank("foo", "1.0", BECAUSE, OWNER))
    with world.service.journal.reading() as view:
        created, release, yanked = view.events("foo")
    assert [event.seq for event in (created, release, yanked)] == [1, 2, 3]
    assert (yanked.by, yanked.reason, yanked.policy, yanked.actor) == ("owner", BECAUSE, "standard/1", "account-1")
    assert yanked.at == "2026-11-22T10:00:00Z"


# Releases.


def take_over(world: World) -> None:
    """What another publisher does once a lease has passed by itself: its holder sleeps."""
    with world.service.journal.reading() as view:
        lease = view.lease()
    assert lease is not None and lease.holder
    world.service.journal.break_lease(lease.holder)
    world.service.round()


def test_pending_is_what_no_release_holds_whatever_its_number(world: World) -> None:
    """Found by what they lack, never by "id greater than last": ids commit out of order."""
    world.record(publishing("foo"))
    world.record(publishing("bar"))
    with world.service.journal.reading() as view:
        pending_now = view.pending()
        assert (pending_now.events, pending_now.names) == ((1, 2, 3, 4), ("foo", "bar"))
    world.service.round()
    assert pending(world) == 0
    assert world.service.round() is None


def test_one_release_holds_all_that_was_pending(world: World) -> None:
    release = world.do(*(publishing(f"name-{number}") for number in range(20)))
    assert release is not None and generation(world) == 2
    assert published(world, *(f"name-{number}" for number in range(20)))


@pytest.mark.parametrize("point", ["publish.read", "publish.signed", "publish.before_commit"])
def test_a_publisher_that_was_overtaken_takes_up_what_is_left(
    world: World, at: Callable[..., None], point: str
) -> None:
    """Whoever is first holds the events; what came in between is not left until somebody rings again."""
    world.record(publishing("foo"))

    def overtake() -> None:
        take_over(world)
        world.record(publishing("bar"))

    at(point, overtake)
    world.service.round()
    assert pending(world) == 0
    assert generation(world) == 3
    assert published(world, "foo", "bar")


def test_a_publisher_that_was_overtaken_with_nothing_left_publishes_nothing(
    world: World, at: Callable[..., None]
) -> None:
    world.record(publishing("foo"))
    at("publish.before_commit", lambda: take_over(world))
    assert world.service.round() is None
    assert generation(world) == 2 and published(world, "foo")


def test_one_generation_is_committed_once_and_the_second_leaves_nothing(world: World, at: Callable[..., None]) -> None:
    world.record(publishing("foo"))
    release = world.service.round()
    assert release is not None
    world.record(publishing("bar"))
    with world.service.journal.reading() as view:
        events = view.pending().events
        before = view.head()
    press = world.service.press
    epoch = press.journal.take_lease("somebody", 10)
    assert epoch is not None
    with pytest.raises(Overtaken, match="generation"):
        press.journal.commit(release, None, events, press.lifetimes, world.now, epoch)
    press.journal.give_back(epoch)
    with world.service.journal.reading() as view:
        assert view.pending().events == events
        assert view.head() == before


def test_what_clients_would_refuse_does_not_become_true(world: World) -> None:
    """The signer enforces what was promised, not only the registry: its journal was set back, or its key is wrong."""
    world.do(publishing("foo"))
    before = sorted(world.public.rglob("*"))
    world.record(r.Yank("foo", "1.0", BECAUSE, OWNER))
    with pytest.raises(WouldBeRefused, match="bin-"):
        publish(replace(world.service.press, sign=HeldKeys(held_key(1))), world.now)
    with world.service.journal.writing() as pen:
        name = pen.name("foo")
        assert name.state is not None
        pen.keep(replace(name, state=replace(name.state, releases=())), None, None)
    with pytest.raises(WouldBeRefused, match="disappeared without a tombstone"):
        world.service.round()
    assert generation(world) == 2 and pending(world) == 1
    assert sorted(world.public.rglob("*")) == before


def test_what_a_crash_left_committed_is_finished_by_the_next_round(world: World, at: Callable[..., None]) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    world.record(publishing("foo"))
    at("publish.committed", die)
    with pytest.raises(KeyboardInterrupt):
        world.service.round()
    assert not (world.public / "metadata" / "2.snapshot.json").exists()
    assert world.service.round() is None, "there is nothing new, only something to finish"
    assert published(world, "foo")


def test_two_threads_that_publish_at_once_lose_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    writing = threading.Event()
    writing.set()
    failures: list[BaseException] = []

    def publish() -> None:
        try:
            while writing.is_set():
                world.service.round()
        except BaseException as error:
            failures.append(error)

    def write(names: list[str]) -> None:
        try:
            for name in names:
                world.record(publishing(name, actor=r.Actor("system")), key=name)
        except BaseException as error:
            failures.append(error)

    names = [f"name-{number}" for number in range(24)]
    publishers = [threading.Thread(target=publish) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(names[half::2],)) for half in range(2)]
    for thread in (*publishers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    writing.clear()
    for thread in publishers:
        thread.join()
    world.service.round()
    assert failures == []
    assert pending(world) == 0
    assert published(world, *names)
    snapshots = sorted(int(path.name.split(".")[0]) for path in (world.public / "metadata").glob("*.snapshot.json"))
    assert snapshots == list(range(1, len(snapshots) + 1))
    with world.service.journal.reading() as view:
        assert view.staged() == []
        assert view.head().generation == len(snapshots)


def test_of_two_publishers_that_both_take_longer_than_the_lease_one_wins(world: World) -> None:
    """Each takes the lease while the other is at work; if the lease had a say in the commit, neither ever would."""
    world.record(publishing("foo"))
    turn = replace(world.service.press.turn, seconds=0.05)
    presses = [replace(world.service.press, turn=turn, memory=Memory()) for _ in range(2)]
    both = threading.Barrier(2, timeout=20)
    made: list[Release | None] = []

    def reached(name: str) -> None:
        if name == "publish.before_commit" and not made:
            time.sleep(0.1)
            with suppress(threading.BrokenBarrierError):
                both.wait()

    def run(press: Press) -> None:
        made.append(publish(press, world.now))
        both.abort()

    failpoint.arm(reached)
    try:
        threads = [threading.Thread(target=run, args=(press,)) for press in presses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
    finally:
        failpoint.arm(None)
    assert [release.generation for release in made if release] == [2]
    assert published(world, "foo")


def test_a_publisher_that_neither_ends_nor_dies_is_named_after_a_while(world: World) -> None:
    world.record(publishing("foo"))
    journal, turn = world.service.journal, replace(world.service.press.turn, seconds=0.1)
    assert journal.take_lease("elsewhere 17 token", 60) is not None
    with pytest.raises(LeaseHeld, match="elsewhere 17 token"):
        publish(replace(world.service.press, turn=turn), world.now)
    assert pending(world) == 2


def test_a_page_that_the_journal_no_longer_has_as_it_was_signed_stops_what_follows_it(world: World) -> None:
    """What may follow is judged by what clients have verified, and by nothing that only looks like it."""
    world.do(publishing("foo"))
    with world.service.journal._engine.begin() as connection:
        page = tables.bodies.c.path.like("targets/simple/foo/%")
        body = connection.scalar(select(tables.bodies.c.body).where(page))
        other = body.replace(b'"size":1', b'"size":2')
        connection.execute(update(tables.bodies).where(page).values(body=other))
    world.record(r.Yank("foo", "1.0", BECAUSE, OWNER))
    with pytest.raises(AssertionError, match="is not what was signed"):
        world.service.round()
    assert generation(world) == 2
