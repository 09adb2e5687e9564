"""A witness's door: what it is asked over HTTP, and a server that nobody can hold up."""

import logging
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from waitress.channel import HTTPChannel

from keys.tlog.notes import HeldWitnessKey, Signature
from repo_service.operating.serving import Server
from repo_service.witness import deciding
from repo_service.witness.deciding import MAX_BODY, Head, Log, OtherSize, Question, Refused
from repo_service.witness.store import Store

logger: Final = logging.getLogger(__name__)
REQUEST_S: Final = 30.0
"""How long a question may take to come in, and a connection be idle."""
_THREADS: Final = 8
_TEXT: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
    422: "Unprocessable Entity", 503: "Service Unavailable",
}  # fmt: skip
Answer = tuple[int, str, str]
"""A status, a type of content and the content."""


class Witness:
    """A witness at work: its keys, its memory and its clock, which gives seconds since 1970."""

    def __init__(self, keys: Sequence[HeldWitnessKey], store: Store, clock: Callable[[], int]) -> None:
        self.keys, self.store, self._clock = tuple(keys), store, clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to a question of a log, or of whoever has its checkpoint."""
        try:
            asked = deciding.read(body)
        except Refused as error:
            return error.status, _TEXT, f"{error}\n"
        try:
            head = self.store.advance(asked.origin, lambda log: self._decided(log, asked))
        except Refused as error:
            return self._refused(asked, error)
        logger.info("cosigned", extra={"log": asked.origin, "size": head.checkpoint.size, "old": asked.old})
        return 200, _TEXT, "".join(map(str, self._own(head)))

    def _decided(self, log: Log | None, asked: Question) -> Head:
        return deciding.decide(log, asked, self.keys, self._clock())

    def _own(self, head: Head) -> Iterable[Signature]:
        return head.note.signatures[-len(self.keys) :]

    def _refused(self, asked: Question, error: Refused) -> Answer:
        fields = {"log": asked.origin[:255], "status": error.status, "why": str(error)}
        if error.evidence is None:
            logger.info("not cosigned", extra=fields)
        else:
            kept = self.store.keep(error.evidence)
            logger.error("a log contradicts what was cosigned", extra=fields | {"evidence": kept or "enough is kept"})
        if isinstance(error, OtherSize):
            return 409, "text/x.tlog.size", f"{error.size}\n"
        return error.status, _TEXT, f"{error}\n"

    def checkpoint(self, hash_: str) -> Answer:
        """The newest checkpoint that was cosigned, for monitors."""
        log = self.store.by_hash(hash_)
        if log is None or log.head is None:
            return 404, _TEXT, "no checkpoint of such a log was cosigned here\n"
        return 200, _TEXT, str(log.head.note)

    def about(self) -> Answer:
        """Who this is, for a person."""
        return 200, _TEXT, "\n".join([*map(str, self.keys_of()), "", *described(self.store.logs(), self._clock()), ""])

    def keys_of(self) -> Iterable[str]:
        """The lines by which others know it."""
        return (str(key.key) for key in self.keys)


def described(logs: Iterable[Log], now: int) -> list[str]:
    """Logs for a person, a line each."""
    return [
        f"{log.origin}: {log.head.checkpoint.size} leaves, cosigned {now - log.head.at} s ago"
        if log.head
        else f"{log.origin}: nothing was cosigned yet"
        for log in logs
    ] or ["no logs are known yet"]


def application(witness: Witness) -> WSGIApplication:
    """The witness as WSGI knows it: ``POST /add-checkpoint``, ``GET /HASH/checkpoint`` and ``GET /``."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        status, kind, text = _answer(witness, environ)
        body = text.encode()
        start_response(
            f"{status} {_REASONS[status]}",
            [("Content-Type", kind), ("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")],
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return run


def _answer(witness: Witness, environ: WSGIEnvironment) -> Answer:
    method, parts = environ["REQUEST_METHOD"], str(environ["PATH_INFO"]).split("/")
    match method, parts:
        case "POST", ["", "add-checkpoint"]:
            return witness.add_checkpoint(environ["wsgi.input"].read())  # at most MAX_BODY, or the server said 413
        case "GET" | "HEAD", ["", hash_, "checkpoint"]:
            return witness.checkpoint(hash_)
        case "GET" | "HEAD", ["", ""]:
            return witness.about()
        case _, ["", "add-checkpoint" | ""] | ["", _, "checkpoint"]:
            return 405, _TEXT, "this address is asked otherwise\n"
        case _:
            return 404, _TEXT, "there is nothing here\n"


class Door(Server):
    """Waitress for a witness. It has a hundred connections; who asks too slowly, or nothing, loses theirs."""

    def __init__(self, witness: Witness, host: str, port: int, request_s: float = REQUEST_S) -> None:
        super().__init__(application(witness), host, port, _THREADS, MAX_BODY)
        self._request_s = request_s
        self._since = dict[tuple[HTTPChannel, Any], float]()

    def _turn(self, wait_s: float) -> None:
        super()._turn(wait_s)
        now = monotonic()
        coming = [(each, each.request) for each in self._of(HTTPChannel) if not each.requests]
        self._since = {each: self._since.get(each, now) for each in coming}
        for (channel, _), since in self._since.items():
            if now - since > self._request_s:
                channel.handle_close()
