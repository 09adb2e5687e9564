"""The nemesis: kills, stops and cuts whatever it may, at random times, and lets it come back some time later."""

import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.soak.history import Diary, Struck
from tests.soak.processes import Process

BETWEEN_S: Final = (1.5, 4.0)
"""So long between two strikes."""
LONGER_THAN_A_LEASE_S: Final = 3.0


Stroke = Callable[[], Callable[[], None]]
"""Does some harm; what it returns undoes it."""


class Nemesis:
    """Strikes ``victims`` (processes of the service) and ``others`` (servers that it uses, by name) until it is told to
    end; then all that it did is undone. As whoever runs a service does, it begins again what has ended.
    """

    def __init__(
        self,
        seed: int,
        diary: Diary,
        victims: Sequence[Process],
        others: Mapping[str, Callable[[], Callable[[], None]]],
    ) -> None:
        self._chance = random.Random(f"{seed} nemesis")
        self._diary = diary
        self._victims = victims
        self._others = others
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self._busy: set[str] = set()
        self._ending, self._undone, self._resting = threading.Event(), threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, name="nemesis")

    def end(self) -> None:
        """Strike no more, and wait until everything is as it was. Whoever falls is still raised."""
        self._ending.set()
        assert self._undone.wait(120), "the nemesis itself has died"

    def rest(self) -> None:
        """Raise nobody any more; nothing is begun after this."""
        self._ending.set()
        self._resting.set()
        self.thread.join()

    def _run(self) -> None:
        next_at = time.monotonic() + 2.0
        while not self._ending.wait(0.1):
            self._undo_what_is_due(time.monotonic())
            self._raise_the_fallen()
            if time.monotonic() >= next_at:
                self._strike()
                next_at = time.monotonic() + self._chance.uniform(*BETWEEN_S)
        self._undo_what_is_due(float("inf"))
        self._undone.set()
        while not self._resting.wait(0.1):
            self._raise_the_fallen()

    def _raise_the_fallen(self) -> None:
        """Who died by SIGKILL wrote it down; anything else is worth a count."""
        for victim in self._victims:
            if (status := victim.fallen) is not None:
                if status != -signal.SIGKILL:
                    self._diary.write(Struck(time.time(), "fall", f"{victim.name} with {status}"))
                victim.begin()

    def _strike(self) -> None:
        here = [victim for victim in self._victims if not victim.away]
        free = [name for name in self._others if name not in self._busy]
        kinds = [*(["kill"] * 4 + ["stop"] * 2 if len(here) > 1 else []), *(["other"] * 3 if free else [])]
        if not kinds:
            return
        kind = self._chance.choice(kinds)
        if kind == "kill":
            self._kill(self._chance.choices(here, [4 if each.publishes else 1 for each in here])[0])
        elif kind == "stop":
            self._stop(self._chance.choice(here))
        else:
            self._cut(self._chance.choice(free))

    def _kill(self, victim: Process) -> None:
        seconds = self._chance.uniform(0.0, 1.5)
        victim.kill()
        self._did("kill", victim.name, seconds, victim.begin)

    def _stop(self, victim: Process) -> None:
        seconds = self._chance.choice((0.5, 1.0, LONGER_THAN_A_LEASE_S, 2 * LONGER_THAN_A_LEASE_S))
        victim.signal(signal.SIGSTOP)
        victim.away = True

        def wake() -> None:
            victim.signal(signal.SIGCONT)
            victim.away = False

        self._did("stop", victim.name, seconds, wake)

    def _cut(self, name: str) -> None:
        self._busy.add(name)
        undo = self._others[name]()

        def again() -> None:
            undo()
            self._busy.discard(name)

        self._did("reset" if name in ("network", "answers") else "restart", name, self._chance.uniform(0.5, 3.0), again)

    def _did(self, how: str, whom: str, seconds: float, undo: Callable[[], None]) -> None:
        self._diary.write(Struck(time.time(), how, whom, seconds))
        self._undo.append((time.monotonic() + seconds, undo))

    def _undo_what_is_due(self, now: float) -> None:
        due = [undo for at, undo in self._undo if at <= now]
        self._undo = [(at, undo) for at, undo in self._undo if at > now]
        for undo in due:
            undo()
