"""One call over HTTP: asked again, with pauses, until somebody answers for good or its time is over."""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import urllib3

from keys import strict
from repo_service.calling.answers import Problem, read
from repo_service.calling.failures import Misdirected, Refused, Unanswered

MAX_ANSWER: Final = 64 << 20
"""Bytes of an answer; a name with ten thousand files takes a tenth of it."""
_CHUNK: Final = 1 << 16
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)


class BadAddress(ValueError):
    """The service cannot be called there. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is tried and how long the pauses are, in seconds; and the clock, the sleep and the dice for it.

    No try begins after ``total_s``, and no answer is waited for longer. A pause is a random part of what doubles from
    ``first_s`` to ``longest_s``, or what the service asks for with Retry-After, if that is longer.
    """

    total_s: float = 60
    answer_s: float = 30
    connect_s: float = 5
    first_s: float = 0.5
    longest_s: float = 30
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = secrets.SystemRandom().random
    monotonic: Callable[[], float] = time.monotonic

    def pause(self, tries: int, asked_for: float) -> float:
        """How long to wait after so many tries. The dice keep many callers from coming back at once."""
        most: float = min(self.longest_s, self.first_s * 2.0 ** min(tries - 1, 30))
        return max(asked_for, self.random() * most)


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: a method, a path below the address, headers beside those of every call, and a body.

    ``key`` is the Idempotency-Key. ``waits_s`` is for how long the service was asked to stay before it answers.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | BinaryIO | None = field(default=None, repr=False)
    key: str | None = None
    waits_s: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, headers, bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def problem(self) -> Problem:
        """Why it is no; whoever stands in between may say no in another form."""
        if self.headers.get("content-type", "").partition(";")[0] == "application/problem+json":
            try:
                return read(Problem, self.body)
            except strict.Malformed:
                pass
        detail = "The answer is not the service's; look at what stands in between"
        return Problem(self.status, "not_ours", "Turned away", detail)

    @property
    def retry_after_s(self) -> float:
        """What ``Retry-After`` asks for; a date is taken by the answer's own clock (RFC 9110, section 10.2.3)."""
        said = self.headers.get("retry-after", "")
        if _SECONDS.fullmatch(said):
            return int(said)
        try:
            return (parsedate_to_datetime(said) - parsedate_to_datetime(self.headers.get("date", ""))).total_seconds()
        except (TypeError, ValueError):
            return 0


def checked_address(url: str) -> str:
    """An address without its last slash. BadAddress unless it is https, or http on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "http" and not _is_here(parts.hostname or ""):
        raise BadAddress(f"{url} would send the token unencrypted; use https, or Api.in_clear if that is meant")
    return plain_address(url)


def plain_address(url: str) -> str:
    """As ``checked_address``, for who knows that nobody listens between the two."""
    parts = urlsplit(url)
    beyond = parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or beyond:
        raise BadAddress(f"{url!r:.200} is not the address of a service, such as https://tallystick.example")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class Line:
    """Where the service is, the token that says who calls, and what it is called with. The token is not shown."""

    url: str
    token: str = field(repr=False)
    pool: urllib3.PoolManager = field(repr=False)
    patience: Patience = field(repr=False)

    def ask(self, call: Call) -> Answer:
        """The answer, with a status of 2xx. Raises Refused, Unanswered, Misdirected."""
        ends, tries = self.patience.monotonic() + self.patience.total_s + call.waits_s, 0
        while True:
            answer, why = self._try(call, ends)
            if answer is not None and answer.status < 300:
                return answer
            problem = self._problem(call, answer) if answer is not None else None
            tries += 1
            pause = self.patience.pause(tries, answer.retry_after_s if answer is not None else 0)
            if self.patience.monotonic() + pause >= ends:
                last = f"{problem.status} {problem.code}: {problem.detail}" if problem is not None else why
                raise Unanswered(call.method, self._at(call), call.key, tries, last, problem)
            self.patience.sleep(pause)

    def _problem(self, call: Call, answer: Answer) -> Problem:
        """Why the answer is no, if it may be yes a little later."""
        if answer.status < 400:
            raise Misdirected(
                f"{call.method} {self._at(call)}: answered {answer.status}, a redirect, which is not followed. "
                f"Nothing was written. Is {self.url} the service's own address?", call.key,
            )  # fmt: skip
        if not (problem := answer.problem).is_passing:
            raise Refused(problem, call.key)
        return problem

    def _try(self, call: Call, ends: float) -> tuple[Answer | None, str]:
        """An answer, or why there is none. The body of a file begins anew each time."""
        left = max(ends - self.patience.monotonic(), 0.001)
        if call.body is not None and not isinstance(call.body, bytes):
            call.body.seek(0)
        patience = min(self.patience.answer_s + call.waits_s, left)
        try:
            response = self.pool.urlopen(
                call.method, self.url + call.path, body=call.body, headers=self._headers(call), redirect=False,
                retries=False, preload_content=False, decode_content=False,
                timeout=urllib3.Timeout(connect=min(self.patience.connect_s, left), read=patience),
            )  # fmt: skip
            try:
                body = self._read(response, ends)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return None, f"{type(error).__name__}: {error}"
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body), ""

    def _headers(self, call: Call) -> dict[str, str]:
        key = {} if call.key is None else {"Idempotency-Key": call.key}
        wait = {"Prefer": f"wait={call.waits_s}"} if call.waits_s else {}
        return {
            "Authorization": f"Bearer {self.token}", "Accept": "application/json, application/problem+json",
            "User-Agent": "tallystick", **key, **wait, **call.headers,
        }  # fmt: skip

    def _read(self, response: urllib3.BaseHTTPResponse, ends: float) -> bytes:
        """All of it. Who sends a little at a time is given up when the call's time is over."""
        data = bytearray()
        while chunk := response.read1(_CHUNK, decode_content=False):
            data += chunk
            if len(data) > MAX_ANSWER:
                raise urllib3.exceptions.ProtocolError(f"an answer of more than {MAX_ANSWER} bytes")
            if self.patience.monotonic() > ends:
                raise urllib3.exceptions.ProtocolError("an answer that did not end in time")
        return bytes(data)

    def _at(self, call: Call) -> str:
        return f"{self.url}{call.path}"


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
