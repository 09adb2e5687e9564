"""No network: the files that were verified last stand for the servers, for as long as their dates allow.

python-tuf wants to download a timestamp, so it gets the one that it trusts already; no newer root is there; every other
file is on this machine or nowhere. All of it is verified again from the pinned root, and dates are judged as always.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from keys import layout

_TIMESTAMP: Final = f"{layout.TIMESTAMP}.json"


class Offline(FetcherInterface):
    """In the place of a transport: serves the trusted timestamp of a data directory, and nothing else is there."""

    def __init__(self, directory: Path) -> None:
        self._timestamp = directory / "metadata" / _TIMESTAMP

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url.endswith(f"/metadata/{_TIMESTAMP}") and self._timestamp.exists():
            return iter([self._timestamp.read_bytes()])
        raise DownloadHTTPError(f"offline, and {url} is not among what was verified on this machine", 404)
