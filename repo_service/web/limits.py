"""How much and how often: sizes of bodies, rates of clients and names, and pushing back before the journal drowns."""

import hashlib
import math
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Final

from repo_service.storage.journal import Journal
from repo_service.storage.tokens import Token
from repo_service.web.problems import NOTHING_WRITTEN, Problem, unauthorized

_CHUNK: Final = 1 << 20
_MINUTE: Final = 60.0
_REMEMBERED: Final = 10_000
_PENDING_RETRY_S: Final = 5
_SIGN_INS_PER_MINUTE: Final = 30


def received(stream: IO[bytes], limit: int, signed: str | None) -> Iterator[bytes]:
    """The request's body in pieces: its only reader.

    413 as soon as it is longer than ``limit``; 401 at its end if it is not what the caller signed (SHA-256).
    """
    digest, length = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        length += len(chunk)
        if length > limit:
            detail = f"At most {limit} bytes are taken here. {NOTHING_WRITTEN}"
            raise Problem(413, "too_large", "The request is too large", detail)
        digest.update(chunk)
        yield chunk
    if signed not in (None, digest.hexdigest()):
        raise unauthorized("digest_mismatch", "The body is not the one that the signed Content-Digest names.")


class Rates:
    """How often each key may come: so many a minute, evenly or at once (GCRA). In memory: a restart forgets."""

    def __init__(self) -> None:
        self._paid_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, key: str, per_minute: int, now: datetime) -> float:
        """Count one more of ``key`` and return 0, or count nothing and return the seconds until it would be counted."""
        at, cost = now.timestamp(), _MINUTE / per_minute
        with self._lock:
            paid = max(self._paid_until.get(key, at), at) + cost
            if paid > at + _MINUTE:
                return paid - at - _MINUTE
            if len(self._paid_until) >= _REMEMBERED:  # those whose minute is over are as good as new
                self._paid_until = {key: until for key, until in self._paid_until.items() if until > at}
            self._paid_until[key] = paid
            return 0.0


class Limits:
    """What a door lets through, and how often."""

    def __init__(self, max_upload: int, client_per_minute: int, name_per_minute: int, max_pending: int) -> None:
        self.max_upload = max_upload
        self._client_per_minute = client_per_minute
        self._name_per_minute = name_per_minute
        self._max_pending = max_pending
        self._rates = Rates()
        self._had_room: datetime | None = None

    def count_client(self, token: Token, now: datetime) -> None:
        """429 if this client asks too often: more than the settings allow, or its token's own scope."""
        allowed = min(self._client_per_minute, token.scope.per_minute or self._client_per_minute)
        self._count(f"client {token.client}", allowed, now)

    def count_name(self, name: str, now: datetime) -> None:
        """429 if this name is changed too often, whoever does it."""
        self._count(f"name {name}", self._name_per_minute, now)

    def count_sign_in(self, peer: str | None, now: datetime) -> None:
        """429 if people try to sign in from this address too often. Behind a proxy all come from one."""
        self._count(f"address {peer}", _SIGN_INS_PER_MINUTE, now)

    def check_pending(self, journal: Journal, now: datetime) -> None:
        """503 while more events wait to be signed than publishing is likely to catch up with soon.

        A soft limit: where there was room, the journal is not asked again in the same second of the clock.
        """
        if now == self._had_room:
            return
        with journal.reading() as view:
            behind = view.has_pending_beyond(self._max_pending)
        if behind:
            detail = f"More than {self._max_pending} events wait to be signed; send this again later. {NOTHING_WRITTEN}"
            raise Problem(503, "publishing_behind", "Publishing is behind", detail, retry_after=_PENDING_RETRY_S)
        self._had_room = now

    def _count(self, key: str, per_minute: int, now: datetime) -> None:
        if seconds := math.ceil(self._rates.wait(key, per_minute, now)):
            detail = f"The {key} comes more than {per_minute} times a minute; send this again in {seconds} s."
            title = "Too many requests"
            raise Problem(429, "rate_limited", title, f"{detail} {NOTHING_WRITTEN}", retry_after=seconds)
