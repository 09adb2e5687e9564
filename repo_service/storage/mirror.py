"""A depot as python-tuf's client reads a repository: as a mirror on this machine, without a network."""

from collections.abc import Iterator
from typing import Final

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from repo_service.storage.depot import Depot

BASE: Final = "https://depot.invalid"
"""The address that a client is told; nothing is looked up."""


class Mirror(FetcherInterface):
    """Answers for ``BASE`` out of a depot. Unavailable may come out of it, as of the depot."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(f"{BASE}/")
        data = self._depot.read(path)
        if data is None:
            raise DownloadHTTPError(f"{path} is not in the depot", 404)
        yield data
