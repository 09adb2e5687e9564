"""The Python API: verified answers from pinned repositories. An installer can be built on these names alone.

    from client_verify.verifier import Verifier

    verifier = Verifier.pinned()
    match verifier.of_file("flask-3.1.3-py3-none-any.whl", sha256):
        case Refuse(code, sentence): ...

``Verifier`` asks; ``Found`` and ``ProvenAbsent`` are what can be known of a name, ``Install``, ``Warn`` and ``Refuse``
what follows for a file or version; ``Refused`` (this cannot be answered, for a reason in ``KINDS``) and ``Usage``
(nothing is pinned, or not that) are its errors. Nothing else is raised but OSError and sqlite3.Error, where this
machine's own disk fails.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from client_verify import trust, verdict
from client_verify.answers import Answer, Found, ProvenAbsent
from client_verify.fetching.blobs import Blobs, Content
from client_verify.fetching.transport import Fetcher
from client_verify.files import project
from client_verify.places import HOME, places
from client_verify.refusals import KINDS, ClientError, Refused, Usage
from client_verify.repositories import Repositories
from client_verify.session import Session, data_directory
from client_verify.trust import Pin
from client_verify.verdict import Install, Refuse, Verdict, Warn
from keys import names
from keys.state import File

__all__ = [
    "KINDS",
    "Answer",
    "ClientError",
    "Found",
    "Install",
    "ProvenAbsent",
    "Refuse",
    "Refused",
    "Usage",
    "Verdict",
    "Verifier",
    "Warn",
]

RENEWED_AFTER: Final = timedelta(seconds=60)
"""A verifier that is meant to live long asks for a newer snapshot when it is asked after so much time."""


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
    ) -> None:
        self._repositories = Repositories(pins)
        self._pins = {pin.name: pin for pin in pins}
        self._blobs = blobs
        self._open_session = open_session
        self._clock = clock
        self._renewed_after = renewed_after
        self._opened: dict[str, _Opened] = {}
        self._lock = threading.Lock()

    @classmethod
    def pinned(
        cls,
        repository: str | None = None,
        *,
        home: Path | None = None,
        accept_new_generation: Iterable[str] = (),
        renewed_after: timedelta | None = None,
    ) -> "Verifier":
        """A verifier of what this user has pinned, or of one pin alone; ``home`` instead of TALLYSTICK_HOME.

        ``accept_new_generation`` are names whose new holder has been accepted. Usage if nothing is pinned.
        """
        where = places(os.environ if home is None else {**os.environ, HOME: str(home)})
        pins = trust.pins(where.roots) if repository is None else [trust.load(where.roots, repository)]
        accepted = frozenset(map(names.normalise, accept_new_generation))

        def open_session(pin: Pin) -> Session:
            return Session(pin, data_directory(where.data, pin), Fetcher(), _now, accepted)

        return cls(pins, where.blobs, open_session, _now, renewed_after)

    def open(self) -> None:
        """Ask every repository for its newest snapshot now. Refused only if not one of them can be used."""
        refused = [answer for pin in self._pins.values() if isinstance(answer := self._session(pin), Refused)]
        if len(refused) == len(self._pins):
            raise refused[0]

    @property
    def warnings(self) -> list[str]:
        """What a person should know although nothing is refused."""
        sessions = [opened.session for opened in self._opened.values()]
        return [warning for each in sessions if isinstance(each, Session) for warning in each.warnings]

    def ask(self, name: str) -> Answer:
        """What is known about a name in any spelling. Refused if that cannot be told; names.InvalidName."""
        normal = names.normalise(name)
        return self.session(normal).page(normal)

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
        answer = self.ask(name)
        if isinstance(answer, ProvenAbsent):
            return verdict.of_absence(answer)
        return verdict.of_version(answer.state, version)

    def of_file(self, filename: str, sha256: str) -> Verdict:
        """May these bytes be installed under this file name? Usage if it is no wheel's or sdist's."""
        answer = self.ask(project(filename))
        if isinstance(answer, ProvenAbsent):
            return verdict.of_absence(answer)
        signed = answer.state.file(filename)
        if signed is not None and signed[1].sha256 != sha256:
            return Refuse(
                "mismatch", f"{filename} has sha256 {sha256}; the registry signed {signed[1].sha256} under this name"
            )
        return verdict.of_file(answer.state, filename)

    def content(self, name: str, file: File) -> BinaryIO:
        """The verified bytes of a file that an answer about ``name`` lists; Refused if they cannot be had."""
        return self._content_of(name, _content(self.session(name).pin.url, name, file))

    def metadata(self, name: str, file: File) -> BinaryIO:
        """The verified core metadata (PEP 658) of such a file, whose ``core_metadata`` is not None."""
        assert file.core_metadata is not None, "only of a file that has some"
        content = _content(self.session(name).pin.url, name, file)
        return self._content_of(
            name, Content(f"{content.what}.metadata", f"{content.url}.metadata", file.core_metadata, None)
        )

    def _content_of(self, name: str, content: Content) -> BinaryIO:
        return Blobs(self._blobs, self.session(name).fetcher).open(content)

    def _session(self, pin: Pin) -> Session | Refused:
        with self._lock:
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


def _content(url: str, name: str, file: File) -> Content:
    own = f"{url}/targets/{names.hashed(names.file_path(name, file.filename), file.sha256)}"
    return Content(file.filename, file.url or own, file.sha256, file.size)


def _now() -> datetime:
    return datetime.now(UTC)
