"""Bytes that come before they are asked for: several at once, each once, held in memory and believed by nobody.

All of it may be left undone. Whoever verifies asks as ever, through ``Ahead``, and gets what is here already, or waits
for what is on its way, or fetches it himself.
"""

import io
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import IO, Final

from tuf.api.exceptions import DownloadLengthMismatchError
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.fetching.layers import Layer

MAX_HELD: Final = 64 << 20
"""Bytes that wait to be asked for; with more than that nothing new is fetched ahead."""
THREADS: Final = 12
MAX_WAITING: Final = 500


class Ahead(Layer):
    """Gives what was fetched ahead once, to the first who asks for it. Safe for several threads."""

    def __init__(self, inner: FetcherInterface) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._coming: dict[str, Future[bytes]] = {}
        self._held = 0

    def begin(self, url: str, limit: int) -> None:
        """Fetch a file in a thread of its own, which ends with the process at the latest; once."""
        with self._lock:
            if url in self._coming:
                return
            future = self._coming[url] = Future()
        threading.Thread(target=self._fill, args=(future, url, limit), daemon=True).start()

    def fetched(self, url: str, limit: int) -> bytes:
        """A file now, by whichever thread began to fetch it; errors as of ``download_bytes``. It is held until asked
        for, and so is the error, unless there is no room.
        """
        with self._lock:
            if (future := self._coming.get(url)) is None and self._held < MAX_HELD:
                mine = self._coming[url] = Future()
            else:
                mine = None
        if mine is not None:
            self._fill(mine, url, limit)
            return mine.result()
        return super().download_bytes(url, limit) if future is None else future.result()

    def drop_failed(self) -> None:
        """Forget what could not be had, so that it is tried again when it is asked for."""
        with self._lock:
            for url in [url for url, future in self._coming.items() if future.done() and future.exception()]:
                del self._coming[url]

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """What came ahead, given away once; what did not is fetched now."""
        future = self._taken(url)
        return super().download_bytes(url, max_length) if future is None else self._given(future, url, max_length)

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """As ``download_bytes``, as an open file."""
        if (future := self._taken(url)) is not None:
            yield io.BytesIO(self._given(future, url, max_length))
            return
        with super().download_file(url, max_length) as file:
            yield file

    def _taken(self, url: str) -> Future[bytes] | None:
        with self._lock:
            return self._coming.pop(url, None)

    def _given(self, future: Future[bytes], url: str, max_length: int) -> bytes:
        data = future.result()
        with self._lock:
            self._held -= len(data)
        if len(data) > max_length:
            raise DownloadLengthMismatchError(f"{url}: {len(data)} bytes; at most {max_length} are allowed")
        return data

    def _fill(self, future: Future[bytes], url: str, limit: int) -> None:
        try:
            data = self.inner.download_bytes(url, limit)
        except Exception as error:  # whatever it is, it is for who asks
            future.set_exception(error)
        else:
            with self._lock:
                self._held += len(data)
            future.set_result(data)


class Crew:
    """A few threads for what may also be left undone: too much of it is dropped, and its errors are nobody's."""

    def __init__(self, threads: int = THREADS, most: int = MAX_WAITING) -> None:
        self._lock = threading.Lock()
        self._threads = threads
        self._most = most
        self._waiting: deque[Callable[[], object]] = deque()
        self._working = 0

    def add(self, task: Callable[[], object]) -> None:
        """Let it be done soon, unless too much waits already."""
        with self._lock:
            if len(self._waiting) >= self._most:
                return
            self._waiting.append(task)
            if self._working < self._threads:
                self._working += 1
                threading.Thread(target=self._work, name="ahead", daemon=True).start()

    def _work(self) -> None:
        # A thread ends when there is nothing to do, and with the process: nobody waits for any.
        while (task := self._next()) is not None:
            with suppress(Exception):
                task()

    def _next(self) -> Callable[[], object] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._working -= 1
            return None


class Turns:
    """One at a time for each key: who comes second finds done what the first has done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Hold the turn of a key for the time of a ``with`` block."""
        with self._lock:
            turn, waiting = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = (turn, waiting + 1)
        try:
            with turn:
                yield
        finally:
            with self._lock:
                turn, waiting = self._locks.pop(key)
                if waiting > 1:
                    self._locks[key] = (turn, waiting - 1)
