"""One session with a repository: a snapshot is verified once, and every question is answered out of it.

Transport stands before python-tuf's Updater; after it come the checks of client_verify.metadata.trusted, the page, and
what this machine remembers of the name. Verify, then use, then store.
"""

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Protocol, TypeVar

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Signed, TargetFile
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from client_verify import withdrawals
from client_verify.accepted import NOTHING, Accepted
from client_verify.answers import Answer, Found, Past, ProvenAbsent
from client_verify.fetching.ahead import Ahead, Crew
from client_verify.fetching.layers import Overheard
from client_verify.fetching.mirrors import Mirrors
from client_verify.fetching.supply import Supply
from client_verify.forerunner import Forerunner
from client_verify.logged.files import Files
from client_verify.logged.log import Log
from client_verify.metadata import diagnosis, freshness, reading
from client_verify.metadata.before import Before
from client_verify.metadata.trusted import Trusted
from client_verify.refusals import Refused
from client_verify.remembering import equivocation, evidence
from client_verify.remembering.memory import LATEST, NEWEST, Memory, Remembered
from client_verify.remembering.proofs import PAGE
from client_verify.trust import Pin
from keys import layout, names, page, state, succession
from keys.encoding import sha256
from keys.times import stamp
from keys.tlog import proofs as tlog

T = TypeVar("T")
MEMORY: Final = "memory.sqlite"


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


def data_directory(data: Path, pin: Pin) -> Path:
    """Where a repository's verified state lies: another address is another repository."""
    return data / f"{pin.name}-{sha256(pin.url.encode())[:16]}"


def forget(directory: Path, name: str) -> bool:
    """Begin again with a name whose page the registry contradicted, in its data directory; False if it did not."""
    with alone(directory):
        return Memory(directory / MEMORY).forget(name)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """One at a time, as python-tuf asks for a metadata directory: flock keeps out processes and threads alike."""
    with (directory / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Session:
    """Answers about names from one verified snapshot of the repository that ``pin`` trusts.

    ``directory`` is its data directory: python-tuf's trusted files in ``metadata``, beside them ``memory.sqlite``,
    ``lock``, and what nobody trusts: ``anchor.json`` (client_verify.fetching.deltas) and ``log``. ``fetcher`` is the
    way out of this machine, or what stands for it (client_verify.fetching.offline). Safe for several threads, and for
    several processes on one directory.
    """

    def __init__(
        self,
        pin: Pin,
        directory: Path,
        fetcher: FetcherInterface,
        clock: Callable[[], datetime],
        accepted: Accepted = NOTHING,
        make_updater: MakeUpdater = Updater,
    ) -> None:
        self.pin = pin
        self._supply = Supply((pin.url, *pin.mirrors), directory, fetcher)
        self._clock = clock
        self._accepted = accepted
        self._make_updater = make_updater
        self._metadata = directory / "metadata"
        self._metadata.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._memory = Memory(directory / MEMORY)
        self._crew = Crew()
        with alone(directory):
            self._sweep()
            self._refresh()

    @property
    def trusted(self) -> Trusted:
        """The verified files of this snapshot."""
        return self._trusted

    @property
    def log(self) -> Log:
        """What the transparency log says of this snapshot."""
        return self._log

    @property
    def now(self) -> datetime:
        """The time by which this session judges: never before what was verified as signed (docs/adr/0031)."""
        return max(self._clock(), self._floor)

    @property
    def fetcher(self) -> Mirrors:
        """For files that are verified by hash."""
        return self._supply.content

    @property
    def warnings(self) -> list[str]:
        """What a person should know although nothing is refused."""
        return [*freshness.warnings(self.pin, self._trusted, self._clock()), *self._log.doubts]

    def page(self, name: str) -> Answer:
        """What is known about a name in its normal form (keys.names.normalise); Refused if nothing can be."""
        # The network is waited for outside the lock, so that several names come at once; inside, as if it had not been.
        if name not in self._answers:
            self._supply.begin()
            with suppress(DownloadError, RepositoryError, ValueError):
                self._forerunner.bring(name)
        with alone(self._directory):
            remembered = self._memory.recall(name)
            if remembered is not None and remembered.snapshot > self._trusted.snapshot.version:
                self._refresh()  # another process of ours has seen a newer snapshot; an old one may not contradict it
            self._check_dates()
            if name not in self._answers:
                self._answers[name] = self._ask(name, remembered)
            return self._answers[name]

    def prefetch(self, wanted: Iterable[str]) -> None:
        """Let the bytes behind these names, in their normal form, come while nobody waits. Nothing of it is verified,
        kept or refused before somebody asks for a page.
        """
        for name in wanted:
            if name not in self._answers:
                self._crew.add(partial(self._forerunner.bring_quietly, name))

    def _sweep(self) -> None:
        # python-tuf writes a file under such a name and then renames it; one that was killed between leaves it behind.
        for left in self._metadata.glob("tmp*"):
            left.unlink()

    def _refresh(self) -> None:
        self._persistently(self._begin, self._begin)

    def _persistently(self, work: Callable[[], T], again: Callable[[], T]) -> T:
        """What ``work`` gives. What is refused is asked for ``again`` in every other way, before anybody is accused."""
        first: Refused | None = None
        for _ in self._supply.ways():
            try:
                return work() if first is None else again()
            except Refused as refused:
                first = first or refused
        assert first is not None, "there is at least one way"
        raise Refused(first.code, f"{first.detail}{self._supply.tried}") from first.__cause__

    def _begin(self) -> None:
        # What came ahead from a server that was refused is not asked for again.
        ahead = Ahead(self._supply)
        files = Files(self.pin.url, self._directory, ahead, self._supply.content)
        self._overheard = Overheard(ahead, partial(self._expect, files))
        before = Before(self._metadata)
        read = reading.remembering()
        # While python-tuf looks for a newer root, which is not there almost always.
        ahead.begin(f"{self.pin.url}/metadata/{layout.TIMESTAMP}.json", UpdaterConfig().timestamp_max_length)
        try:
            updater = self._make_updater(
                str(self._metadata),
                f"{self.pin.url}/metadata",
                target_base_url=f"{self.pin.url}/targets",
                fetcher=self._overheard,
                bootstrap=self.pin.root,
            )
            reading.hasten(updater, read)
            updater.refresh()
        except (RepositoryError, DownloadError) as error:
            raise diagnosis.of_metadata(error, self._scene()) from error
        trusted = Trusted(self._metadata, self.pin.root, read)
        self._compare(trusted)
        log = self._logged(trusted, files, before)
        self._raise_floor(trusted, log)
        self._trusted = trusted
        self._log = log
        self._updater = updater
        self._forerunner = Forerunner(
            ahead, self.pin.url, trusted, self._metadata, read, self._memory.recall, log.begin_row
        )
        self._answers: dict[str, Answer] = {}
        self._supply.keep()

    def _compare(self, trusted: Trusted) -> None:
        """What python-tuf does not: what was kept and what is served, where their version is that of what it trusts."""
        newest = trusted.files[layout.TIMESTAMP]
        for before, after in ((self._memory.timestamp(NEWEST), newest), (newest, self._overheard.timestamp)):
            self._refuse_two(trusted, equivocation.of_timestamps(trusted.root, before, after))
        self._refuse_two(trusted, equivocation.of_snapshot(trusted, self._fetch_snapshot))

    def _expect(self, files: Files, timestamp: bytes) -> None:
        """Let the log's proof come while python-tuf goes on. Nothing of this is verified yet, and nothing refused."""
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            root = json.loads((self._metadata / f"{layout.ROOT}.json").read_bytes())["signed"]
            if self.pin.log.mode != "off" and (self.pin.log.keys or tlog.LOG_FIELD in root):
                files.begin(tlog.proof_path(int(json.loads(timestamp)["signed"]["version"])), tlog.MAX_PROOF)

    def _logged(self, trusted: Trusted, files: Files, before: Before) -> Log:
        now = max(self._clock(), equivocation.signed_at(trusted.files[layout.TIMESTAMP]))
        try:
            return Log(self.pin, trusted, self._memory, files, now)
        except Refused:
            before.put_back()
            raise

    def _raise_floor(self, trusted: Trusted, log: Log) -> None:
        newest = trusted.files[layout.TIMESTAMP]
        latest = equivocation.signed_later(trusted.root, self._memory.timestamp(LATEST), newest)
        for kept_for, data in ((NEWEST, newest), (LATEST, latest)):
            if data != self._memory.timestamp(kept_for):
                self._memory.keep_timestamp(kept_for, data)
        self._floor = max(equivocation.signed_at(latest), log.floor)

    def _refuse_two(self, trusted: Trusted, two: equivocation.Equivocation | None) -> None:
        if two is None:
            return
        now, roots = stamp(self._clock()), trusted.roots
        sides = {two.role: two.before}, {two.role: two.after}
        self._memory.keep_evidence(evidence.of_files(self.pin, roots, "role", two.role, two.sentence, now, *sides))
        raise Refused("contradiction", f'repository "{self.pin.name}": {two.sentence}')

    def _fetch_snapshot(self, version: int, length: int) -> bytes:
        try:
            return self._overheard.download_bytes(f"{self.pin.url}/metadata/{version}.{layout.SNAPSHOT}.json", length)
        except DownloadError as error:
            raise diagnosis.of_metadata(error, self._scene()) from error

    def _ask(self, name: str, before: Remembered | None) -> Answer:
        listed = self._persistently(lambda: self._listed(name, before), lambda: self._listed_anew(name, before))
        role, data = listed.role, listed.page
        if role == layout.HELD and data is not None:
            return _held(name, data)
        proof = self._trusted.proof(role)
        self._check_bin(name, role, before, proof)
        if data is None:
            return self._absent(name, before, proof)
        said = _parsed(name, data)
        self._follow(name, before, said, data, proof)
        return Found(said, self._remember(name, before, said, listed, proof))

    def _listed(self, name: str, before: Remembered | None) -> "_Listed":
        path = names.page_path(name)
        target = self._target(path)
        role, delegate = self._trusted.responsible(path)
        if delegate.targets.get(path) != target:
            raise Refused("incomplete", f"{role} may speak for {name}, and the search did not end there")
        self._check_date(delegate, role)
        vouched_at = self._log.check_bin(role)
        return _Listed(role, None if target is None else self._page_bytes(name, target, before), vouched_at)

    def _listed_anew(self, name: str, before: Remembered | None) -> "_Listed":
        self._begin()
        return self._listed(name, before)

    def _target(self, path: str) -> TargetFile | None:
        try:
            return self._updater.get_targetinfo(path)
        except (RepositoryError, DownloadError) as error:
            raise diagnosis.of_metadata(error, self._scene()) from error

    def _check_bin(self, name: str, role: str, before: Remembered | None, proof: dict[str, bytes]) -> None:
        if before is None:
            return
        two = equivocation.of_bin(self._trusted.delegator(role), role, self._memory.proof(name).get(role), proof[role])
        if two is not None:
            self._contradiction(name, before, proof, two.sentence)

    def _absent(self, name: str, before: Remembered | None, proof: dict[str, bytes]) -> ProvenAbsent:
        snapshot, timestamp = self._trusted.snapshot, self._trusted.timestamp
        if before is not None:
            self._contradiction(name, before, proof, "its page vanished, and a name never leaves the registry")
        return ProvenAbsent(name, snapshot.version, min(snapshot.expires, timestamp.expires))

    def _page_bytes(self, name: str, target: TargetFile, before: Remembered | None) -> bytes:
        if before is not None and target.hashes.get("sha256") == sha256(before.page):
            return before.page
        with NamedTemporaryFile() as private:
            try:
                file = self._updater.download_target(target, private.name)
            except (RepositoryError, DownloadError) as error:
                raise diagnosis.of_content(error, self._scene(), f"the page of {name}") from error
            return Path(file).read_bytes()

    def _follow(
        self, name: str, before: Remembered | None, after: state.NameState, data: bytes, proof: dict[str, bytes]
    ) -> None:
        if clashes := succession.new_files_clash(after):
            raise Refused("contradiction", f"{name}: {clashes[0].sentence}")
        if before is None:
            return
        if broken := succession.broken_promises(before.state, after):
            why = "; ".join(promise.sentence for promise in broken)
            self._contradiction(name, before, {PAGE: data, **proof}, why)
        if after.generation > before.state.generation and name not in self._accepted.generations:
            raise Refused(
                "new-generation",
                f"{name} is in generation {after.generation} since {after.since.at}: its holder is unrelated to the "
                f"one before. This machine has verified generation {before.state.generation}, of "
                f"{before.state.since.at}, on {before.verified_at}. If you want what the new holder publishes, tell "
                f"`tallystick run` or `download`: --accept-new-generation {name}",
            )

    def _contradiction(self, name: str, before: Remembered, after: dict[str, bytes], why: str) -> None:
        snapshot, now = self._trusted.snapshot.version, stamp(self._clock())
        earlier = evidence.statement({PAGE: before.page, **self._memory.proof(name)}, before.verified_at)
        later = evidence.statement({layout.TIMESTAMP: self._trusted.files[layout.TIMESTAMP], **after}, now)
        self._memory.keep_evidence(evidence.of_name(self.pin, self._trusted.roots, name, why, earlier, later))
        raise Refused(
            "contradiction",
            f"{name}: {why}. This machine verified the earlier state on {before.verified_at} "
            f"(snapshot {before.snapshot}); the repository now serves snapshot {snapshot}",
        )

    def _remember(
        self, name: str, before: Remembered | None, after: state.NameState, listed: "_Listed", proof: dict[str, bytes]
    ) -> Past:
        snapshot, data = self._trusted.snapshot.version, listed.page or b""
        if before is not None and before.page == data:
            if before.snapshot == snapshot:
                return before.past  # nothing is new, and a write costs more than all the rest
            proof = {} if self._memory.proof(name) else proof  # what proved it first proves it best
        known, earlier = (Past(), None) if before is None else (before.past, before.state)
        past = withdrawals.followed(known, earlier, after, self.now, listed.vouched_at)
        self._memory.remember(name, Remembered(data, snapshot, stamp(self._clock()), past), proof)
        return past

    def _check_dates(self) -> None:
        # An Updater judges expiry by the moment it was made and by this machine's clock alone; a long session would
        # never see a date pass, and a clock that is behind none at all.
        trusted = self._trusted
        for role in (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets):
            self._check_date(role, role.type)

    def _check_date(self, file: Signed, role: str) -> None:
        if file.is_expired(self.now):
            raise Refused("expired", f"{role} version {file.version} was valid until {stamp(file.expires)}")

    def _scene(self) -> diagnosis.Scene:
        return diagnosis.Scene(self.pin.name, self._metadata, self._overheard.last, self._clock())


@dataclass(frozen=True, slots=True)
class _Listed:
    """The one role that speaks for a name, and the page that it lists, None if none; when witnesses had seen that."""

    role: str
    page: bytes | None
    vouched_at: datetime | None


def _parsed(name: str, data: bytes) -> state.NameState:
    try:
        found = page.parse(data)
    except page.InvalidPage as error:
        raise Refused("invalid", f"the page of {name}: {error}") from None
    if found.name != name:
        raise Refused("invalid", f"the page of {name} is one of {found.name}")
    return found


def _held(name: str, data: bytes) -> Found:
    # The ceremony holds a name so that nobody can publish under it; what it says is no state of the registry's, so it
    # is neither compared with the memory nor kept in it.
    held = _parsed(name, data)
    if next(state.installable(held), None) is not None:
        raise Refused("invalid", f"{name} is held, and yet its page lists files")
    return Found(held)
