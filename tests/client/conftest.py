"""A world with a repository on paper and a client outside: in memory for the checks, over loopback for installers."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.accepted import NOTHING, Accepted
from client_verify.cli import main
from client_verify.refresh import MakeUpdater
from client_verify.remembering.memory import Memory
from client_verify.session import Session
from client_verify.trust import DEFAULT_LOG, LogTrust, Pin
from client_verify.verifier import Verifier
from keys.signing import Sign
from keys.state import NameState, Release
from tests import paper
from tests.loopback import answering

URL = "http://registry.test"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


class PaperFetcher(FetcherInterface):
    """Serves a dict. Anything that is not there is a 404; ``broken`` makes every request fail."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []
        self.broken = False

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(f"{URL}/")
        self.asked.append(path)
        if self.broken:
            raise DownloadError(f"{url}: connection refused")
        if path not in self.files:
            raise DownloadHTTPError(f"{url}: HTTP status 404", 404)
        return iter([self.files[path]])


def updater_at(clock: Callable[[], datetime], **settings: Any) -> MakeUpdater:
    """python-tuf's Updater, living at the world's time.

    It reads the machine's clock when it is made and takes no other; this one place pokes it.
    """

    def make(*places: str, **arguments: Any) -> Updater:
        updater = Updater(*places, **arguments)
        updater._trusted_set.reference_time = clock()
        for name, value in settings.items():
            setattr(updater.config, name, value)
        return updater

    return make


@dataclass
class World:
    """A repository, a client's directory, and the time of both."""

    directory: Path
    now: datetime = NOW
    log_trust: LogTrust = DEFAULT_LOG
    repository: paper.Paper = field(init=False)
    fetcher: PaperFetcher = field(init=False)

    def __post_init__(self) -> None:
        self.repository = paper.Paper(self.now)
        self.fetcher = PaperFetcher(self.repository.files)

    def clock(self) -> datetime:
        return self.now

    def later(self, **time: int) -> datetime:
        self.now += timedelta(**time)
        return self.now

    def publish(self, **changes: Any) -> None:
        self.repository.publish(self.now, **changes)

    def say(self, name: str, *releases: Release, serial: int = 1) -> NameState:
        """Say this of a name and publish it."""
        state = paper.project(self.now, name, *releases, serial=serial)
        self.repository.say(state)
        self.publish()
        return state

    def rebuild(self, forge: paper.Forge, signers: dict[str, Sign] | None = None) -> None:
        """Begin again with a root of trust that was never right."""
        self.repository = paper.Paper(self.now, forge=forge, signers=signers)
        self.fetcher = PaperFetcher(self.repository.files)

    def memory(self) -> Memory:
        return Memory(self.directory / "memory.sqlite")

    def session(self, *new_holders: str, accepted: Accepted = NOTHING, **settings: Any) -> Session:
        """A new client on the same directory, as after a restart."""
        pin = Pin("acme", URL, self.repository.root, log=self.log_trust)
        make = updater_at(self.clock, **settings)
        given = replace(accepted, generations=accepted.generations | {*new_holders})
        return Session(pin, self.directory, self.fetcher, self.clock, given, make)

    def verifier(self, accepted: Accepted = NOTHING, **settings: Any) -> Verifier:
        """One of this repository alone, on the same directory."""
        pin = Pin("acme", URL, self.repository.root)
        blobs = self.directory.parent / "blobs"
        opened = lambda _: self.session(accepted=accepted, **settings)  # noqa: E731
        made = Verifier([pin], blobs, opened, self.clock, None, accepted)
        made.open()
        return made


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "acme")


class Terminal:
    """A person who types commands; ``out`` and ``err`` are what the last one and its children printed."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self.out = self.err = ""

    def __call__(self, *words: object) -> int:
        try:
            code = main([str(word) for word in words])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        self.out, self.err = self._capture.readouterr()
        return code


@pytest.fixture
def terminal(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of somebody who has never used the command, in an empty directory."""
    monkeypatch.setenv("TALLYSTICK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("COLUMNS", "10000")  # tests quote whole sentences
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.chdir(tmp_path)
    return Terminal(capfd)


@pytest.fixture
def locked() -> Callable[[Path], Any]:
    """Hold a lock file as another process would."""

    @contextmanager
    def hold(path: Path) -> Iterator[None]:
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    return hold


@dataclass
class Served:
    """Files on a free loopback port; ``asked`` collects every path that was asked for, ``codings`` in which form.

    With another ``status`` every answer has it; with a ``pause`` each byte waits for so many seconds.
    """

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    codings: list[str | None] = field(default_factory=list)
    status: int = 200
    pause: float = 0.0
    url: str = ""
    stop: Callable[[], None] = lambda: None


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, bytes]], Served]]:
    """Start static web servers that end with the test."""
    running: list[Served] = []

    def start(files: dict[str, bytes]) -> Served:
        served, own = Served(files), ExitStack()
        running.append(served)
        served.url = own.enter_context(answering(_handler(served)))
        served.stop = own.close
        return served

    yield start
    for served in running:
        served.stop()


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            served.asked.append(path)
            served.codings.append(self.headers["Accept-Encoding"])
            data = served.files.get(path)
            self.send_response(404 if data is None and served.status == 200 else served.status)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            with suppress(OSError):  # whoever is fed too slowly goes
                for piece in [data or b""] if not served.pause else map(bytes, zip(data or b"")):
                    self.wfile.write(piece)
                    time.sleep(served.pause)

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    return Handler
