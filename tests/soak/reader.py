"""A verifying client that never stops looking: ``python -m tests.soak.reader FOLDER WHO``, until SIGTERM.

It is our own client (client_verify.session), which keeps what it ever saw; now and then one comes that knows nothing.
The one that is called ``watch`` asks for the pointer alone, to know when each release became public.
"""

import json
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.answers import Found
from client_verify.fetching.transport import Fetcher
from client_verify.refusals import Refused
from client_verify.session import Session
from client_verify.trust import Pin
from keys.encoding import sha256
from tests.soak.history import Diary, Look, Shown, Sight
from tests.world import Mirror

PAGES: Final = 3
"""So many pages are asked for after each refresh."""
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Sources:
    """Where clients can read: addresses of the public files, or a depot's own folder; ``surest`` is the way on which
    the nemesis never is. ``seed`` makes a run repeat as far as processes do.
    """

    ways: list[str]
    surest: str
    root: str
    seed: int

    def address(self, way: str) -> str:
        return "http://folder.test" if Path(way).is_absolute() else way

    def fetcher(self, way: str) -> FetcherInterface:
        return Mirror(Path(way)) if Path(way).is_absolute() else Fetcher(patience=10.0)


class Watching(FetcherInterface):
    """Passes everything on, and writes down the digest of each file when it is first seen whole."""

    def __init__(self, inner: FetcherInterface, seen: dict[str, str], diary: Diary) -> None:
        self._inner = inner
        self._seen = seen
        self._diary = diary

    def _fetch(self, url: str) -> Iterator[bytes]:
        data = b"".join(self._inner.fetch(url))
        path = urlsplit(url).path.lstrip("/")
        if path.endswith("metadata/timestamp.json"):
            path = f"timestamp {_version(data)}"
        path = path.removeprefix(path.partition("metadata/")[0]) if "metadata/" in path else path
        digest = sha256(data)
        if self._seen.get(path) != digest:
            self._seen[path] = digest
            self._diary.write(Sight(path, digest))
        yield data


class Reader:
    """One client with its memory, and strangers with none."""

    def __init__(self, folder: Path, number: str, sources: Sources, ending: threading.Event) -> None:
        self._folder = folder
        self._number = number
        self._sources = sources
        self._chance = random.Random(f"{sources.seed} reader {number}")
        self._diary = Diary(folder, f"seen-{number}")
        self._seen: dict[str, str] = {}
        self._strangers = 0
        self._ending = ending

    def run(self) -> None:
        while not self._ending.is_set():
            self._look("resident")
            if self._chance.random() < 0.15:
                self._strangers += 1
                self._look(f"stranger-{self._strangers}")
            self._ending.wait(0.02)
        self._diary.close()

    def _look(self, who: str) -> None:
        client, where, begun = f"{self._number} {who}", self._chance.choice(self._sources.ways), time.time()
        try:
            session = self._session(who, where)
            timestamp, serials = session.trusted.timestamp.version, {}
            for name in self._some_names():
                page = session.page(name)
                serials[name] = page.state.serial if isinstance(page, Found) else 0
            self._diary.write(Look(client, begun, time.time(), timestamp, serials))
        except Refused as refused:
            network = is_network(refused)
            self._diary.write(Look(client, begun, time.time(), 0, {}, f"{refused.code}: {refused} ({where})", network))
            if network:
                self._ending.wait(0.1)

    def _session(self, who: str, where: str) -> Session:
        folder = self._folder / "clients" / f"{self._number}-{who}"
        folder.mkdir(parents=True, exist_ok=True)
        pin = Pin("soak", self._sources.address(where), Path(self._sources.root).read_bytes())
        fetcher = Watching(self._sources.fetcher(where), self._seen, self._diary)
        return Session(pin, folder, fetcher, lambda: datetime.now(UTC).replace(microsecond=0))

    def _some_names(self) -> list[str]:
        known = (self._folder / "names").read_text().split()
        return self._chance.sample(known, min(PAGES, len(known)))


def is_network(refused: Refused) -> bool:
    """Whether nothing but the way to the repository was at fault: no answer, or one that says "not now".

    A file that is not there is no such thing: clients are only told of files that are.
    """
    cause = refused.__cause__
    while isinstance(cause, DownloadError) and not isinstance(cause, DownloadHTTPError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, DownloadHTTPError):
        return cause.status_code >= 500
    return refused.code == "unreachable"


def watch(diary: Diary, sources: Sources, ending: threading.Event) -> None:
    """Write down when each version of the pointer became public."""
    newest, fetcher = 0, sources.fetcher(sources.surest)
    while not ending.wait(_POLL_S):
        try:
            data = fetcher.download_bytes(f"{sources.address(sources.surest)}/metadata/timestamp.json", 1 << 20)
        except DownloadError:
            continue
        if _version(data) != newest:
            newest = _version(data)
            diary.write(Shown(time.time(), newest))


def _version(timestamp: bytes) -> int:
    version: int = json.loads(timestamp)["signed"]["version"]
    return version


def main() -> None:
    folder, who = Path(sys.argv[1]), sys.argv[2]
    sources = Sources(**json.loads((folder / "sources.json").read_text()))
    ending = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    if who == "watch":
        watch(Diary(folder, "shown"), sources, ending)
    else:
        Reader(folder, who, sources, ending).run()


if __name__ == "__main__":
    main()
