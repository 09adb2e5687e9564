"""The waiting room: one looks for all, and nobody who waits is forgotten, whoever gives up or fails."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from repo_service.storage.journal import Journal
from repo_service.storage.requestreading import SignedIn
from repo_service.storage.tables import DatabaseAway, open_engine
from repo_service.storage.view import View
from repo_service.web.waiting import NOT_KNOWN, WaitingRoom
from tests.servers import until
from tests.service.door import Door
from tests.world import World, publishing

LONG_S = 30.0
"""Longer than any test may take: who is forgotten waits for so long."""


class ByHand:
    """A bell whose rounds end when the test says so, and which says how many sleep beside it."""

    def __init__(self) -> None:
        self.asleep = 0
        self._rounds = 0
        self._ended = threading.Condition()

    def ring(self) -> None:
        pytest.fail("the room rings nobody")

    def is_alive(self) -> bool:
        return True

    def rounds(self) -> int:
        return self._rounds

    def await_round(self, after: int, seconds: float) -> None:
        with self._ended:
            self.asleep += 1
            self._ended.wait_for(lambda: self._rounds != after, seconds)
            self.asleep -= 1

    def end_round(self) -> None:
        with self._ended:
            self._rounds += 1
            self._ended.notify_all()


class Elsewhere(ByHand):
    """As Redis's bell: others publish, and whoever waits may look every now and then."""

    def await_round(self, after: int, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))


class Watched(Journal):
    """Counts who reads it, and fails as often as it is told to."""

    looks = 0
    failures = 0

    @contextmanager
    def reading(self) -> Iterator[View]:
        self.looks += 1
        if self.failures:
            self.failures -= 1
            raise DatabaseAway("the database cannot be used: it is a test")
        with super().reading() as view:
            yield view


class Room:
    """A room with its world, its bell and its journal, and threads that wait in it."""

    def __init__(self, folder: Path, bell: ByHand) -> None:
        self.world = World(folder)
        self.bell = bell
        self.journal = Watched(open_engine(self.world.service.database))
        self.room = WaitingRoom(self.journal, bell)
        self._threads = ThreadPoolExecutor(20)

    def change(self, name: str) -> str:
        return self.world.record(publishing(name)).id

    def waits(self, change: str, seconds: float = LONG_S, since: int | None = None) -> Future[SignedIn | None]:
        """Somebody else who waits for this change, and is in the room already."""
        here = len(self.room._places)
        rounds = self.bell.rounds() if since is None else since
        found = self._threads.submit(self.room.wait, change, rounds, seconds)
        until(lambda: len(self.room._places) > here or found.done())
        return found

    def close(self) -> None:
        """Let go of whoever waits for what never comes."""
        for place in list(self.room._places):
            place.found = SignedIn(0, 0, published=False)
            place.woken.set()
        self.bell.end_round()
        self._threads.shutdown()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path, ByHand())
    yield room
    room.close()


def published(found: Future[SignedIn | None]) -> bool:
    """Whether it was told so, long before its time was over."""
    signed = found.result(LONG_S / 2)
    return signed is not None and signed.published


def test_however_many_wait_the_journal_is_asked_once_a_round(room: Room) -> None:
    waiting = [room.waits(room.change(f"name-{number}")) for number in range(12)]
    until(lambda: room.bell.asleep == 1)
    assert room.journal.looks == 0
    room.world.service.round()
    room.bell.end_round()
    assert all(map(published, waiting))
    assert room.journal.looks == 1


def test_who_is_not_published_yet_stays_and_looks_for_the_others(room: Room) -> None:
    first = room.waits(room.change("first"))
    later = [room.waits("a change to come") for _ in range(2)]
    room.world.service.round()
    room.bell.end_round()
    assert published(first)
    until(lambda: room.bell.asleep == 1)
    second = room.waits(room.change("second"))
    room.world.service.round()
    room.bell.end_round()
    assert published(second)
    assert not any(each.done() for each in later)


def test_two_that_wait_for_one_change_are_both_told(room: Room) -> None:
    change = room.change("foo")
    waiting = [room.waits(change), room.waits(change)]
    room.world.service.round()
    room.bell.end_round()
    assert all(map(published, waiting))


def test_who_looks_and_gives_up_hands_on_to_another(room: Room) -> None:
    change = room.change("foo")
    brief, patient = room.waits(change, 0.05), room.waits(change)
    assert brief.result(LONG_S) is None
    until(lambda: room.bell.asleep == 1)
    room.world.service.round()
    room.bell.end_round()
    assert published(patient)


def test_who_gives_up_behind_another_takes_nothing_along(room: Room) -> None:
    patient = room.waits(room.change("foo"))
    assert room.waits(room.change("bar"), 0.05).result(LONG_S) is None
    assert len(room.room._places) == 1
    room.world.service.round()
    room.bell.end_round()
    assert published(patient)


def test_a_journal_that_fails_once_fails_one_and_the_next_looks_at_once(room: Room) -> None:
    """No other round ends: what the one that failed did not see is seen all the same."""
    waiting = [room.waits(room.change(f"name-{number}")) for number in range(3)]
    room.world.service.round()
    room.journal.failures = 1
    room.bell.end_round()
    with pytest.raises(DatabaseAway):
        waiting[0].result(LONG_S / 2)
    assert all(map(published, waiting[1:]))


def test_what_was_published_before_somebody_came_in_is_told_at_once(room: Room) -> None:
    change = room.change("foo")
    since = room.bell.rounds()
    room.world.service.round()
    room.bell.end_round()
    assert published(room.waits(change, since=since))


def test_who_looks_may_sleep_already_when_that_one_comes_in(room: Room) -> None:
    room.waits("a change to come")
    change, since = room.change("foo"), room.bell.rounds()
    room.world.service.round()
    room.bell.end_round()
    until(lambda: room.journal.looks == 1 and room.bell.asleep == 1)
    assert published(room.waits(change, since=since))


def test_who_does_not_know_when_it_was_recorded_looks_at_once(room: Room) -> None:
    change = room.change("foo")
    room.world.service.round()
    assert published(room.waits(change, since=NOT_KNOWN))


def test_where_others_publish_one_looks_every_now_and_then(tmp_path: Path) -> None:
    room = Room(tmp_path, Elsewhere())
    waiting = [room.waits(room.change(f"name-{number}")) for number in range(3)]
    until(lambda: room.journal.looks > 2)
    assert not any(each.done() for each in waiting)
    room.world.service.round()
    assert all(map(published, waiting))


def test_nobody_of_many_is_forgotten_beside_a_real_publisher(tmp_path: Path) -> None:
    """Every answer is ``signed``, and comes of a round and not of the end of its wait."""
    world = World(tmp_path)
    publisher = world.service.publisher()
    publisher.start()
    try:
        door = Door(world, bell=publisher)  # type: ignore[arg-type]

        def publish(number: int) -> tuple[str, float]:
            began = time.monotonic()
            owner = {"kind": "owner", "id": f"account-{number}"}
            answer = door.publish(f"name-{number}", actor=owner, Prefer="wait=60", key=f"many-{number}")
            return answer.get_json()["status"], time.monotonic() - began

        with ThreadPoolExecutor(12) as threads:
            found = list(threads.map(publish, range(60)))
    finally:
        publisher.stop()
    assert {status for status, _ in found} == {"signed"}
    assert max(took for _, took in found) < 45
