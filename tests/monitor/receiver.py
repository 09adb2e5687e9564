"""A webhook's receiver on this machine, that answers as it is told and keeps what it got."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.loopback import answering


@dataclass
class Receiver:
    """``statuses`` are its next answers; then it takes everything."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes, int]] = field(default_factory=list)

    @property
    def taken(self) -> list[str]:
        """The ids of what it took, in order."""
        return [headers["webhook-id"] for headers, _, status in self.got if status == 204]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.statuses.pop(0) if receiver.statuses else 204
            receiver.got.append(({key.lower(): value for key, value in self.headers.items()}, body, status))
            self.send_response(status)
            if status == 302:
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with answering(Handler) as url:
        receiver.url = f"{url}/hook"
        yield receiver
