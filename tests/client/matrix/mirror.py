"""A web server in an attacker's hands: it serves the files of a repository, and some of them as badly as it can."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.loopback import answering

Misbehave = Callable[[BaseHTTPRequestHandler, bytes], None]


class Mirror:
    """Files on a free loopback port. ``tricks`` say how paths with an ending are answered; ``asked`` is every path.

    ``before`` is called with each path before it is answered.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.tricks: dict[str, Misbehave] = {}
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda _: None
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.lstrip("/")
        self.asked.append(path)
        self.before(path)
        data = self.files.get(path)
        trick = next((trick for ending, trick in self.tricks.items() if path.endswith(ending)), honestly)
        if data is None:
            _head(handler, 404, ("Content-Length", "0"))
        else:
            trick(handler, data)


def honestly(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    _head(handler, 200, ("Content-Length", str(len(data))))
    handler.wfile.write(data)


def without_end(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """The right bytes, and then more, as long as anybody listens."""
    handler.close_connection = True
    _head(handler, 200, ("Connection", "close"))
    handler.wfile.write(data)
    while True:
        handler.wfile.write(bytes(1 << 16))


def drop_by_drop(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """The right bytes, one at a time, often enough that no connection looks dead."""
    _head(handler, 200, ("Content-Length", str(len(data))))
    for position in range(len(data)):
        handler.wfile.write(data[position : position + 1])
        handler.wfile.flush()
        time.sleep(0.05)


def missing(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    _head(handler, 404, ("Content-Length", "0"))


@contextmanager
def serving(mirror: Mirror) -> Iterator[Mirror]:
    """The mirror on a port of its own for the time of a block."""
    with answering(_handler(mirror)) as mirror.url:
        yield mirror


def _head(handler: BaseHTTPRequestHandler, status: int, *headers: tuple[str, str]) -> None:
    handler.send_response(status)
    for header in headers:
        handler.send_header(*header)
    handler.end_headers()


def _handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            mirror.answer(self)

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    return Handler
