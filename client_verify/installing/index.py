"""The verified index on 127.0.0.1: a simple repository API (PEP 503, 691, 714) made only of verified answers.

Nothing may be cached by an installer: with ``max-age`` uv, poetry and pdm install a revoked file without asking. No
request is passed on: every answer is made here, and a file is served only when all of it is verified. An installer that
takes us for its proxy gets the same answers about this index, and a refusal about every other place.
"""

import logging
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any, BinaryIO, Final, Protocol
from wsgiref.util import FileWrapper

import waitress
from waitress import wasyncore

from client_verify import disk, verdict
from client_verify.answers import Found, ProvenAbsent
from client_verify.installing.foresight import Foresight
from client_verify.installing.report import Entry
from client_verify.refusals import Refused, Usage
from client_verify.verifier import Verifier
from keys import html, names, page, strict
from keys.encoding import compact
from keys.state import File, NameState

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 8417
"""Where the index is if it can be: its address gets into lock files, and should be the same every time."""
VARIABLE: Final = "TALLYSTICK_PORT"
_JSON: Final = (page.MEDIA_TYPE, "application/vnd.pypi.simple.latest+json")
_NO_ROOM: Final = HTTPStatus.INSUFFICIENT_STORAGE, "this machine's disk failed"
_THREADS: Final = 16  # uv opens seven connections; a thread waits for its upstream
_MOST: Final = 1 << 16  # bytes of a request's head, and of a body that nobody has a reason to send


@dataclass(frozen=True, slots=True)
class Request:
    """What of a WSGI environ matters: ``target`` is as the client wrote it, for people; ``path`` is decoded."""

    method: str
    target: str
    path: str
    host: str
    port: str
    accept: str

    @classmethod
    def of(cls, environ: dict[str, Any]) -> "Request":
        """What WSGI says of a request."""
        get = environ.get
        return cls(
            environ["REQUEST_METHOD"],
            _printable(environ["REQUEST_URI"]),
            environ["PATH_INFO"],
            get("HTTP_HOST", ""),
            environ["SERVER_PORT"],
            get("HTTP_ACCEPT", ""),
        )

    @property
    def ours(self) -> tuple[str, ...]:
        """The authorities that are this index."""
        return f"{LOOPBACK}:{self.port}", f"localhost:{self.port}"

    @property
    def origin(self) -> str:
        """``target`` without the address of this index, which a client puts before it when we are its proxy."""
        before = next((f"http://{each}" for each in self.ours if self.target.startswith(f"http://{each}/")), "")
        return self.target.removeprefix(before)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; ``reason`` is the only part of a refusal that pip shows, ``body`` the one that uv shows."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: BinaryIO


class NotServed(Exception):
    """A request that is no question about a package: it is answered, and not recorded."""

    def __init__(self, status: HTTPStatus, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class Listener(Protocol):
    """Who learns what installers were refused, and what they should know; called by several threads."""

    def refuse(self, entry: Entry) -> None:
        """Something was refused to an installer."""

    def warn(self, sentence: str) -> None:
        """Something was let through that may be wrong."""

    def note(self, sentence: str) -> None:
        """Something is good to know, and nothing is wrong."""


class Index:
    """The WSGI application over a verifier. ``report`` learns of every refusal; ``asked`` are names whose page was."""

    def __init__(self, verifier: Verifier, report: Listener) -> None:
        self._verifier = verifier
        self._report = report
        self._foresight = Foresight(verifier)
        self.asked: set[str] = set()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333); no cache may keep the answer."""
        request = Request.of(environ)
        response = self.respond(request)
        length = response.body.seek(0, os.SEEK_END)
        response.body.seek(0)
        headers = [*response.headers, ("Content-Length", str(length)), ("Cache-Control", "no-store")]
        start_response(f"{response.status} {response.reason}", headers)
        if request.method == "HEAD":
            response.body.close()
            return []
        return FileWrapper(response.body, 1 << 16)

    def respond(self, request: Request) -> Response:
        """The answer to a request; what it refuses is in the report."""
        try:
            _check(request)
            return self._answer(request)
        except Refused as refused:
            subject = request.origin.strip("/")[:200]
            self._report.refuse(Entry(subject, refused.code, refused.detail, self._repository(request.path)))
            kind = refused.kind
            return _problem(kind.status, kind.title, refused.detail, f"tallystick:{refused.code}")
        except (OSError, sqlite3.Error) as error:
            # Not the repository's fault, so no refusal of ours; but no installer would show the reason either.
            self._report.warn(disk.complaint(error))
            return _problem(*_NO_ROOM, disk.complaint(error), "about:blank")
        except NotServed as error:
            return _problem(error.status, error.status.phrase, error.detail, "about:blank", *error.headers)

    def _answer(self, request: Request) -> Response:
        match request.path.split("/"):
            case ["", "simple", name, ""]:
                if (normal := _normalised(name)) != name:
                    raise _moved(normal)
                return self._page(name, request.accept)
            case ["", "simple", name]:
                raise _moved(_normalised(name))
            case ["", "packages", name, filename]:
                return self._file(_normalised(name), filename)
        raise NotServed(HTTPStatus.NOT_FOUND, "this index serves /simple/NAME/ and the files that are listed there")

    def _page(self, name: str, accept: str) -> Response:
        self.asked.add(name)
        found = self._found(name)
        state = found.state
        if (refused := verdict.of_name(state) or verdict.of_no_choice(state, found.past)) is not None:
            # Answered with an empty list all the same: an error on a page is shown by no installer but uv.
            self._report.refuse(
                Entry(f"simple/{name}", refused.code, refused.sentence, self._verifier.repository(name))
            )
        self._foresight.page(state)
        listing = _listing(state)
        if any(kind in accept for kind in _JSON):
            return _ok(page.MEDIA_TYPE, compact(listing), ("Vary", "Accept"))
        return _ok(html.MEDIA_TYPE, html.render(listing), ("Vary", "Accept"))

    def _file(self, name: str, filename: str) -> Response:
        bare = filename.removesuffix(".metadata")
        file = self._admitted(name, bare)
        if filename == bare:
            body = self._verifier.content(name, file)
        elif file.core_metadata is not None:
            body = self._verifier.metadata(name, file)
            self._foresight.metadata(body)
        else:
            raise NotServed(HTTPStatus.NOT_FOUND, f"{bare} has no signed core metadata")
        return Response(200, "OK", (("Content-Type", "application/octet-stream"),), body)

    def _found(self, name: str) -> Found:
        answer = self._verifier.ask(name)
        for doubt in self._verifier.doubts(name):
            self._report.warn(doubt)
        if isinstance(answer, ProvenAbsent):
            refused = verdict.of_absence(answer)
            raise Refused(refused.code, refused.sentence)
        return answer

    def _repository(self, path: str) -> str | None:
        """Which one answers for what is asked for, if it is ours and of a name."""
        match path.split("/"):
            case ["", "simple" | "packages", name, *_]:
                with suppress(names.InvalidName):
                    return self._verifier.repository(name)
        return None

    def _admitted(self, name: str, filename: str) -> File:
        match self._verifier.of_choice(name, filename):
            case verdict.Refuse(code, sentence):
                raise Refused(code, sentence)
            case verdict.Warn(sentence):
                self._report.warn(sentence)
            case verdict.Install(_, str(note)):
                self._report.note(note)
        listed = self._found(name).state.file(filename)
        assert listed is not None, "a file that is not listed is refused above"
        return listed[1]


def bound(port: int = 0) -> socket.socket:
    """A socket on this port of 127.0.0.1, or on a free one. OSError if somebody else listens there."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a moment ago do not count
        made.bind((LOOPBACK, port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def usual_port(environ: Mapping[str, str]) -> int:
    """Where the index of this person is: PORT, or what TALLYSTICK_PORT says. Usage if that is none."""
    said = environ.get(VARIABLE) or str(PORT)
    if not said.isascii() or not said.isdecimal() or not 0 < int(said) < 1 << 16:
        raise Usage(f"{VARIABLE} is {said!r:.80}; a port is a number from 1 to 65535")
    return int(said)


def preferred(port: int) -> socket.socket:
    """A socket on this port, or on a free one where another index already listens."""
    try:
        return bound(port)
    except OSError:
        return bound()


@contextmanager
def serving(index: Index, listening: socket.socket | None = None) -> Iterator[str]:
    """The index on a socket, or on a free port, for the time of a ``with`` block; gives its address."""
    logging.getLogger("waitress").setLevel(logging.ERROR)  # its queue warnings would land between pip's own lines
    sockets: dict[int, Any] = {}
    # No Server header, and one map of sockets to close: waitress has no way to stop of its own.
    server = waitress.create_server(
        index,
        map=sockets,
        sockets=[listening or bound()],
        threads=_THREADS,
        ident=None,
        max_request_header_size=_MOST,
        max_request_body_size=_MOST,
    )
    opened: dict[int, Any] = {}

    def end() -> None:
        # The loop ends when its map is empty. Nothing is closed before that: whoever pulls the trigger still writes to
        # it, and the number of a closed file may be somebody else's by then.
        opened.update(sockets)
        sockets.clear()

    thread = threading.Thread(target=server.run, name="index", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.effective_port}"
    finally:
        server.trigger.pull_trigger(end)
        thread.join()
        wasyncore.close_all(opened)
        server.task_dispatcher.shutdown()


def _printable(target: str) -> str:
    # Whoever wrote a requirement's address wrote this, and a terminal obeys what is in it. Each character is a byte.
    return "".join(each if each.isascii() and each.isprintable() else f"%{ord(each):02X}" for each in target)


def _check(request: Request) -> None:
    if request.method == "CONNECT" or not request.origin.startswith(("/", "*")):
        # Absolute form or CONNECT's authority form (RFC 9112 section 3.2): the installer takes us for its proxy and is
        # on its way to somewhere else.
        raise Refused("bypass", f"the installer asked for {request.target:.200}, which is not in the verified index")
    if request.host not in request.ours:
        # A web page whose own name was pointed at 127.0.0.1 must not read from here.
        raise NotServed(HTTPStatus.MISDIRECTED_REQUEST, "the Host header does not name this index")
    if request.method not in ("GET", "HEAD"):
        raise NotServed(HTTPStatus.METHOD_NOT_ALLOWED, "this index can only be read", ("Allow", "GET, HEAD"))


def _normalised(name: str) -> str:
    try:
        return names.normalise(name)
    except names.InvalidName as error:
        raise NotServed(HTTPStatus.NOT_FOUND, str(error)) from None


def _moved(name: str) -> NotServed:
    return NotServed(HTTPStatus.MOVED_PERMANENTLY, "the page of this name", ("Location", f"/simple/{name}/"))


def _listing(state: NameState) -> dict[str, Any]:
    """The signed page without our own part, every file at our own address."""
    listing = strict.parse(page.render(state))
    assert isinstance(listing, dict), "a page is an object"
    del listing["_state"]
    for file in listing["files"]:
        file["url"] = f"../../{names.file_path(state.name, file['filename'])}"
    return listing


def _ok(kind: str, body: bytes, *headers: tuple[str, str]) -> Response:
    return Response(200, "OK", (("Content-Type", kind), *headers), BytesIO(body))


def _problem(status: int, title: str, detail: str, kind: str, *headers: tuple[str, str]) -> Response:
    """A refusal in the form of RFC 9457."""
    body = compact({"type": kind, "title": title, "status": int(status), "detail": detail})
    return Response(status, title, (("Content-Type", "application/problem+json"), *headers), BytesIO(body))
