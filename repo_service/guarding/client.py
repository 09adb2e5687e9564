"""The service's side: a ``Signer`` that asks the guard, and shows it what it wants to see."""

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any, Final, Protocol

from securesystemslib.signer import Signature

from keys import trust
from keys.signing import Asked, Signatures, SignerAway, SignerFailed, SignerOvertaken, SignerRefused
from repo_service.guarding import protocol
from repo_service.guarding.protocol import NOT_YET, BadFrame
from repo_service.guarding.rules import OVERTAKEN

TIMEOUT_S: Final = 120.0
"""For one answer: a thousand bins that are read, compared and signed by a token take a while."""
TOGETHER_BYTES: Final = 8 << 20
"""What is shown in one question, about."""


class Public(Protocol):
    """What a guard that was started wants to see first."""

    def sealed(self) -> Mapping[str, bytes]:
        """The newest ceremony's files, by their paths in ``sealed/``; none before the first."""

    def published(self) -> tuple[bytes, ...]:
        """The newest timestamp and the snapshot that it names; none before the first."""


class GuardedSigner:
    """See ``keys.signing.Signer``. One connection, which is made again when the guard was started again."""

    def __init__(self, path: Path, public: Public) -> None:
        self._path, self._public = path, public
        self._connection: socket.socket | None = None
        self._keyids = frozenset[str]()
        self._turn = RLock()

    @property
    def keyids(self) -> frozenset[str]:
        """The ids of the guard's keys; the guard is asked when there is no connection yet."""
        with self._turn:
            if self._connection is None:
                self._ask({"ask": "hello"})
            return self._keyids

    def sign_all(self, asked: Sequence[Asked]) -> list[Signatures]:
        """As ``Signer``. What a payload replaces is read and sent only where the guard asks to see it."""
        answer = self._ask(_sign([NOT_YET] * len(asked)), [each.payload for each in asked])
        if "show" not in answer:
            return _signatures(answer, len(asked))
        wanted = {int(place) for place in answer["show"]}
        files = ((each, [*each.shown()] if place in wanted else []) for place, each in enumerate(asked))
        return [signed for group in _grouped(files) for signed in self._sign_shown(group)]

    def highest(self, roles: Iterable[str], holding: int) -> Mapping[str, int]:
        """As ``Signer``: the guard remembers what it signed."""
        answer = self._ask({"ask": "highest", "roles": list(roles), "holding": holding})
        return {str(role): int(version) for role, version in answer["versions"].items()}

    def take_in(self, files: Mapping[str, bytes]) -> None:
        """As ``Signer``. The guard verifies the files itself."""
        self._ask({"ask": "take_in", "paths": list(files)}, [*files.values()])

    def _sign_shown(self, group: Sequence[tuple[Asked, list[bytes]]]) -> list[Signatures]:
        payloads, files = [each.payload for each, _ in group], [file for _, shown in group for file in shown]
        answer = self._ask(_sign([len(shown) for _, shown in group]), [*payloads, *files])
        return _signatures(answer, len(group))

    def _ask(self, header: Mapping[str, object], parts: Sequence[bytes] = ()) -> dict[str, Any]:
        """The answer. What was signed may be asked for again, so a connection that broke is made anew, once."""
        try:
            frame = protocol.encode(header, parts)
        except ValueError as error:
            raise SignerFailed(f"the guard cannot be asked: {error}") from None
        with self._turn:
            try:
                return self._answered(frame)
            except (OSError, BadFrame):
                self._hang_up()
            try:
                return self._answered(frame)
            except (OSError, BadFrame) as error:
                self._hang_up()
                raise SignerAway(f"the guard at {self._path} does not answer: {error}") from None

    def _answered(self, frame: bytes) -> dict[str, Any]:
        if self._connection is None:
            self._connect()
        return self._exchange(frame)

    def _exchange(self, frame: bytes) -> dict[str, Any]:
        assert self._connection is not None
        self._connection.sendall(frame)
        parts = protocol.receive(self._connection)
        if parts is None:
            raise BadFrame("it has hung up")
        answer = protocol.header_of(parts)
        if "refused" in answer:
            code = str(answer["refused"])
            kind = SignerOvertaken if code in OVERTAKEN else SignerRefused
            raise kind(code, str(answer.get("sentence")))
        return answer

    def _connect(self) -> None:
        """Say hello; a guard that was just started is shown what is public."""
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(TIMEOUT_S)
        try:
            self._connection.connect(str(self._path))
            hello = self._exchange(protocol.encode({"ask": "hello"}))
            if not hello["shown"]:
                self._show(hello["sealed"])
            self._keyids = frozenset(map(str, hello["keyids"]))
        except BaseException:
            self._hang_up()
            raise

    def _show(self, known: Mapping[str, int]) -> None:
        files = self._public.sealed()
        if files and any(file.body.version > known[role] for role, file in trust.read(files).newest.items()):
            self._exchange(protocol.encode({"ask": "take_in", "paths": list(files)}, [*files.values()]))
        self._exchange(protocol.encode({"ask": "show"}, self._public.published()))

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
        self._connection = None


def _sign(shown: list[int]) -> dict[str, object]:
    return {"ask": "sign", "shown": shown}


def _signatures(answer: Mapping[str, Any], count: int) -> list[Signatures]:
    found = answer.get("signatures")
    if not isinstance(found, list) or len(found) != count:
        raise SignerFailed("the guard wants to see more than there is to show")
    return [tuple(Signature(str(one["keyid"]), str(one["sig"])) for one in each) for each in found]


def _grouped(files: Iterable[tuple[Asked, list[bytes]]]) -> Iterator[list[tuple[Asked, list[bytes]]]]:
    group: list[tuple[Asked, list[bytes]]] = []
    length = 0
    for asked, shown in files:
        size = len(asked.payload) + sum(map(len, shown))
        if group and length + size > TOGETHER_BYTES:
            yield group
            group, length = [], 0
        group.append((asked, shown))
        length += size
    if group:
        yield group
