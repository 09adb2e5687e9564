"""A plain registry, with no client of ours: it serves tallyflask 1.0, and answers one kind of request as it is told."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Final, Literal

from keys.encoding import compact, sha256
from keys.page import MEDIA_TYPE
from tests import paper
from tests.installers import Project
from tests.loopback import answering

Kind = Literal["page", "file", "metadata"]
WHEEL: Final = paper.wheel("tallyflask", "1.0")
assert WHEEL.metadata is not None
REASON, TITLE, DETAIL = "the reason phrase", "the problem title", "the problem detail"
_CONTENT: Final[dict[Kind, tuple[str, bytes]]] = {
    "page": (
        MEDIA_TYPE,
        compact(
            {
                "meta": {"api-version": "1.4"},
                "name": "tallyflask",
                "versions": ["1.0"],
                "files": [
                    {
                        "filename": WHEEL.filename,
                        "url": f"/files/{WHEEL.filename}",
                        "size": len(WHEEL.data),
                        "hashes": {"sha256": sha256(WHEEL.data)},
                        "core-metadata": {"sha256": sha256(WHEEL.metadata)},
                    }
                ],
            }
        ),
    ),
    "file": ("application/octet-stream", WHEEL.data),
    "metadata": ("application/octet-stream", WHEEL.metadata),
}


@dataclass
class Registry:
    """``refused`` is the status with which a kind of request is answered, ``caching`` the Cache-Control of a kind."""

    url: str = ""
    refused: dict[Kind, int] = field(default_factory=dict)
    caching: dict[Kind, str] = field(default_factory=dict)
    asked: list[Kind] = field(default_factory=list)

    @property
    def index(self) -> str:
        return f"{self.url}/simple/"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of an installer ended: its exit code, what is installed, and all that it printed, in one line."""

    code: int
    installed: tuple[str, ...]
    printed: str


def run(project: Project, **environment: str) -> Ended:
    """The project's command by itself."""
    done = subprocess.run(
        project.command, cwd=project.folder, env=project.environment | environment, capture_output=True, timeout=120
    )
    words = (done.stdout + done.stderr).decode().split()
    return Ended(done.returncode, tuple(project.installed()), " ".join(words))


@contextmanager
def registry() -> Iterator[Registry]:
    """One on a free loopback port."""
    served = Registry()
    with answering(_handler(served)) as served.url:
        yield served


def _kind(path: str) -> Kind | None:
    if path == "/simple/tallyflask/":
        return "page"
    if path.startswith("/files/"):
        return "metadata" if path.endswith(".metadata") else "file"
    return None


def _handler(served: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            if (kind := _kind(self.path)) is None:
                self.answer(HTTPStatus.NOT_FOUND, "Not Found", "text/plain", b"", "no-store")
                return
            served.asked.append(kind)
            caching = served.caching.get(kind, "no-store")
            if (status := served.refused.get(kind)) is None:
                self.answer(HTTPStatus.OK, "OK", *_CONTENT[kind], caching)
            else:
                body = compact({"type": "about:blank", "title": TITLE, "detail": DETAIL, "status": status})
                self.answer(status, REASON, "application/problem+json", body, caching)

        do_HEAD = do_GET  # noqa: N815 - uv asks whether parts of a file can be fetched

        def answer(self, status: int, reason: str, kind: str, body: bytes, caching: str) -> None:
            self.send_response(status, reason)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", caching)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    return Handler
