"""Files by their SHA-256: fetched once, verified completely before they get their name, verified again on every use."""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from tuf.api.exceptions import DownloadError, DownloadLengthMismatchError

from client_verify.fetching import room
from client_verify.fetching.mirrors import Mirrors
from client_verify.refusals import Refused

MAX_METADATA: Final = 8 << 20
"""Bytes of a core metadata file: the signed page gives its SHA-256 but no size."""


@dataclass(frozen=True, slots=True)
class Content:
    """Signed bytes: what people call them, where they lie, their SHA-256, and their size where it is signed."""

    what: str
    url: str
    sha256: str
    size: int | None


class Blobs:
    """A directory that may be deleted at any time, and written by several processes at once.

    It holds ``limit`` bytes at most once a file was added; what was not used for longest makes room.
    """

    def __init__(self, directory: Path, mirrors: Mirrors, limit: int = room.LIMIT) -> None:
        self._directory = directory
        self._limit = limit
        self._mirrors = mirrors

    def open(self, content: Content) -> BinaryIO:
        """The verified bytes, open at their start; Refused as ``mismatch`` or ``unreachable`` otherwise."""
        path = self._directory / content.sha256
        if (kept := _verified(path, content.sha256)) is not None:
            room.used(path)
            return kept
        self._directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as arriving:
            arrived = Path(arriving.name)
        try:
            return self._first(content, arrived, path)
        finally:
            arrived.unlink(missing_ok=True)

    def _first(self, content: Content, arrived: Path, path: Path) -> BinaryIO:
        """From the first address that has the bytes that were signed; wrong bytes weigh more than none."""
        refused: list[Refused] = []
        for address in self._mirrors.addresses(content.url):
            try:
                self._fetch(content, address, arrived)
                return self._admit(content, arrived, path)
            except Refused as error:
                refused.append(error)
        raise next((error for error in refused if error.code == "mismatch"), refused[0])

    def _fetch(self, content: Content, address: str, arrived: Path) -> None:
        limit = MAX_METADATA if content.size is None else content.size
        try:
            with self._mirrors.inner.download_file(address, limit) as body, arrived.open("wb") as file:
                shutil.copyfileobj(body, file)
        except DownloadLengthMismatchError:
            raise Refused("mismatch", f"{content.what} is larger than the {limit} bytes that were signed") from None
        except DownloadError as error:
            self._mirrors.note(address, error)
            raise Refused("unreachable", f"{content.what}: {error}") from error

    def _admit(self, content: Content, arrived: Path, path: Path) -> BinaryIO:
        size = arrived.stat().st_size
        if content.size is not None and size != content.size:
            raise Refused("mismatch", f"{content.what} has {size} bytes; {content.size} were signed")
        verified = _verified(arrived, content.sha256)
        if verified is None:
            found = hashlib.sha256(arrived.read_bytes()).hexdigest()
            raise Refused("mismatch", f"{content.what} has sha256 {found}; {content.sha256} was signed")
        arrived.replace(path)
        room.make_room(self._directory, self._limit)
        return verified


def _verified(path: Path, sha256: str) -> BinaryIO | None:
    # The descriptor that was hashed is the one that is read, so that the name may change hands meanwhile.
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        file.close()
        return None
    file.seek(0)
    return file
