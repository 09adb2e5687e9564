"""Processes that can be killed, stopped and begun again, and that are gone at the end whatever happens."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.servers import until


class Process:
    """One program, begun again by the same command. Its output goes to a file."""

    def __init__(self, name: str, command: list[str], logs: Path, ready: Callable[[], bool] = lambda: True) -> None:
        self.name = name
        self._command = command
        self._log = logs / f"{name.replace(' ', '-')}.log"
        self._ready = ready
        self._running: subprocess.Popen[bytes] | None = None
        self.publishes = "server" not in name
        self.away = False
        """Stopped or dead at the moment, on purpose."""

    def begin(self) -> None:
        """Begin it, in a session of its own: Ctrl-C is for whoever runs the soak."""
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        self.away = False

    @property
    def fallen(self) -> int | None:
        """The status with which it ended by itself, if it did."""
        return None if self.away or self._running is None else self._running.poll()

    def wait_until_ready(self, seconds: float = 30.0) -> None:
        until(self._ready, seconds, lambda: f"{self.name} is not ready after {seconds:.0f} s; see {self._log}")

    def signal(self, number: int) -> None:
        if self._running is not None and self._running.poll() is None:
            os.kill(self._running.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        if self._running is not None:
            self._running.wait()
        self.away = True

    def end(self, seconds: float = 20.0) -> str | None:
        """Tell it to stop; what is wrong if it does not do so in time or fails."""
        if self._running is None:
            return None
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            status = self._running.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"{self.name} did not stop in {seconds:.0f} s when it was told to"
        self.away = True
        return None if status in (0, -signal.SIGTERM) else f"{self.name} ended with {status}; see {self._log}"


def python(name: str, logs: Path, *arguments: str, ready: Callable[[], bool] = lambda: True) -> Process:
    """A Python module of this tree as a process."""
    return Process(name, [sys.executable, "-m", *arguments], logs, ready)
