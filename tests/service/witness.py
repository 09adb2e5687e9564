"""What was ever seen of one world's public files, by whatever client and in the depot itself.

A name that is not a pointer's stands for one byte string for ever, and so does a version of the timestamp, and a
size of the log; and the pointers go forward only. ``wrong`` holds everything that breaks this.
"""

import json
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.answers import Found
from client_verify.refusals import Refused
from client_verify.session import Session
from client_verify.trust import Pin
from keys.encoding import sha256
from repo_service.storage.depot import Depot
from tests.audit import CHECKPOINT, TIMESTAMP
from tests.world import URL, World

Seen = frozenset[str] | str
"""The names that a client saw changed, or why it refused."""


class Witness:
    """Remembers the digest of every public file that was seen."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._seen: dict[str, str] = {}
        self._newest = 0
        self._largest = 0

    def see(self, path: str, data: bytes) -> None:
        """A file as somebody outside saw it, in the order of time."""
        if path == TIMESTAMP:
            version = json.loads(data)["signed"]["version"]
            path = f"timestamp {version}"
            if version < self._newest:
                self.wrong.append(f"the pointer went back from {self._newest} to {version}")
            self._newest = max(version, self._newest)
        if path == CHECKPOINT:
            size = int(data.split(b"\n")[1])
            path = f"checkpoint of {size}"
            if size < self._largest:
                self.wrong.append(f"the log shrank from {self._largest} leaves to {size}")
            self._largest = max(size, self._largest)
        digest = sha256(data)
        if self._seen.setdefault(path, digest) != digest:
            self.wrong.append(f"equivocation: {path} was seen with two contents")

    def look_through(self, depot: Depot, paths: Iterator[str]) -> None:
        """See every file that lies in a depot."""
        for path in paths:
            data = depot.read(path)
            assert data is not None, f"{path} was listed"
            self.see(path, data)


class Outside(FetcherInterface):
    """Serves a depot under any host, as a mirror does, under a witness's eyes."""

    def __init__(self, depot: Depot, witness: Witness) -> None:
        self._depot = depot
        self._witness = witness

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = unquote(urlsplit(url).path).lstrip("/")
        data = self._depot.read(path)
        if data is None:
            raise DownloadHTTPError(f"{path}: HTTP status 404", 404)
        self._witness.see(path, data)
        yield data


def view(world: World, name: str, witness: Witness) -> Seen:
    """Which of the changes that are made in the matrix a client with this memory sees, by the name they are about."""
    pin = Pin("test", URL, world.trust.roots[0].data)
    fetcher = Outside(world.service.depot, witness)
    try:
        client = Session(pin, world.folder / name, fetcher, world.service.clock)
        first = client.page("first")
        found = {other for other in ("second", "numbered", "late") if isinstance(client.page(other), Found)}
    except Refused as refused:
        return f"refused: {refused}"
    assert isinstance(first, Found)
    return frozenset(found | ({"first"} if first.state.releases[0].yank else set()))
