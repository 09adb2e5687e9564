"""The public files of a registry, from an address or a folder. Nothing that is read here is believed."""

import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

import urllib3

MOST: Final = 32 << 20
"""Bytes of one file: a bundle of 256 of the longest leaves has half of that."""
SECONDS: Final = 30
_TRIES: Final = 4
_CHUNK: Final = 1 << 16


class OutOfReach(Exception):
    """What lies there cannot be read: nobody answers, not as a file is answered, or with too much of it."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")


class Public(Protocol):
    """What everyone can read of a registry."""

    def read(self, path: str, most: int = MOST) -> bytes | None:
        """The file at a path below the registry's address; None if there is none. Raises OutOfReach."""


class Folder:
    """A registry's public folder, or a mirror of it, on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str, most: int = MOST) -> bytes | None:
        """As ``Public``. A path that leads out of the folder is OutOfReach."""
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise OutOfReach(path, "is no path below the registry's address")
        try:
            with (self._folder / path).open("rb") as file:
                data = file.read(most + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise OutOfReach(path, error.strerror or str(error)) from None
        return _not_too_long(path, data, most)


class Web:
    """A registry at its address. What fails is asked for again a few times, ``pause`` seconds later and then later."""

    def __init__(self, url: str, pause: float = 0.5) -> None:
        self._url = url.rstrip("/")
        self._pause = pause
        timeout = urllib3.Timeout(connect=SECONDS, read=SECONDS)
        self._pool = urllib3.PoolManager(maxsize=16, retries=False, timeout=timeout)

    def read(self, path: str, most: int = MOST) -> bytes | None:
        """As ``Public``. OutOfReach after the last of a few tries."""
        for pause in (self._pause * 2**again for again in range(_TRIES - 1)):
            try:
                return self._asked(path, most)
            except OutOfReach:
                time.sleep(pause)
        return self._asked(path, most)

    def _asked(self, path: str, most: int) -> bytes | None:
        url = f"{self._url}/{path}"
        try:
            response = self._pool.request("GET", url, preload_content=False, headers={"Accept-Encoding": "gzip"})
            try:
                if response.status in (404, 410):
                    return None
                if response.status != 200:
                    raise OutOfReach(url, f"HTTP status {response.status}")
                return b"".join(_at_most(url, response, most))
            finally:
                response.close()
        except urllib3.exceptions.HTTPError as error:
            raise OutOfReach(url, str(error)) from None


def public_at(where: str) -> Public:
    """What an address or a folder holds."""
    return Web(where) if where.startswith(("https://", "http://")) else Folder(Path(where))


def _at_most(url: str, response: urllib3.BaseHTTPResponse, most: int) -> Iterator[bytes]:
    """The chunks of an answer, unpacked, as long as they are not too many: a small one can unpack to gigabytes."""
    length, ends = 0, time.monotonic() + 10 * SECONDS
    for chunk in response.stream(_CHUNK, decode_content=True):
        length += len(chunk)
        if length > most:
            raise OutOfReach(url, f"is longer than {most} bytes")
        if time.monotonic() > ends:
            raise OutOfReach(url, f"did not come within {10 * SECONDS} s")
        yield chunk


def _not_too_long(path: str, data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise OutOfReach(path, f"is longer than {most} bytes")
    return data
