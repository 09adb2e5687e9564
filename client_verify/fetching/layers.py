"""Fetchers that stand before another one. python-tuf reads metadata by ``download_bytes`` and targets by
``download_file``, and so may each layer tell one from the other.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from tuf.api.exceptions import SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface


class Layer(FetcherInterface):
    """Passes everything on to ``inner``."""

    def __init__(self, inner: FetcherInterface) -> None:
        self.inner = inner

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self.inner.fetch(url)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """What the layer below gives, unchanged."""
        return self.inner.download_bytes(url, max_length)

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """What the layer below gives, unchanged."""
        with self.inner.download_file(url, max_length) as file:
            yield file


class Overheard(Layer):
    """Keeps the last metadata file that was served, to tell what was wrong with it, and the timestamp, which python-tuf
    throws away unread if its version is the one that it has. ``told`` gets the timestamp at once.
    """

    def __init__(self, inner: FetcherInterface, told: Callable[[bytes], None] = lambda _: None) -> None:
        super().__init__(inner)
        self._told = told
        self.last: bytes | None = None
        self.timestamp: bytes | None = None

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """What the layer below gives, and kept."""
        self.last = super().download_bytes(url, max_length)
        if url.endswith("/timestamp.json"):
            self.timestamp = self.last
            self._told(self.last)
        return self.last


class Hurried(Layer):
    """Begins no download once ``seconds`` have passed since the last ``begin``, however small and many they are.

    The one that is under way then has its own deadline.
    """

    def __init__(self, inner: FetcherInterface, seconds: float) -> None:
        super().__init__(inner)
        self._seconds = seconds
        self.begin()

    def begin(self) -> None:
        """Now is the beginning."""
        self._until = time.monotonic() + self._seconds

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """What the layer below gives, or SlowRetrievalError if it is too late to ask."""
        self._hurry(url)
        return super().download_bytes(url, max_length)

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """As ``download_bytes``, as an open file."""
        self._hurry(url)
        with super().download_file(url, max_length) as file:
            yield file

    def _hurry(self, url: str) -> None:
        if time.monotonic() > self._until:
            raise SlowRetrievalError(f"{url}: not asked for, since all before it took {self._seconds:.0f} seconds")
