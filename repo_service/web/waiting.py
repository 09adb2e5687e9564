"""The room in which requests stay until their changes are visible: one of those who wait looks, for all of them."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Event, Lock
from typing import Final

from repo_service.bell import Bell
from repo_service.storage.journal import Journal
from repo_service.storage.requestreading import SignedIn

NOT_KNOWN: Final = -1
"""Rounds that had ended when nobody looked."""


class _Place:
    """Where one request waits: ``woken`` once ``found`` is there, or once it is the one who looks."""

    __slots__ = ("change", "found", "woken")

    def __init__(self, change: str) -> None:
        self.change = change
        self.found: SignedIn | None = None
        self.woken = Event()


class WaitingRoom:
    """Asks the journal once a round, however many wait, and wakes only those whose change is published.

    Nobody is missed: of who is here, each round up to ``_seen`` was looked at. What came before them is up to them,
    and who looks in vain, gives up or fails hands on to another, who goes on from there.
    """

    def __init__(
        self, journal: Journal, bell: Bell, waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        """Whoever waits does so inside of ``waiting``."""
        self._journal = journal
        self._bell = bell
        self._waiting = waiting
        self._lock = Lock()
        self._places: dict[_Place, None] = {}
        self._looking: _Place | None = None
        self._seen = 0

    def wait(self, change: str, since: int, seconds: float) -> SignedIn | None:
        """Where a change is signed, once every client can see it; None if it takes longer than these seconds.

        ``since`` is how many rounds had ended (``Bell.rounds``) when the change was not in the journal yet;
        where that is NOT_KNOWN, the journal is asked at once.
        """
        until = time.monotonic() + seconds
        place = self._enter(change, since)
        try:
            if self._bell.rounds() != since:
                self._look()  # one that has ended since may have published it
            while place.found is None and (left := until - time.monotonic()) > 0:
                if self._looking is place:
                    with self._waiting():
                        self._bell.await_round(self._seen, left)
                    self._look()
                else:
                    with self._waiting():
                        place.woken.wait(left)
        finally:
            self._leave(place)
        return place.found

    def _enter(self, change: str, since: int) -> _Place:
        place = _Place(change)
        with self._lock:
            if self._looking is None:
                self._looking, self._seen = place, since
            self._places[place] = None
        return place

    def _leave(self, place: _Place) -> None:
        with self._lock:
            self._places.pop(place, None)
            if self._looking is place:
                self._looking = next(iter(self._places), None)
                if self._looking is not None:
                    self._looking.woken.set()

    def _look(self) -> None:
        rounds = self._bell.rounds()  # first: one that ends from here on is looked at again
        with self._lock:
            asked = list(self._places)
        with self._journal.reading() as view:
            signed = view.signed_in({place.change for place in asked})
        with self._lock:
            self._seen = max(self._seen, rounds)
            for place in asked:
                if (found := signed.get(place.change)) and found.published:
                    place.found = found
                    self._places.pop(place, None)
                    place.woken.set()
