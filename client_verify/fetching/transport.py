"""Fetching bytes over HTTP: nothing is believed about them, only how many and for how long.

python-tuf caps every length; what it lacks, and is here, is a limit to the time of a whole transfer, and files as they
were sent: decoding a ``.tar.gz`` that a server labels ``Content-Encoding: gzip`` would change the signed bytes. Only
metadata is asked for in gzip. Nothing that a server says makes us wait: ``Retry-After`` is not heeded, the body of a
redirect is not read, and each receive is timed, also of headers, chunk sizes and trailers.
"""

import io
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any, Final, cast
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface
from urllib3.connection import HTTPConnection, HTTPSConnection

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 20.0
PATIENCE_SECONDS: Final = 60.0
LEAST_RATE: Final = 20_000
"""Bytes per second: a transfer may take ``PATIENCE_SECONDS``, and a second more for so many bytes that arrived."""
REDIRECTS: Final = 5
_RETRIES: Final = urllib3.Retry(connect=1, read=0, redirect=0, status=0, other=0, respect_retry_after_header=False)
_CHUNK: Final = 1 << 16
_GZIP_HEAD: Final = 1 << 10
"""What cannot be compressed is longer as gzip by a few bytes; nobody sends more than this besides."""


class Deadline:
    """The end of a transfer by the monotonic clock; what arrives of the body puts it off."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, negative when it is past."""
        return self._until - time.monotonic()

    def put_off(self, received: int) -> None:
        """So many bytes arrived: they may have taken as long as they do at ``LEAST_RATE``."""
        self._until += received / LEAST_RATE


# urllib3 makes the response deep inside a request, and hands nothing through to it.
_DEADLINE: ContextVar[Deadline] = ContextVar("_DEADLINE")


class _Timed(io.RawIOBase):
    """What a socket receives until the deadline, whatever it is: a header or a trailer without end is none of it."""

    def __init__(self, raw: io.RawIOBase, sock: Any, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if (left := self._deadline.left) <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(min(READ_SECONDS, left))
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, _DEADLINE.get()))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


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
        return _chunks(url, *self._answer(url, "identity"))

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Metadata, at most ``max_length`` bytes of it, however short it was sent."""
        response, deadline = self._answer(url, "gzip")
        chunks = _chunks(url, response, deadline)
        if response.headers.get("Content-Encoding") == "gzip":
            chunks = unpacked(_at_most(max_length + _GZIP_HEAD, chunks))
        return b"".join(_at_most(max_length, chunks))

    def _answer(self, url: str, coding: str) -> tuple[urllib3.BaseHTTPResponse, Deadline]:
        deadline = Deadline(self._patience)
        _DEADLINE.set(deadline)
        try:
            response = self._followed(url, coding, min(READ_SECONDS, self._patience))
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise _failed(url, error, deadline) from error
        if response.status != 200:
            response.close()
            raise DownloadHTTPError(f"{url}: HTTP status {response.status}", response.status)
        return response, deadline

    def _followed(self, url: str, coding: str, seconds: float) -> urllib3.BaseHTTPResponse:
        # urllib3 would follow by itself, after reading all that a server sends along with the redirect.
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
        headers = {"User-Agent": "tallystick", "Accept-Encoding": coding}
        for _ in range(1 + REDIRECTS):
            response = self._pool(url).request(
                "GET",
                url,
                preload_content=False,
                decode_content=False,
                redirect=False,
                timeout=timeout,
                headers=headers,
            )
            if not (location := response.get_redirect_location()):
                return response
            response.close()
            url = urljoin(url, location)
        raise ValueError(f"more than {REDIRECTS} redirects")

    def _pool(self, url: str) -> urllib3.PoolManager:
        proxy = self._proxy_for(url)
        if proxy not in self._pools:
            self._pools[proxy] = _new_pool(proxy)
        return self._pools[proxy]


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What one gzip stream holds, in pieces of bounded length; DownloadError where the bytes are anything else."""
    stream = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        rest = chunk
        while rest and not stream.eof:
            try:
                yield stream.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise DownloadError(f"sent as gzip, and is none: {error}") from error
            rest = stream.unconsumed_tail
        if stream.eof and (rest or stream.unused_data):
            raise DownloadError("sent as gzip, and goes on behind its end")
    if not stream.eof:
        raise DownloadError("sent as gzip, and ends too early")


def _at_most(limit: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise DownloadLengthMismatchError(f"{total} bytes arrived; at most {limit} are allowed")
        yield chunk


def _new_pool(proxy: str | None) -> urllib3.PoolManager:
    # A connection for each thread of the index, or every answer but one pays for a new handshake.
    if proxy is None:
        pool = urllib3.PoolManager(maxsize=16, retries=_RETRIES)
    else:
        pool = urllib3.ProxyManager(proxy, maxsize=16, retries=_RETRIES)
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pool


def _chunks(url: str, response: urllib3.BaseHTTPResponse, deadline: Deadline) -> Iterator[bytes]:
    try:
        while chunk := response.read1(_CHUNK, decode_content=False):
            yield chunk
            deadline.put_off(len(chunk))
    except urllib3.exceptions.HTTPError as error:
        raise _failed(url, error, deadline) from error
    finally:
        response.close()


def _failed(url: str, error: Exception, deadline: Deadline) -> DownloadError:
    return _too_slow(url) if deadline.left <= 0 else DownloadError(f"{url}: {_why(error)}")


def _too_slow(url: str) -> SlowRetrievalError:
    return SlowRetrievalError(f"{url}: slower than {LEAST_RATE:,} bytes a second, and given up")


def _why(error: Exception) -> str:
    # urllib3 wraps a plain "connection refused" twice; people need the inmost.
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    return str(reason.__cause__ or reason)
