"""One session with a repository: a snapshot is verified once, and every question is answered out of it.

How the snapshot comes is told in client_verify.refresh. Of a name the page is read and compared with what this machine
remembers of it. Verify, then use, then store.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Signed, TargetFile
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from client_verify import withdrawals
from client_verify.accepted import NOTHING, Accepted
from client_verify.answers import Answer, Found, Past, ProvenAbsent
from client_verify.directory import MEMORY, alone
from client_verify.fetching.ahead import Crew
from client_verify.fetching.mirrors import Mirrors
from client_verify.fetching.supply import Supply
from client_verify.logged.log import Log
from client_verify.metadata import freshness
from client_verify.metadata.trusted import Trusted
from client_verify.refresh import MakeUpdater, Refresh
from client_verify.refusals import Refused
from client_verify.remembering import equivocation, evidence
from client_verify.remembering.memory import Memory, Remembered
from client_verify.remembering.proofs import PAGE
from client_verify.trust import Pin
from keys import layout, names, page, state, succession
from keys.encoding import sha256
from keys.times import stamp

T = TypeVar("T")


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
        return self._newest.trusted

    @property
    def log(self) -> Log:
        """What the transparency log says of this snapshot."""
        return self._newest.log

    @property
    def now(self) -> datetime:
        """The time by which this session judges: never before what was verified as signed (docs/adr/0031)."""
        return max(self._clock(), self._newest.floor)

    @property
    def fetcher(self) -> Mirrors:
        """For files that are verified by hash."""
        return self._supply.content

    @property
    def warnings(self) -> list[str]:
        """What a person should know although nothing is refused."""
        return [*freshness.warnings(self.pin, self.trusted, self._clock()), *self.log.doubts]

    def page(self, name: str) -> Answer:
        """What is known about a name in its normal form (keys.names.normalise); Refused if nothing can be."""
        # The network is waited for outside the lock, so that several names come at once; inside, as if it had not been.
        if name not in self._answers:
            self._supply.begin()
            with suppress(DownloadError, RepositoryError, ValueError):
                self._newest.forerunner.bring(name)
        with alone(self._directory):
            remembered = self._memory.recall(name)
            if remembered is not None and remembered.snapshot > self.trusted.snapshot.version:
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
                self._crew.add(partial(self._newest.forerunner.bring_quietly, name))

    def _sweep(self) -> None:
        # python-tuf writes a file under such a name and then renames it; one that was killed between leaves it behind.
        for left in self._metadata.glob("tmp*"):
            left.unlink()

    def _refresh(self) -> None:
        self._persistently(self._begin, self._begin)

    def _begin(self) -> None:
        pin, supply = self.pin, self._supply
        self._newest = Refresh(pin, self._directory, supply, self._memory, self._clock, self._make_updater)
        self._answers: dict[str, Answer] = {}
        supply.keep()

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

    def _ask(self, name: str, before: Remembered | None) -> Answer:
        listed = self._persistently(lambda: self._listed(name, before), lambda: self._listed_anew(name, before))
        role, data = listed.role, listed.page
        if role == layout.HELD and data is not None:
            return _held(name, data)
        proof = self.trusted.proof(role)
        self._check_bin(name, role, before, proof)
        if data is None:
            return self._absent(name, before, proof)
        said = _parsed(name, data)
        self._follow(name, before, said, data, proof)
        return Found(said, self._remember(name, before, said, listed, proof))

    def _listed(self, name: str, before: Remembered | None) -> "_Listed":
        path = names.page_path(name)
        target = self._newest.target(path)
        role, delegate = self.trusted.responsible(path)
        if delegate.targets.get(path) != target:
            raise Refused("incomplete", f"{role} may speak for {name}, and the search did not end there")
        self._check_date(delegate, role)
        vouched_at = self.log.check_bin(role)
        return _Listed(role, None if target is None else self._page_bytes(name, target, before), vouched_at)

    def _listed_anew(self, name: str, before: Remembered | None) -> "_Listed":
        self._begin()
        return self._listed(name, before)

    def _check_bin(self, name: str, role: str, before: Remembered | None, proof: dict[str, bytes]) -> None:
        if before is None:
            return
        two = equivocation.of_bin(self.trusted.delegator(role), role, self._memory.proof(name).get(role), proof[role])
        if two is not None:
            self._contradiction(name, before, proof, two.sentence)

    def _absent(self, name: str, before: Remembered | None, proof: dict[str, bytes]) -> ProvenAbsent:
        snapshot, timestamp = self.trusted.snapshot, self.trusted.timestamp
        if before is not None:
            self._contradiction(name, before, proof, "its page vanished, and a name never leaves the registry")
        return ProvenAbsent(name, snapshot.version, min(snapshot.expires, timestamp.expires))

    def _page_bytes(self, name: str, target: TargetFile, before: Remembered | None) -> bytes:
        if before is not None and target.hashes.get("sha256") == sha256(before.page):
            return before.page
        return self._newest.content(target, f"the page of {name}")

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
        snapshot, now = self.trusted.snapshot.version, stamp(self._clock())
        earlier = evidence.statement({PAGE: before.page, **self._memory.proof(name)}, before.verified_at)
        later = evidence.statement({layout.TIMESTAMP: self.trusted.files[layout.TIMESTAMP], **after}, now)
        self._memory.keep_evidence(evidence.of_name(self.pin, self.trusted.roots, name, why, earlier, later))
        raise Refused(
            "contradiction",
            f"{name}: {why}. This machine verified the earlier state on {before.verified_at} "
            f"(snapshot {before.snapshot}); the repository now serves snapshot {snapshot}",
        )

    def _remember(
        self, name: str, before: Remembered | None, after: state.NameState, listed: "_Listed", proof: dict[str, bytes]
    ) -> Past:
        snapshot, data = self.trusted.snapshot.version, listed.page or b""
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
        trusted = self.trusted
        for role in (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets):
            self._check_date(role, role.type)

    def _check_date(self, file: Signed, role: str) -> None:
        if file.is_expired(self.now):
            raise Refused("expired", f"{role} version {file.version} was valid until {stamp(file.expires)}")


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
