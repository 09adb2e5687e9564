"""Servers on free loopback ports for as long as a block lasts: a handler of http.server, a door of ours, a process."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol


class Door(Protocol):
    """What serves until it is told to stop."""

    port: int

    def serve(self, stopping: threading.Event) -> None:
        """Until ``stopping`` is set."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing of it."""

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the base class's name for it
        """Nothing: whoever looks on has seen the address."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # whoever is told too much hangs up
            super().handle_error(request, client_address)


@contextmanager
def answering(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server whose every request such a handler answers."""
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def folder(path: Path) -> Iterator[str]:
    """The address of a static server of a folder."""
    with answering(partial(Quiet, directory=str(path))) as url:
        yield url


@contextmanager
def serving(door: Door) -> Iterator[int]:
    """The port of a door of ours, which serves in a thread; at the end it has finished what it had in hand."""
    stopping = threading.Event()
    thread = threading.Thread(target=door.serve, args=(stopping,))
    thread.start()
    try:
        yield door.port
    finally:
        stopping.set()
        thread.join()


@contextmanager
def process(command: Sequence[str | Path], **options: Any) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that a server says in its first line, and its process, which is told to stop at the end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline()
            found = re.search(r"http://[^\s/]+", said)
            assert found is not None, f"it did not begin: {said}"
            yield found[0], server
            server.terminate()
            server.communicate(timeout=40)
        finally:
            server.kill()


def service(home: Path, port: int = 0) -> list[str]:
    """The command that serves a service's folder."""
    return [sys.executable, "-m", "repo_service.cli", "serve", str(home), "--port", str(port)]
