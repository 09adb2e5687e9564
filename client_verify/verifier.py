"""The Python API: verified answers from pinned repositories. An installer can be built on these names alone.

    from client_verify.verifier import Verifier

    verifier = Verifier.pinned()
    match verifier.of_file("flask-3.1.3-py3-none-any.whl", sha256):
        case Refuse(code, sentence): ...

``Verifier`` asks; ``Found`` and ``ProvenAbsent`` are what can be known of a name, ``Install``, ``Warn`` and ``Refuse``
what follows for a file or version. ``Found.state`` is a ``NameState``, whose releases list each ``File`` that can be
had. Its errors are ``Refused`` (this cannot be answered, for a reason in ``KINDS``), ``Usage`` (nothing is pinned, or
not that; or no wheel's or sdist's file name) and ``InvalidName`` (no project can have that name, so there is nothing to
ask). Nothing else is raised but OSError and sqlite3.Error, where this machine's own disk fails.

A name may be in any spelling, a SHA-256 is in lower-case hexadecimal, and a file that is handed out is the caller's to
close.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from tuf.api.exceptions import DownloadHTTPError

from client_verify import trust, verdict, withdrawals
from client_verify.accepted import NOTHING, Accepted
from client_verify.answers import Answer, Found, ProvenAbsent
from client_verify.directory import data_directory
from client_verify.fetching.ahead import Turns
from client_verify.fetching.blobs import Blobs, Content
from client_verify.fetching.room import LIMIT
from client_verify.fetching.sources import Source, offline, over_http
from client_verify.files import project
from client_verify.places import HOME, places
from client_verify.refusals import KINDS, ClientError, Refused, Usage
from client_verify.repositories import Repositories
from client_verify.session import Session
from client_verify.trust import Pin
from client_verify.verdict import Install, Refuse, Verdict, Warn
from keys import names
from keys.names import InvalidName
from keys.state import File, NameState

__all__ = [
    "KINDS",
    "Accepted",
    "Answer",
    "ClientError",
    "File",
    "Found",
    "Install",
    "InvalidName",
    "NameState",
    "ProvenAbsent",
    "Refuse",
    "Refused",
    "Usage",
    "Verdict",
    "Verifier",
    "Warn",
    "offline",
    "over_http",
]

RENEWED_AFTER: Final = timedelta(seconds=60)
"""A verifier that is meant to live long asks for a newer snapshot when it is asked after so much time."""
ASKED_AGAIN_AFTER: Final = timedelta(seconds=10)
"""What is not there may be signed meanwhile: not more often is a newer snapshot asked for because of that."""
_LATE: Final = frozenset({"absent", "unknown-version", "unknown-file"})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Opened:
    """What came of asking a repository for its newest snapshot, and when."""

    session: Session | Refused
    at: datetime


class Verifier:
    """Verified answers about names, files and versions; each name from the one repository that may speak for it.

    ``open_session`` asks a repository for its newest snapshot. With ``renewed_after`` that is done again once a session
    is so old; without, all answers come from one snapshot of each repository. Safe for several threads.
    """

    def __init__(
        self,
        pins: Sequence[Pin],
        blobs: Path,
        open_session: Callable[[Pin], Session],
        clock: Callable[[], datetime],
        renewed_after: timedelta | None = None,
        accepted: Accepted = NOTHING,
        cache_limit: int = LIMIT,
    ) -> None:
        self._repositories = Repositories(pins)
        self._pins = {pin.name: pin for pin in pins}
        self._blobs = blobs
        self._cache_limit = cache_limit
        self._open_session = open_session
        self._clock = clock
        self._renewed_after = renewed_after
        self._accepted = accepted
        self._asked_again: dict[str, datetime] = {}
        self._opened: dict[str, _Opened] = {}
        self._locks = {pin.name: threading.Lock() for pin in pins}
        self._turns = Turns()

    @classmethod
    def pinned(
        cls,
        repository: str | None = None,
        *,
        home: Path | None = None,
        accepted: Accepted = NOTHING,
        renewed_after: timedelta | None = None,
        source: Source = over_http,
    ) -> "Verifier":
        """A verifier of what this user has pinned, or of one pin alone; ``home`` instead of TALLYSTICK_HOME.

        ``accepted`` is what the person at the terminal has accepted. ``source`` is where bytes come from:
        ``over_http``, or ``offline`` for what this machine has verified. Usage if nothing is pinned.
        """
        where = places(os.environ if home is None else {**os.environ, HOME: str(home)})
        pins = trust.pins(where.roots) if repository is None else [trust.load(where.roots, repository)]

        def open_session(pin: Pin) -> Session:
            directory = data_directory(where.data, pin)
            return Session(pin, directory, source(directory), _now, accepted)

        return cls(pins, where.blobs, open_session, _now, renewed_after, accepted, where.cache_limit)

    def open(self) -> None:
        """Ask every repository for its newest snapshot now. Refused only if not one of them can be used."""
        with ThreadPoolExecutor(len(self._pins)) as pool:  # one that does not answer holds up no other
            answers = list(pool.map(self._session, self._pins.values()))
        if all(isinstance(answer, Refused) for answer in answers):
            raise next(answer for answer in answers if isinstance(answer, Refused))

    @property
    def warnings(self) -> list[str]:
        """What a person should know although nothing is refused."""
        sessions = [opened.session for opened in [*self._opened.values()]]
        return [warning for each in sessions if isinstance(each, Session) for warning in each.warnings]

    def ask(self, name: str) -> Answer:
        """What is known about a name in any spelling. Refused if that cannot be told; names.InvalidName."""
        normal = names.normalise(name)
        return self._at_last(normal, lambda: self.session(normal).page(normal), self._is_late)

    def doubts(self, name: str) -> list[str]:
        """What the log of its repository does not prove of what was asked of a name, where only a warning is wanted."""
        return self.session(names.normalise(name)).log.doubts

    def prefetch(self, wanted: Iterable[str]) -> None:
        """Let what will be needed for these names, in any spelling, come while nobody waits. Nothing is refused yet."""
        for name in wanted:
            with suppress(Refused, names.InvalidName):
                self.session(normal := names.normalise(name)).prefetch([normal])

    def repository(self, name: str) -> str | None:
        """Which pinned repository answers for a name in any spelling, if one may; names.InvalidName."""
        try:
            return self._repositories.of(names.normalise(name)).name
        except Refused:
            return None

    def session(self, name: str) -> Session:
        """The snapshot from which a name in its normal form is answered."""
        session = self._session(self._repositories.of(name))
        if isinstance(session, Refused):
            raise session
        return session

    def of_version(self, name: str, version: str) -> Verdict:
        """May this version of a name be installed?"""
        return self._verdict(name, lambda found: verdict.of_version(found.state, version, self._accepted))

    def of_file(self, filename: str, sha256: str) -> Verdict:
        """May these bytes be installed under this file name? Usage if it is no wheel's or sdist's."""

        def of_bytes(found: Found) -> Verdict:
            signed = found.state.file(filename)
            if signed is not None and signed[1].sha256 != sha256:
                digests = f"has sha256 {sha256}; the registry signed {signed[1].sha256} under this name"
                return Refuse("mismatch", f"{filename} {digests}")
            return verdict.of_file(found.state, filename, self._accepted)

        return self._verdict(project(filename), of_bytes)

    def of_choice(self, name: str, filename: str) -> Verdict:
        """May an installer have this file of a name, whose version it may have chosen by itself? As of_file, and no
        lower version because of higher ones that were just yanked or removed.
        """
        now = self.session(names.normalise(name)).now
        return self._verdict(name, lambda found: withdrawals.of_choice(found, filename, self._accepted, now))

    def content(self, name: str, file: File) -> BinaryIO:
        """The verified bytes of a file that an answer about ``name`` lists; Refused if they cannot be had."""
        normal = names.normalise(name)
        return self._content_of(normal, _content(self.session(normal).pin.url, normal, file))

    def metadata(self, name: str, file: File) -> BinaryIO:
        """The verified core metadata (PEP 658) of such a file, whose ``core_metadata`` is not None."""
        assert file.core_metadata is not None, "only of a file that has some"
        normal = names.normalise(name)
        content = _content(self.session(normal).pin.url, normal, file)
        return self._content_of(
            normal, Content(f"{content.what}.metadata", f"{content.url}.metadata", file.core_metadata, None)
        )

    def _content_of(self, name: str, content: Content) -> BinaryIO:
        with self._turns.of(content.sha256):  # what is fetched ahead may be asked for meanwhile
            return Blobs(self._blobs, self.session(name).fetcher, self._cache_limit).open(content)

    def _verdict(self, name: str, judge: Callable[[Found], Verdict]) -> Verdict:
        def ask() -> Verdict:
            answer = self.ask(name)
            return verdict.of_absence(answer) if isinstance(answer, ProvenAbsent) else judge(answer)

        return self._at_last(
            names.normalise(name), ask, lambda given: isinstance(given, Refuse) and given.code in _LATE
        )

    def _is_late(self, answer: Answer) -> bool:
        """Is something not there that somebody named?"""
        if isinstance(answer, ProvenAbsent):
            return True
        named, there = self._accepted.versions(answer.state.name), answer.state.releases
        return any(not any(verdict.is_same(each.version, version) for each in there) for version in named)

    def _at_last(self, name: str, ask: Callable[[], T], is_late: Callable[[T], bool]) -> T:
        """An answer; of a newer snapshot, if it was that something is not there, or a file of this one has gone."""
        pin = self._repositories.of(name)
        self._session(pin)
        before = self._opened[pin.name]
        try:
            answer = ask()
        except Refused as refused:
            if not _is_gone(refused) or not self._asks_again(pin, before):
                raise
            return ask()
        return ask() if is_late(answer) and self._asks_again(pin, before) else answer

    def _asks_again(self, pin: Pin, before: _Opened) -> bool:
        with self._locks[pin.name]:
            if self._opened[pin.name] is not before:
                return True  # another thread has, while this one waited
            now, last = self._clock(), self._asked_again.get(pin.name)
            if last is not None and now - last < ASKED_AGAIN_AFTER:
                return False
            self._asked_again[pin.name] = now
            self._opened[pin.name] = self._renewed(pin, self._opened.get(pin.name))
            return True

    def _session(self, pin: Pin) -> Session | Refused:
        with self._locks[pin.name]:
            opened = self._opened.get(pin.name)
            if opened is None or self._is_old(opened):
                opened = self._opened[pin.name] = self._renewed(pin, opened)
            return opened.session

    def _is_old(self, opened: _Opened) -> bool:
        return self._renewed_after is not None and self._clock() - opened.at >= self._renewed_after

    def _renewed(self, pin: Pin, before: _Opened | None) -> _Opened:
        try:
            session: Session | Refused = self._open_session(pin)
        except Refused as refused:
            # Out of reach is no reason to forget a snapshot that is still valid: a session refuses by itself when not.
            known = before is not None and refused.code == "unreachable"
            session = before.session if before is not None and known else refused
        return _Opened(session, self._clock())


def _is_gone(refused: Refused) -> bool:
    # A repository keeps old files for a time only: PEP 458 asks a client to begin again with the newest snapshot.
    cause = refused.__cause__
    if isinstance(cause, Refused):
        return _is_gone(cause)
    return isinstance(cause, DownloadHTTPError) and cause.status_code == 404


def _content(url: str, name: str, file: File) -> Content:
    own = f"{url}/targets/{names.hashed(names.file_path(name, file.filename), file.sha256)}"
    return Content(file.filename, file.url or own, file.sha256, file.size)


def _now() -> datetime:
    return datetime.now(UTC)
