"""A server that answers what a test wrote down, in order, and remembers what it was asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from keys.encoding import compact
from tests.loopback import answering


@dataclass(frozen=True, slots=True)
class Say:
    """An answer. ``length`` is what it claims to hold, if that is not true; status 0 hangs up instead."""

    status: int
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came, with the names of its headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Fickle:
    """Where it listens, what it will say (the last thing for ever), and what it was asked."""

    def __init__(self, *answers: Say) -> None:
        self.answers = [*answers]
        self.asked: list[Asked] = []
        self.url = ""


@contextmanager
def fickle(*answers: Say) -> Iterator[Fickle]:
    """Such a server as long as the block lasts."""
    its = Fickle(*answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            its.asked.append(Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            say = its.answers.pop(0) if len(its.answers) > 1 else its.answers[0]
            self.close_connection = True
            if say.status == 0:
                return
            data = say.body if isinstance(say.body, bytes) else compact(say.body)
            kind = "application/problem+json" if say.status >= 400 else "application/json"
            self.send_response_only(say.status)
            for name, value in ({"Content-Type": kind, "Connection": "close"} | say.headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) if say.length is None else say.length))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - as http.server has it

        def log_message(self, *_: object) -> None:
            pass

    with answering(Handler) as its.url:
        yield its
