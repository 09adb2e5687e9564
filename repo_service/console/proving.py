"""What a stranger can verify of a name, from the public files and the first root alone.

python-tuf's client reads the depot as it reads a mirror. Its answer is shown beside what the journal says, and never
taken from there. What is verified is kept for as long as the public timestamp is the same one and in date.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.ngclient import Updater

from keys import counting, layout, names, page
from keys.encoding import sha256
from keys.state import NameState
from repo_service.storage.depot import Depot, DepotError
from repo_service.storage.mirror import BASE, Mirror

Role = TypeVar("Role", Timestamp, Snapshot, Targets)
_FEW: Final = 64
"""Names that one client is asked for: it keeps in memory all that it has read."""


@dataclass(frozen=True, slots=True)
class Link:
    """One signed file of the proof: a role, its version and until when it is good."""

    role: str
    version: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Proven:
    """What was verified of a name: its state, or (None) that it is absent, by which files, and until when."""

    name: str
    state: NameState | None
    page: str
    sha256: str | None
    chain: tuple[Link, ...]

    @property
    def until(self) -> datetime:
        """When the first file of the chain expires."""
        return min(link.expires for link in self.chain)


@dataclass(frozen=True, slots=True)
class Unproven:
    """A client would refuse this name now, and why."""

    name: str
    why: str


@dataclass
class Prover:
    """A stranger who knows ``first``, the first root, and the depot. ``make_updater`` makes python-tuf's client."""

    depot: Depot
    first: Callable[[], bytes | None]
    clock: Callable[[], datetime]
    make_updater: Callable[..., Updater] = Updater
    _lock: Lock = field(default_factory=Lock)
    _client: "_Client | None" = None

    def prove(self, name: str) -> Proven | Unproven:
        """What a client that begins with the first root finds of a normalised name now."""
        with self._lock:  # python-tuf's client is for one at a time
            try:
                return self._asked(name)
            except (RepositoryError, DownloadError, DepotError, OSError, ValueError) as error:
                self._let_go()
                return Unproven(name, f"{type(error).__name__}: {error}"[:500])

    def _asked(self, name: str) -> Proven | Unproven:
        timestamp, now = self.depot.pointer(), self.clock()
        first = self.first()
        if timestamp is None or first is None:
            return Unproven(name, "nothing has been published yet")
        if self._client is None or not self._client.is_good(timestamp, now):
            self._let_go()
            self._client = _Client(self.depot, first, timestamp, self.make_updater)
        return self._client.ask(name)

    def _let_go(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


class _Client:
    """One python-tuf client at one timestamp, with what it was asked."""

    def __init__(self, depot: Depot, first: bytes, timestamp: bytes, make_updater: Callable[..., Updater]) -> None:
        self._timestamp = timestamp
        self._answers: dict[str, Proven] = {}
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            targets = self._folder / "targets"
            targets.mkdir()
            self._updater = make_updater(
                str(self._folder), f"{BASE}/metadata", target_dir=str(targets), target_base_url=f"{BASE}/targets",
                fetcher=Mirror(depot), bootstrap=first,
            )  # fmt: skip
            self._updater.refresh()
            self._top = self._read_top()
            self._closing = stack.pop_all()

    def close(self) -> None:
        """Nothing of it stays on the disk."""
        self._closing.close()

    def is_good(self, timestamp: bytes, now: datetime) -> bool:
        """Whether it is at what is public now, all of it in date, and has room for another name."""
        in_date = all(now < link.expires for link in self._top)
        return self._timestamp == timestamp and in_date and len(self._answers) < _FEW

    def ask(self, name: str) -> Proven:
        """Raises what python-tuf raises, and ValueError where it cannot see what is wrong."""
        if name not in self._answers:
            self._answers[name] = self._asked(name)
        return self._answers[name]

    def _asked(self, name: str) -> Proven:
        path = names.page_path(name)
        target = self._updater.get_targetinfo(path)
        speaks = tuple(self._responsible(path))
        role, file = speaks[-1]
        if file.targets.get(path) != target:  # not listed proves nothing where another file would have to say so
            raise ValueError(f"{role} alone may speak for {path}, and the search did not end there")
        chain = (*self._top, *(_link(each, signed) for each, signed in speaks))
        if target is None:
            return Proven(name, None, path, None, chain)
        body = Path(self._updater.download_target(target)).read_bytes()
        state = page.parse(body)
        if state.name != name:
            raise ValueError(f"the page at {path} is about {state.name}")
        return Proven(name, state, path, sha256(body), chain)

    def _read_top(self) -> tuple[Link, ...]:
        root = Metadata[Root].from_bytes(self._file(layout.ROOT)).signed
        timestamp = self._counted(Timestamp, root, layout.TIMESTAMP)
        snapshot = self._counted(Snapshot, root, layout.SNAPSHOT)
        self._targets = self._counted(Targets, root, layout.TARGETS)
        return (
            _link(layout.ROOT, root),
            _link(layout.TIMESTAMP, timestamp),
            _link(layout.SNAPSHOT, snapshot),
            _link(layout.TARGETS, self._targets),
        )

    def _responsible(self, path: str) -> Iterator[tuple[str, Targets]]:
        """The one role that can speak for a path, after the one that hands the path to it."""
        if layout.is_held(self._targets, path):
            yield layout.HELD, self._named(self._targets, layout.HELD)
            return
        bins = self._named(self._targets, layout.BINS)
        yield layout.BINS, bins
        role = layout.responsible_role(self._targets, bins, path)
        own = self._named(bins, role)
        if own.version % layout.BIN_STRIDE != layout.bin_number(role):
            raise ValueError(f"version {own.version} cannot be one of {role}")
        yield role, own

    def _named(self, delegator: counting.Delegator, role: str) -> Targets:
        """Several roles share their signers and their type: only a file's own word tells which one it is."""
        signed = self._counted(Targets, delegator, role)
        if signed.unrecognized_fields.get(layout.ROLE_FIELD) != role:
            raise ValueError(f"the file of {role} says that it is another")
        return signed

    def _counted(self, kind: type[Role], delegator: counting.Delegator, role: str) -> Role:
        """Signatures are counted again by distinct keys: python-tuf counts one key under two ids twice."""
        data = self._file(role)
        if not (count := counting.count_file(delegator, role, data)).met:
            raise ValueError(f"{role} is signed by {count.distinct} of {count.threshold} keys")
        signed = Metadata.from_bytes(data).signed
        assert isinstance(signed, kind), "python-tuf has looked at its type"
        return signed

    def _file(self, role: str) -> bytes:
        """A file that python-tuf has verified and kept."""
        try:
            return (self._folder / f"{role}.json").read_bytes()
        except FileNotFoundError:
            raise ValueError(f"{role} may speak for this name, and its file was never reached") from None


def _link(role: str, signed: Root | Timestamp | Snapshot | Targets) -> Link:
    return Link(role, signed.version, signed.expires)
