"""Programs that some tests need: found, or a skip that says what to install. In CI a skip is a failure."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest


def need(program: str, package: str) -> str:
    """The path of a program; skips with one line that says what to install where it is missing."""
    if path := shutil.which(program):
        return path
    message = f"{program} is missing; install {package}"
    if os.environ.get("TALLYSTICK_TESTS_MUST_RUN"):
        pytest.fail(message)
    pytest.skip(message)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """A WSGI application on a free loopback port, for the time of a ``with`` block; gives its address."""
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
