"""How the newest snapshot comes: python-tuf's refresh, then what it does not look at, and only then it is kept.

Before python-tuf's Updater stands the transport. After it come the checks of client_verify.metadata.trusted, what this
machine had before, and the log.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import TargetFile
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.fetching.ahead import Ahead
from client_verify.fetching.layers import Overheard
from client_verify.fetching.supply import Supply
from client_verify.forerunner import Forerunner
from client_verify.logged.files import Files
from client_verify.logged.log import Log
from client_verify.metadata import diagnosis, reading
from client_verify.metadata.before import Before
from client_verify.metadata.reading import Read
from client_verify.metadata.trusted import Trusted
from client_verify.refusals import Refused
from client_verify.remembering import equivocation, evidence
from client_verify.remembering.memory import LATEST, NEWEST, Memory
from client_verify.trust import Pin
from keys import layout
from keys.times import stamp
from keys.tlog import proofs as tlog


class MakeUpdater(Protocol):
    """How an Updater comes to be: python-tuf's class itself, or in tests one that lives at another time."""

    def __call__(
        self,
        metadata_dir: str,
        metadata_base_url: str,
        *,
        target_base_url: str,
        fetcher: FetcherInterface,
        bootstrap: bytes,
    ) -> Updater:
        """One with the bootstrap root loaded; nothing was fetched yet."""


class Refresh:
    """The newest snapshot of the repository that ``pin`` trusts; made while the lock of its data ``directory`` is held.

    Refused if there is none to be trusted. ``floor`` is the earliest time that it can be, by what was signed.
    """

    def __init__(
        self,
        pin: Pin,
        directory: Path,
        supply: Supply,
        memory: Memory,
        clock: Callable[[], datetime],
        make_updater: MakeUpdater,
    ) -> None:
        self._pin = pin
        self._metadata = directory / "metadata"
        self._memory = memory
        self._clock = clock
        # What came ahead from a server that was refused is not asked for again.
        ahead = Ahead(supply)
        files = Files(pin.url, directory, ahead, supply.content)
        self._overheard = Overheard(ahead, partial(_expect, pin, self._metadata, files))
        before = Before(self._metadata)
        read = reading.remembering()
        # While python-tuf looks for a newer root, which is not there almost always.
        ahead.begin(f"{pin.url}/metadata/{layout.TIMESTAMP}.json", UpdaterConfig().timestamp_max_length)
        self._updater = self._refreshed(make_updater, read)
        self.trusted = Trusted(self._metadata, pin.root, read)
        self._compare()
        self.log = self._logged(files, before)
        self.floor = self._raised_floor()
        self.forerunner = Forerunner(
            ahead, pin.url, self.trusted, self._metadata, read, memory.recall, self.log.begin_row
        )

    def target(self, path: str) -> TargetFile | None:
        """What is listed under a path. None is no proof of absence; Refused if the search cannot be trusted."""
        try:
            return self._updater.get_targetinfo(path)
        except (RepositoryError, DownloadError) as error:
            raise diagnosis.of_metadata(error, self._scene()) from error

    def content(self, target: TargetFile, what: str) -> bytes:
        """The verified bytes of a target; Refused, in words that say ``what`` it is, if they cannot be had."""
        with NamedTemporaryFile() as private:
            try:
                file = self._updater.download_target(target, private.name)
            except (RepositoryError, DownloadError) as error:
                raise diagnosis.of_content(error, self._scene(), what) from error
            return Path(file).read_bytes()

    def _refreshed(self, make_updater: MakeUpdater, read: Read) -> Updater:
        try:
            updater = make_updater(
                str(self._metadata),
                f"{self._pin.url}/metadata",
                target_base_url=f"{self._pin.url}/targets",
                fetcher=self._overheard,
                bootstrap=self._pin.root,
            )
            reading.hasten(updater, read)
            updater.refresh()
            return updater
        except (RepositoryError, DownloadError) as error:
            raise diagnosis.of_metadata(error, self._scene()) from error

    def _compare(self) -> None:
        """What python-tuf does not: what was kept and what is served, where their version is that of what it trusts."""
        trusted = self.trusted
        newest = trusted.files[layout.TIMESTAMP]
        for before, after in ((self._memory.timestamp(NEWEST), newest), (newest, self._overheard.timestamp)):
            self._refuse_two(equivocation.of_timestamps(trusted.root, before, after))
        self._refuse_two(equivocation.of_snapshot(trusted, self._fetch_snapshot))

    def _logged(self, files: Files, before: Before) -> Log:
        now = max(self._clock(), equivocation.signed_at(self.trusted.files[layout.TIMESTAMP]))
        try:
            return Log(self._pin, self.trusted, self._memory, files, now)
        except Refused:
            before.put_back()
            raise

    def _raised_floor(self) -> datetime:
        newest = self.trusted.files[layout.TIMESTAMP]
        latest = equivocation.signed_later(self.trusted.root, self._memory.timestamp(LATEST), newest)
        for kept_for, data in ((NEWEST, newest), (LATEST, latest)):
            if data != self._memory.timestamp(kept_for):
                self._memory.keep_timestamp(kept_for, data)
        return max(equivocation.signed_at(latest), self.log.floor)

    def _refuse_two(self, two: equivocation.Equivocation | None) -> None:
        if two is None:
            return
        now, roots = stamp(self._clock()), self.trusted.roots
        sides = {two.role: two.before}, {two.role: two.after}
        self._memory.keep_evidence(evidence.of_files(self._pin, roots, "role", two.role, two.sentence, now, *sides))
        raise Refused("contradiction", f'repository "{self._pin.name}": {two.sentence}')

    def _fetch_snapshot(self, version: int, length: int) -> bytes:
        try:
            return self._overheard.download_bytes(f"{self._pin.url}/metadata/{version}.{layout.SNAPSHOT}.json", length)
        except DownloadError as error:
            raise diagnosis.of_metadata(error, self._scene()) from error

    def _scene(self) -> diagnosis.Scene:
        return diagnosis.Scene(self._pin.name, self._metadata, self._overheard.last, self._clock())


def _expect(pin: Pin, metadata: Path, files: Files, timestamp: bytes) -> None:
    """Let the log's proof come while python-tuf goes on. Nothing of this is verified yet, and nothing refused."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        root = json.loads((metadata / f"{layout.ROOT}.json").read_bytes())["signed"]
        if pin.log.mode != "off" and (pin.log.keys or tlog.LOG_FIELD in root):
            files.begin(tlog.proof_path(int(json.loads(timestamp)["signed"]["version"])), tlog.MAX_PROOF)
