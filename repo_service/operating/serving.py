"""How a process ends: the first signal lets what is in hand finish, the second ends it at once.

Nothing depends on it: what was acknowledged is in the journal. It saves callers from asking again.
"""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from wsgiref.types import WSGIApplication

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

DRAIN_S: Final = 20.0
"""How long requests in hand may take after the first signal. Kubernetes kills after 30 s, systemd after 90."""
MAX_HEADERS: Final = 1 << 14
"""Bytes before a request's body. Waitress answers 431 to more; a signed request needs less than 2,000."""
KILLED: Final = 128 + signal.SIGTERM


def spare_the_collector() -> None:
    """For a process that stays: what it loaded at its start is never garbage and need not be looked through, and what
    requests leave behind mostly goes without the collector.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@contextmanager
def stopped_by_signals(also: Callable[[], None] = lambda: None) -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, for as long as the block lasts; a second one ends the process at once.

    ``also`` is called after it is set, between any two instructions of the main thread.
    """
    stopping = threading.Event()

    def stop(number: int, frame: Any) -> None:
        del number, frame
        if stopping.is_set():
            os._exit(KILLED)  # no cleaning up: whoever asks twice means it, and a crash is safe
        stopping.set()
        also()

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class Server:
    """Waitress on one address, turned by hand so that it can stop accepting and still finish what it has."""

    def __init__(self, app: WSGIApplication, host: str, port: int, threads: int, max_body: int) -> None:
        self._sockets: dict[int, Any] = {}
        self._server = waitress.create_server(
            app, map=self._sockets, host=host, port=port, threads=threads, ident=None,
            max_request_body_size=max_body, max_request_header_size=MAX_HEADERS,
        )  # fmt: skip
        self.port: int = next(each.effective_port for each in self._of(BaseWSGIServer))

    def serve(self, stopping: threading.Event) -> None:
        """Serve until told to stop, then accept nothing new and finish what is in hand, for at most DRAIN_S."""
        try:
            while not stopping.is_set():
                self._turn(0.2)
            for listener in self._of(BaseWSGIServer):
                wasyncore.dispatcher.close(listener)  # without its trigger, by which threads wake this loop
            deadline = time.monotonic() + DRAIN_S
            while self._drop_idle() and time.monotonic() < deadline:
                self._turn(0.05)
        finally:
            self._server.task_dispatcher.shutdown(timeout=0.5)
            wasyncore.close_all(self._sockets)

    def _turn(self, wait_s: float) -> None:
        wasyncore.loop(timeout=wait_s, use_poll=True, map=self._sockets, count=1)

    def _drop_idle(self) -> int:
        """How many connections have something in hand; the others are closed. What came whole is the last of its
        connection, what is still coming may come to its end.
        """
        for channel in self._of(HTTPChannel):
            if channel.request is None and not channel.requests and not channel.total_outbufs_len:
                channel.handle_close()
            elif channel.request is None:
                channel.readable = lambda: False
        return len(self._of(HTTPChannel))

    def _of(self, kind: type) -> list[Any]:
        return [each for each in self._sockets.values() if isinstance(each, kind)]
