"""A depot in a bucket of any S3 server that heeds conditional writes: files are created, never overwritten, and the
pointer is replaced only by whoever has seen what it replaces.

No answer to a write is believed to be the whole story. A reset connection, a time-out, or a refusal after the library
tried again can follow a write that was done; so what is there is read and compared, and only then judged.
"""

import io
import mmap
import os
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import obstore
import urllib3
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from repo_service.failpoint import failpoint
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP, Diverged, Opened, Unavailable, Unfit, is_path, moves
from repo_service.storage.drafts import Drafts
from repo_service.storage.headers import caching, media_type

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore import GetOptions, GetResult, PutMode
    from obstore.store import RetryConfig, S3Config

    from repo_service.storage.places import Bucket

_AT_ONCE: Final = 32
_GROUP: Final = 256
_CHUNK: Final = 1 << 20
_PATIENCE_S: Final = 60.0
_RETRY: "Final[RetryConfig]" = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=2)},
}
_FINAL: Final = (PermissionDeniedError, UnauthenticatedError, PermissionError, FileNotFoundError)
"""Answers to a write that no repetition changes: we are not let in, or there is no such bucket."""

_process: list[int] = []
"""The one process that uses the library: its threads do not come along in a fork, and what waits for them waits for
ever."""


class S3Depot:
    """A depot in ``place``. ``environment`` says who we are, in AWS's names; ``patience_s`` is for how long a write
    that has no clear end is tried again."""

    def __init__(
        self, place: "Bucket", drafts: Drafts, environment: Mapping[str, str], patience_s: float = _PATIENCE_S
    ) -> None:
        _check_process()
        self.place = place
        self.drafts = drafts
        self._patience_s = patience_s
        self._endpoint = place.endpoint or f"https://s3.{place.region}.amazonaws.com"

        def store(timeout: timedelta) -> S3Store:
            return S3Store(
                place.bucket,
                prefix=place.prefix or None,
                endpoint=self._endpoint,
                region=place.region,
                config=_config(environment),
                client_options={
                    "allow_http": self._endpoint.startswith("http://"),
                    "connect_timeout": timedelta(seconds=5),
                    "timeout": timeout,
                },
                retry_config=_RETRY,
            )

        self._store = store(timedelta(seconds=15))
        self._slow = store(timedelta(hours=1))  # for files of any size

    def add(self, files: Iterable[tuple[str, bytes]]) -> None:
        """As ``Depot``: put on condition that nothing is there, some side by side, a group at a time."""
        rest = iter(files)
        while group := list(islice(rest, _GROUP)):
            with ThreadPoolExecutor(min(len(group), _AT_ONCE)) as pool:
                for _ in pool.map(lambda file: self._create(self._store, *file), group):
                    pass

    def adopt(self, path: str, draft: Path) -> None:
        """As ``Depot``: on the same condition, from the draft's own pages in memory."""
        if draft.stat().st_size == 0:
            self._create(self._slow, path, b"")
            return
        with draft.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            self._create(self._slow, path, data)

    def _create(self, store: S3Store, path: str, data: bytes | mmap.mmap) -> None:
        """Write a file that is not there, whatever it takes to know that it is."""

        def attempt() -> bool | None:
            try:
                self._put(store, path, data, "create")
                failpoint("depot.put")
                return True
            except (AlreadyExistsError, PreconditionError):
                same = self._is(path, data)
            if same is False:
                raise Diverged(f"{path} exists in {self.place} with other bytes; nothing was overwritten")
            return same

        self._until(f"{path} could not be written", attempt)

    def point(self, timestamp: bytes) -> bool:
        """As ``Depot``: put on condition that what was read is still there."""
        return self._move(TIMESTAMP, timestamp)

    def point_log(self, checkpoint: bytes) -> bool:
        """As ``Depot``, in the same way as ``point``."""
        return self._move(CHECKPOINT, checkpoint)

    def _move(self, path: str, new: bytes) -> bool:
        tried = False

        def attempt() -> bool | None:
            nonlocal tried
            found, seen = self._seen(path)
            if not moves(path, found, new):
                return tried and found == new  # an attempt that seemed to fail may have been the one that did it
            failpoint("depot.pointer_read")
            tried = True
            try:
                self._put(self._store, path, new, seen)
                failpoint("depot.pointed")
                return True
            except (AlreadyExistsError, PreconditionError):
                return None  # somebody else moved it since we looked

        return self._until("the pointer could not be moved", attempt)

    def pointer(self) -> bytes | None:
        """As ``Depot``."""
        return self.read(TIMESTAMP)

    def read(self, path: str) -> bytes | None:
        """As ``Depot``."""
        result = self._get(path)
        with self._reaching(path):
            return None if result is None else bytes(result.bytes())

    def open(self, path: str) -> Opened | None:
        """As ``Depot``. Other bytes than those of the tag are Unavailable, however late they are read."""
        result = self._get(path, self._slow)
        if result is None:
            return None
        meta = result.meta
        file = io.BufferedReader(_Remote(self._slow, path, result, lambda: self._reaching(path)), _CHUNK)
        etag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
        return Opened(meta["size"], etag, meta["last_modified"], file)

    def size(self, path: str) -> int | None:
        """As ``Depot``: asked of the server, without its bytes."""
        try:
            with self._reaching(path):
                return obstore.head(self._store, _checked(path))["size"]
        except FileNotFoundError:
            return None

    def drop(self, *paths: str) -> None:
        """As ``Depot``, in one question."""
        with self._reaching("could not be dropped"):
            obstore.delete(self._store, [_checked(path) for path in paths])

    def paths(self, folder: str) -> Iterator[str]:
        """As ``Depot``. What is no path of ours is passed over."""
        with self._reaching(folder):
            for group in obstore.list(self._store, folder or None):
                yield from (each["path"] for each in group if is_path(each["path"]))

    def incoming(self) -> AbstractContextManager[Path]:
        """As ``Depot``: a draft on this machine."""
        return self.drafts.incoming()

    def date(self) -> datetime | None:
        """The Date of an unsigned HEAD of the server's root: whatever it answers, it says what time it has. (The
        library shows no headers, and a Last-Modified would cost a write.)"""
        try:
            answer = urllib3.request("HEAD", f"{self._endpoint}/", timeout=5.0, retries=False, redirect=False)
            said = answer.headers.get("Date")
            return parsedate_to_datetime(said).astimezone(UTC) if said else None
        except urllib3.exceptions.HTTPError as error:
            raise self._unavailable("its clock", error) from error
        except ValueError:
            return None

    def probe(self) -> None:
        """Try on a throw-away object whether the server heeds conditions. Unfit, with what to do, if it does not."""
        path = f"probe-{secrets.token_hex(8)}"
        try:
            broken = list(self._broken(path))
        except FileNotFoundError as error:
            raise self._unavailable("there is no such bucket", error) from error
        finally:
            with suppress(FileNotFoundError):
                self.drop(path)
        if broken:
            raise Unfit(
                f"{self.place} on {self._endpoint} cannot hold a depot: it {', it '.join(broken)}. Two publishers "
                "would overwrite each other. Use a server that heeds conditional writes (AWS S3, R2, Ceph, SeaweedFS "
                "do), or a folder. Nothing was written but a probe, and that was removed."
            )

    def _broken(self, path: str) -> Iterator[str]:
        """Which promises of conditional writes the server breaks."""
        self._refuses(path, b"one", "create")
        found, seen = self._seen(path)
        if found != b"one":
            yield "does not give back what was just written"
        if not self._refuses(path, b"two", "create"):
            yield "overwrites an object that was to be created (If-None-Match: *)"
        if seen == "create":
            yield "says no ETag of an object"
            return
        self._refuses(path, b"three", seen)
        if self._seen(path)[0] != b"three":
            yield "does not replace an object that is as expected (If-Match)"
        if not self._refuses(path, b"four", seen):
            yield "replaces an object that is not as expected (If-Match)"

    def _refuses(self, path: str, data: bytes, mode: "PutMode") -> bool:
        try:
            with self._reaching(path):
                obstore.put(self._store, path, data, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return True
        return False

    def _put(self, store: S3Store, path: str, data: bytes | mmap.mmap, mode: "PutMode") -> None:
        _check_process()
        attributes = {"Content-Type": media_type(path), "Cache-Control": caching(path)}
        obstore.put(store, _checked(path), data, attributes=attributes, mode=mode, use_multipart=False)

    def _get(self, path: str, store: S3Store | None = None) -> "GetResult | None":
        try:
            with self._reaching(path):
                return obstore.get(store or self._store, _checked(path))
        except FileNotFoundError:
            return None

    def _seen(self, path: str) -> tuple[bytes | None, "PutMode"]:
        """An object and the condition under which only this very one is replaced."""
        try:
            with self._reaching(path):
                result = obstore.get(self._store, path)
                etag = result.meta["e_tag"]
                return bytes(result.bytes()), {"e_tag": etag} if etag else "create"
        except FileNotFoundError:
            return None, "create"

    def _is(self, path: str, data: bytes | mmap.mmap) -> bool | None:
        """Whether a file has exactly these bytes; None if it is not there."""
        opened = self.open(path)
        if opened is None:
            return None
        with opened.file as file, memoryview(data) as wanted:
            if opened.size != len(wanted):
                return False
            return all(file.read(_CHUNK) == wanted[at : at + _CHUNK] for at in range(0, len(wanted), _CHUNK))

    def _until(self, failed: str, attempt: Callable[[], bool | None]) -> bool:
        """Attempt something that is safe to repeat until it has an outcome. Unavailable when patience ends."""
        deadline, pause = time.monotonic() + self._patience_s, 0.02
        while True:
            last: Exception = TimeoutError("others were always faster")
            try:
                if (outcome := attempt()) is not None:
                    return outcome
            except _FINAL as error:
                raise self._unavailable(failed, error) from error
            except (BaseError, Unavailable) as error:
                last = error  # done or not done: the next attempt finds out
            if time.monotonic() > deadline:
                raise self._unavailable(failed, last) from last
            time.sleep(random.uniform(0, pause))  # noqa: S311 - who waits for how long is no secret
            pause = min(2 * pause, 1.0)

    @contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        """Unavailable in place of whatever the library says when the server cannot be reached or lets nobody in."""
        _check_process()
        try:
            yield
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            raise
        except (BaseError, PermissionError) as error:
            raise self._unavailable(what, error) from error

    def _unavailable(self, what: str, error: Exception) -> Unavailable:
        why = str(error).partition("\n")[0][:400]
        return Unavailable(f"{self.place} on {self._endpoint}: {what}: {why}. Doing the same again is safe")


class _Remote(io.RawIOBase):
    """An object as a seekable file: read as it comes from one answer, asked for again only after a seek."""

    def __init__(
        self, store: S3Store, path: str, result: "GetResult", reaching: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._store = store
        self._path = path
        self._reaching = reaching
        self._size = result.meta["size"]
        self._etag = result.meta["e_tag"]
        self._at = 0
        self._stream: Iterator[Any] | None = iter(result.stream(_CHUNK))
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at != self._at:
            self._at, self._stream, self._rest = at, None, memoryview(b"")
        return at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        with self._reaching(), memoryview(buffer) as into:
            if not self._rest and self._at < self._size:
                self._rest = memoryview(bytes(next(self._from_here(), b"")))
            count = min(len(into), len(self._rest))
            into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._at += count
        return count

    def close(self) -> None:
        self._stream = None
        super().close()

    def _from_here(self) -> Iterator[Any]:
        if self._stream is None:
            condition: GetOptions = {"range": {"offset": self._at}, "if_match": self._etag}
            self._stream = iter(obstore.get(self._store, self._path, options=condition).stream(_CHUNK))
        return self._stream


def _check_process() -> None:
    if not _process:
        _process.append(os.getpid())
    assert _process == [os.getpid()], "an S3 depot was used before this process was forked; start processes by spawn"


def _checked(path: str) -> str:
    assert is_path(path), f"{path!r} leaves the depot"
    return path


def _config(environment: Mapping[str, str]) -> "S3Config":
    """What the environment says of who we are; nothing of it, where the machine's own role is to be asked for."""
    found: S3Config = {"disable_bulk_delete": True}  # not every server has that call
    if said := environment.get("AWS_ACCESS_KEY_ID"):
        found["access_key_id"] = said
    if said := environment.get("AWS_SECRET_ACCESS_KEY"):
        found["secret_access_key"] = said
    if said := environment.get("AWS_SESSION_TOKEN"):
        found["session_token"] = said
    return found
