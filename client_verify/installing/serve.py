"""The verified index for as long as somebody wants it, and what it refuses told while it happens."""

import signal
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Final

from client_verify.installing.index import PORT, Index, bound, serving
from client_verify.installing.report import Entry, sentence
from client_verify.refusals import Usage
from client_verify.verifier import Verifier

REMINDED_SECONDS: Final = 3600.0
_REMEMBERED: Final = 1000
_STOPPED_BY: Final = (signal.SIGINT, signal.SIGTERM)


class Spoken:
    """Says each refusal, warning and note once; after a thousand others, or a restart, again."""

    def __init__(self, say: Callable[[str], None], keep: Callable[[Entry], None]) -> None:
        self._say = say
        self._keep = keep
        self._lock = threading.Lock()
        self._said: OrderedDict[str, None] = OrderedDict()

    def refuse(self, entry: Entry) -> None:
        """Say a refusal, and keep it for `tallystick log`."""
        with self._lock:
            if self._is_new(f"{entry.code} {entry.detail}"):
                self._say(sentence(entry, "Nothing of it was passed on."))
                self._keep(entry)

    def warn(self, sentence: str) -> None:
        """Say a warning."""
        with self._lock:
            if self._is_new(sentence):
                self._say(f"tallystick: warning: {sentence}")

    def note(self, sentence: str) -> None:
        """Say a note."""
        with self._lock:
            if self._is_new(sentence):
                self._say(f"tallystick: note: {sentence}")

    def know(self, warnings: Iterable[str]) -> None:
        """Say those of these warnings that are new."""
        for warning in warnings:
            self.warn(warning)

    def _is_new(self, what: str) -> bool:
        if what in self._said:
            return False
        self._said[what] = None
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return True


def until_stopped(
    verifier: Verifier, port: int, spoken: Spoken, ready: Callable[[str], None], reminded: float = REMINDED_SECONDS
) -> None:
    """Serve on this port (0: a free one) until SIGINT or SIGTERM; ``ready`` gets the address. Usage if it is taken.

    What a person should know before anything is refused is said at the beginning, and again after ``reminded`` seconds.
    """
    stopped = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in _STOPPED_BY}
    try:
        with serving(Index(verifier, spoken), _listening(port)) as address:
            ready(address)
            while not stopped.wait(reminded):
                spoken.know(verifier.warnings)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listening(port: int) -> socket.socket:
    try:
        return bound(port)
    except OSError as error:
        raise Usage(
            f"port {port} of this machine cannot be had: {error.strerror}. Is another `tallystick serve` there? "
            f"End it, or choose another port with --port (lock files record it, and {PORT} is the usual one). "
            "Nothing is served."
        ) from None
