"""Bytes that a question about a name will need, fetched before the question takes the lock of the data directory.

What is read on the way is unverified and only says where to look: a bin's name must be a bin's, a page's hash a hash,
and both lead only below the repository's own address. python-tuf asks for the same files again, gets them from
client_verify.fetching.ahead, and judges them as ever.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import MetaFile, Signed, Targets
from tuf.ngclient import UpdaterConfig

from client_verify.fetching.ahead import Ahead
from client_verify.metadata.reading import Read
from client_verify.metadata.trusted import Trusted
from client_verify.remembering.memory import Remembered
from keys import layout, names
from keys.encoding import sha256

_MAX_PAGE: Final = 8 << 20
_SHA256: Final = re.compile("[0-9a-f]{64}", re.ASCII)


class Forerunner:
    """Brings what names need in one snapshot of the repository at ``base``. ``directory`` is python-tuf's, ``recall``
    what this machine remembers of a name; ``begin_row`` lets come what the log says of a bin. Safe for several threads.
    """

    def __init__(
        self,
        ahead: Ahead,
        base: str,
        trusted: Trusted,
        directory: Path,
        read: Read,
        recall: Callable[[str], Remembered | None],
        begin_row: Callable[[str], None],
    ) -> None:
        self._ahead = ahead
        self._base = base
        self._trusted = trusted
        self._directory = directory
        self._read = read
        self._recall = recall
        self._begin_row = begin_row

    def bring(self, name: str) -> None:
        """Fetch the bin and the page of a name in its normal form. DownloadError, RepositoryError or ValueError if that
        cannot be done: whoever asks for the page learns why.
        """
        path = names.page_path(name)
        if layout.is_held(self._trusted.targets, path):
            return
        bins = self._foreseen(layout.BINS)
        if bins.delegations is None or bins.delegations.succinct_roles is None:
            return  # another role's file in its place: a mirror needs no key for that, and it is refused when asked for
        role = layout.responsible_role(self._trusted.targets, bins, path)
        layout.bin_number(role)  # ValueError for what is no bin's name, before it becomes a file's
        self._begin_row(role)
        listed = self._foreseen(role).targets.get(path)
        if listed is None or listed.length > _MAX_PAGE or not _SHA256.fullmatch(listed.hashes.get("sha256", "")):
            return
        before = self._recall(name)
        if before is None or sha256(before.page) != listed.hashes["sha256"]:
            address = f"{self._base}/targets/{names.hashed(path, listed.hashes['sha256'])}"
            self._ahead.fetched(address, listed.length)

    def bring_quietly(self, name: str) -> None:
        """The same for nobody: what fails is forgotten, and asked for again by whoever needs it."""
        try:
            self.bring(name)
        finally:
            self._ahead.drop_failed()

    def _foreseen(self, role: str) -> Targets:
        """What a role probably says: as verified, as it lies in the directory, or as somebody serves it."""
        if (known := self._trusted.known(role)) is not None:
            return known
        listed = self._trusted.snapshot.meta.get(f"{role}.json", MetaFile(1))
        with suppress(OSError, RepositoryError):
            kept: Signed = self._read((self._directory / f"{role}.json").read_bytes()).metadata.signed
            if isinstance(kept, Targets) and kept.version == listed.version:
                return kept
        limit = listed.length or UpdaterConfig().targets_max_length
        data = self._ahead.fetched(f"{self._base}/metadata/{listed.version}.{role}.json", limit)
        served: Signed = self._read(data).metadata.signed
        if not isinstance(served, Targets):
            raise RepositoryError(f"{role} is {served.type}")
        return served
