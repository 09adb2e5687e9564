"""Fetching bytes over HTTP: nothing is believed about them, only how many and for how long.

python-tuf caps every length; what it lacks, and is here, is a limit to the time of a whole transfer and bodies as they
were sent: decoding a ``.tar.gz`` that a server labels ``Content-Encoding: gzip`` would change the signed bytes.
"""

import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 20.0
PATIENCE_SECONDS: Final = 60.0
LEAST_RATE: Final = 20_000
"""Bytes per second: a transfer may take ``PATIENCE_SECONDS``, and a second more for so many bytes that arrived."""
_RETRIES: Final = urllib3.Retry(connect=2, read=0, redirect=5)
_CHUNK: Final = 1 << 16
_HEADERS: Final = {"User-Agent": "tallystick", "Accept-Encoding": "identity"}


def system_proxy(url: str) -> str | None:
    """The proxy of this machine's environment or settings, as the rest of Python finds it."""
    parts, proxies = urlsplit(url), getproxies()
    return None if proxy_bypass(parts.netloc) else proxies.get(parts.scheme) or proxies.get("all")


class Fetcher(FetcherInterface):
    """GET in bounded time. ``proxy_for`` says which proxy leads to a URL, if any; ``patience`` is in seconds."""

    def __init__(
        self, proxy_for: Callable[[str], str | None] = system_proxy, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._proxy_for = proxy_for
        self._patience = patience
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def _fetch(self, url: str) -> Iterator[bytes]:
        deadline = time.monotonic() + self._patience
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=min(READ_SECONDS, self._patience))
        try:
            response = self._pool(url).request(
                "GET", url, preload_content=False, decode_content=False, timeout=timeout, headers=_HEADERS
            )
        except urllib3.exceptions.HTTPError as error:
            raise DownloadError(f"{url}: {_why(error)}") from error
        if response.status >= 400:
            response.close()
            raise DownloadHTTPError(f"{url}: HTTP status {response.status}", response.status)
        return _chunks(url, response, deadline)

    def _pool(self, url: str) -> urllib3.PoolManager:
        proxy = self._proxy_for(url)
        if proxy not in self._pools:
            self._pools[proxy] = _new_pool(proxy)
        return self._pools[proxy]


def _new_pool(proxy: str | None) -> urllib3.PoolManager:
    # A connection for each thread of the index, or every answer but one pays for a new handshake.
    if proxy is None:
        return urllib3.PoolManager(maxsize=16, retries=_RETRIES)
    return urllib3.ProxyManager(proxy, maxsize=16, retries=_RETRIES)


class Overheard(FetcherInterface):
    """Passes everything on, and keeps the last metadata file that was served, to tell what was wrong with it, and the
    timestamp, which python-tuf throws away if its version is the one that it has.
    """

    def __init__(self, inner: FetcherInterface) -> None:
        self._inner = inner
        self.last: bytes | None = None
        self.timestamp: bytes | None = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._inner.fetch(url)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        self.last = super().download_bytes(url, max_length)
        if url.endswith("/timestamp.json"):
            self.timestamp = self.last
        return self.last


def _chunks(url: str, response: urllib3.BaseHTTPResponse, deadline: float) -> Iterator[bytes]:
    try:
        # read1 returns after one receive, so a server that drips single bytes cannot hold us beyond the deadline.
        while chunk := response.read1(_CHUNK, decode_content=False):
            yield chunk
            deadline += len(chunk) / LEAST_RATE
            if time.monotonic() > deadline:
                raise SlowRetrievalError(f"{url}: slower than {LEAST_RATE} bytes a second")
    except urllib3.exceptions.HTTPError as error:
        raise DownloadError(f"{url}: {_why(error)}") from error
    finally:
        response.close()


def _why(error: urllib3.exceptions.HTTPError) -> str:
    # urllib3 wraps a plain "connection refused" twice; people need the inmost.
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    return str(reason.__cause__ or reason)
