"""The files of a log: from this machine's disk, else from the repository's addresses, and kept once they are proven.

What lies on the disk is believed no more than what arrives. It spares the network, and stands for it offline.
"""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from tuf.api.exceptions import DownloadError

from client_verify.fetching.ahead import Ahead
from client_verify.fetching.mirrors import Mirrors
from keys.tlog.merkle import NotProven

T = TypeVar("T")
Fetch = Callable[[str], bytes]
FOLDER: Final = "log"


class Files:
    """``base`` is the repository's address, ``directory`` its data directory, ``mirrors`` all of its addresses."""

    def __init__(self, base: str, directory: Path, ahead: Ahead, mirrors: Mirrors) -> None:
        self._url = f"{base}/{FOLDER}"
        self._directory = directory / FOLDER
        self._ahead = ahead
        self._mirrors = mirrors

    def begin(self, path: str, limit: int) -> None:
        """Let a file come that will be asked for, if it is not here."""
        if not (self._directory / path).exists():
            self._ahead.begin(f"{self._url}/{path}", limit)

    def proven(self, path: str, limit: int, check: Callable[[bytes], T]) -> T:
        """What ``check`` makes of a file, from the first place whose file it does not call NotProven. DownloadError."""
        with suppress(OSError, NotProven):
            return check((self._directory / path).read_bytes())

        def arrived(fetch: Fetch) -> tuple[T, bytes]:
            data = fetch(path)
            return check(data), data

        found, data = self.by_each(limit, arrived)
        self._keep(path, data)
        return found

    def by_each(self, limit: int, work: Callable[[Fetch], T]) -> T:
        """What ``work`` makes of files of at most so many bytes, fetched from one address after the other until it does
        not call them NotProven. Else the first NotProven, or DownloadError.
        """
        first: NotProven | None = None
        for url in self._mirrors.addresses(self._url + "/"):
            try:
                return work(lambda path, url=url: self._ahead.download_bytes(f"{url}{path}", limit))  # type: ignore[misc]  # a default binds the loop's value
            except NotProven as error:
                first = first or error
            except DownloadError:
                if first is None:  # all addresses were asked
                    raise
        assert first is not None, "there is at least one address"
        raise first

    def retain(self, paths: Iterable[str]) -> None:
        """Let go of what was kept for an earlier release."""
        kept = {self._directory / path for path in paths}
        for path in self._directory.rglob("*"):
            if path.is_file() and path not in kept:
                path.unlink(missing_ok=True)

    def _keep(self, path: str, data: bytes) -> None:
        place = self._directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
            file.write(data)
        Path(file.name).replace(place)
