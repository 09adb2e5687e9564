"""Who wakes publishing up. A bell nobody hears costs a delay, never an event."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

logger: Final = logging.getLogger(__name__)
_LONGEST_PAUSE_S: Final = 30.0


class Bell(Protocol):
    """How whoever accepted something wakes who publishes, in this process or elsewhere."""

    def ring(self) -> None:
        """Say that something is pending. Never raises."""

    def is_alive(self) -> bool:
        """Whether who would publish in this process is there; True where others publish."""

    def rounds(self) -> int:
        """How many rounds have ended here; 0 where others publish."""

    def await_round(self, after: int, seconds: float) -> None:
        """Return as soon as it may be worth looking what is published now: another round than these many has ended, or
        some time is over, ``seconds`` at most.
        """


class Publisher:
    """A thread of this process that does a round (deadlines, publishing) when rung, and every ``interval`` seconds.

    Every ``poll`` seconds it looks whether something waits that no bell told of: another process accepted it, or died.
    After a round that published the next one follows, ``pause`` seconds later: more may have come, or was left.
    """

    def __init__(
        self, do_round: Callable[[], object | None], interval: float, waits: Callable[[], bool], poll: float,
        pause: float = 0.0,
    ) -> None:  # fmt: skip
        self._do_round = do_round
        self._interval = interval
        self._waits = waits
        self._poll = poll
        self._pause = pause
        self._rung = threading.Event()
        self._stopping = threading.Event()
        self._rounds = 0
        self._ended = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="publisher")

    def ring(self) -> None:
        """Begin the next round at once, or right after the one in hand."""
        self._rung.set()

    def start(self) -> None:
        """Begin with a round, in a thread that lasts until ``stop``."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread runs: it has been started and has not ended."""
        return self._thread.is_alive()

    def rounds(self) -> int:
        """How many rounds have ended, well or not."""
        return self._rounds

    def await_round(self, after: int, seconds: float) -> None:
        """Until another round than these ``after`` has ended, ``seconds`` at most."""
        with self._ended:
            self._ended.wait_for(lambda: self._rounds != after, seconds)

    def stop(self) -> None:
        """Let the round in hand end, then return."""
        self._stopping.set()
        self._rung.set()
        self._thread.join()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._rung.clear()
            try:
                published = self._do_round() is not None
                failures = 0
            except Exception:  # whatever it was, the next round begins from the journal again
                logger.exception("publishing failed; nothing is lost, and it is tried again")
                self._stopping.wait(min(self._interval, 2.0**failures, _LONGEST_PAUSE_S))
                failures += 1
                published = False
            self._tell()
            if not published:
                self._wait()
            elif self._pause:
                self._stopping.wait(self._pause)

    def _tell(self) -> None:
        with self._ended:
            self._rounds += 1
            self._ended.notify_all()

    def _wait(self) -> None:
        """Until rung, until something waits, or until the interval is over."""
        until = time.monotonic() + self._interval
        while (left := until - time.monotonic()) > 0 and not self._rung.wait(min(self._poll, left)):
            try:
                if self._waits():
                    return
            except Exception:
                return  # a round will say what is wrong
