"""The service's API as one object: a request in, what became of it out.

What can be asked are the classes of repo_service/domain/requests.py, the same that the service itself reads, so a
request is written once and cannot differ. ``send`` takes any of them:

    api = Api("https://tallystick.example", token)
    receipt = api.send(Yank("acme-tool", "1.0", Reason("broken", "does not start"), Actor(id="account-1")), wait=10)

A name is said as it is normalised (``keys.names.normalise``). Every change has an Idempotency-Key before its first try:
the one that is given, which for an outbox is its row's own, or a new one. All raise the failures of failures.py.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, BinaryIO, Final, Literal, TypeVar
from urllib.parse import urlencode

import urllib3

from keys import strict
from keys.state import NameState, Reason
from repo_service.calling import answers as a
from repo_service.calling import wire
from repo_service.calling.failures import Altered, Misdirected, Refused
from repo_service.calling.line import Call, Line, Patience, checked_address, plain_address
from repo_service.domain import requests as r

T = TypeVar("T")

_TOKEN: Final = re.compile(r"tally_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", re.ASCII)
_KEY: Final = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?", re.ASCII)
_ALWAYS: Final = Patience()
_PIECE: Final = 1000
"""Events and takedowns that are asked for at once; the service gives no more."""
_CHUNK: Final = 1 << 16


class Api:
    """The service at an address, as the token's client sees it. It holds no other state; threads may share it."""

    def __init__(
        self,
        url: str,
        token: str,
        patience: Patience = _ALWAYS,
        pool: urllib3.PoolManager | None = None,
        new_key: Callable[[], str] = secrets.token_hex,
    ) -> None:
        """``pool`` is for who needs a CA or a proxy of their own. Raises BadAddress for http to another machine, and
        ValueError for what is no token.
        """
        if not _TOKEN.fullmatch(token):
            raise ValueError("a token looks like tally_<16 hex digits>_<43 characters>; this is none")
        self._line = Line(checked_address(url), token, pool or urllib3.PoolManager(maxsize=16), patience)
        self._new_key = new_key

    @classmethod
    def in_clear(cls, url: str, token: str, *more: Any) -> "Api":
        """As ``Api``, where the token may go over http: in a network of your own that nobody else listens to."""
        made = cls("http://localhost", token, *more)
        made._line = Line(plain_address(url), token, made._line.pool, made._line.patience)
        return made

    def __repr__(self) -> str:
        return f"Api({self._line.url!r})"

    def send(
        self,
        request: r.Request,
        *,
        key: str | None = None,
        wait: int = 0,
        seen: int | None = None,
        previewed: str | None = None,
        number: int | None = None,
    ) -> a.Receipt:
        """Change something; with ``wait``, stay so many seconds until it is signed.

        ``seen`` is the serial to insist on (If-Match), ``previewed`` a preview's digest, ``number`` the registry's own
        number of this change within its project (source_seq).
        """
        body = wire.body(request) | ({} if number is None else {"source_seq": number})
        seen_too = wire.if_match(seen) | ({} if previewed is None else {"If-Preview-Match": previewed})
        return self._changed(a.Receipt, wire.path_of(request), body, key, wait, seen_too)

    def preview(self, request: r.Request, *, seen: int | None = None) -> a.Preview:
        """What ``send`` would do. Nothing is written; a denial is an answer here, with its reasons."""
        return self._changed(
            a.Preview, wire.path_of(request) + "?dry_run=true", wire.body(request), None, 0, wire.if_match(seen)
        )

    def batch(self, items: Sequence[wire.Item], *, key: str | None = None, wait: int = 0) -> tuple[a.Receipt, ...]:
        """Several changes, all of them or none: Refused says which one stood in the way (``problem.item``)."""
        return self._changed(a.Receipts, "/v1/batch", wire.batch(items, "all"), key, wait).items

    def batch_each(self, items: Sequence[wire.Item], *, key: str | None = None, wait: int = 0) -> tuple[a.Row, ...]:
        """Several changes, each for itself: a receipt or a problem for each, in their order."""
        return self._changed(a.Rows, "/v1/batch", wire.batch(items, "each"), key, wait).items

    def preview_batch(self, items: Sequence[wire.Item]) -> tuple[a.PreviewRow, ...]:
        """What each change of a batch would do after those before it. Nothing is written."""
        return self._changed(a.PreviewRows, "/v1/batch?dry_run=true", wire.batch(items, "all"), None, 0).items

    def state(self, wanted: r.Wanted) -> a.StateTaken:
        """Take a project's full state: what it does not mention is removed. Its registry_serial makes it once."""
        return self._read(a.StateTaken, wire.put_state(wanted, ""))

    def preview_state(self, wanted: r.Wanted) -> a.StatePreview:
        """What ``state`` would do, change by change. Nothing is written."""
        return self._read(a.StatePreview, wire.put_state(wanted, "?dry_run=true"))

    def upload(self, name: str, filename: str, file: BinaryIO) -> a.Uploaded:
        """Store a file; ``.file`` of what comes back can be published. The same again is safe.

        It is read twice, for its digest and to be sent. Raises Altered if the service has other bytes than were read.
        """
        size, digest = file.seek(0, os.SEEK_END), _digest(file)
        path = wire.path("projects", name, "files", filename)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        stored = self._read(a.Uploaded, Call("PUT", path, headers, file))
        if (stored.sha256, stored.size) != (digest, size):
            raise Altered(
                f"{filename}: sent {size} bytes, sha256 {digest}; stored {stored.size}, {stored.sha256}", None
            )
        return stored

    def skip(self, name: str, through: int) -> a.Skipped:
        """Wait no longer for the numbers of a project up to ``through``. Asked twice, it is done once."""
        return self._changed(a.Skipped, wire.path("projects", name, "skip"), {"through": through}, None, 0)

    def revoke_holder(
        self, holder: str, reason: Reason, actor: r.Actor, *, key: str | None = None, wait: int = 0
    ) -> tuple[a.Receipt, ...]:
        """End every reservation of an account."""
        body = {"reason": strict.sparse(reason), "actor": strict.sparse(actor)}
        return self._changed(a.Receipts, wire.path("holders", holder, "revoke"), body, key, wait).items

    def notices(self) -> tuple[a.Notice, ...]:
        """What to tell whom now, the first due first."""
        return self._get(a.Notices, "/v1/notices").notices

    def acknowledge(self, notice: str, outcome: Literal["sent", "failed"]) -> a.Acknowledged:
        """Say of a notice that it was sent, or that nobody could be reached: it is listed no more."""
        return self._changed(a.Acknowledged, wire.path("notices", outcome), {"id": notice}, None, 0)

    def eligibility(self, name: str, version: str, **facts: str | int) -> a.Preview:
        """Whether the owner may unpublish a release, by what the registry knows: ``dependents=0, as_of=…``."""
        path = wire.path("projects", name, "releases", version, "unpublish-eligibility")
        return self._get(a.Preview, path, **facts)

    def change(self, change: str) -> a.Receipt:
        """What became of a change, by its receipt's ``change``."""
        return self._get(a.Receipt, wire.path("changes", change))

    def name(self, name: str) -> NameState | None:
        """Everything that is said about a name, signed or about to be; None if it is not known. ``serial`` is for
        ``seen``.
        """
        return self._found(NameState, wire.path("names", name))

    def history(self, name: str) -> tuple[a.Event, ...]:
        """The events of a name, those that are not signed yet included; none if it is not known."""
        found = self._found(a.History, wire.path("names", name, "history"))
        return found.events if found else ()

    def available(self, name: str) -> a.Available:
        """Whether a name can be registered now."""
        return self._get(a.Available, wire.path("names", name, "availability"))

    def events(self, after: str = "0-0") -> Iterator[a.Event]:
        """The signed events after a cursor, in the order in which they came into force, up to now.

        Keep the last event's ``cursor`` and ask again from it: nothing is missed and nothing comes twice.
        """
        while (feed := self._get(a.Feed, "/v1/events", after=after, limit=_PIECE)).events:
            yield from feed.events
            after = feed.next

    def takedowns(self, status: str = "any") -> Iterator[a.Takedown]:
        """The takedown list."""
        after: dict[str, str] = {}
        while (piece := self._get(a.Takedowns, "/v1/takedowns", status=status, limit=_PIECE, **after)).takedowns:
            yield from piece.takedowns
            after = {"after": piece.next}

    def osv(self) -> bytes:
        """The takedown list as OSV records: a zip archive."""
        return self._line.ask(Call("GET", "/v1/takedowns/osv")).body

    def flags(self) -> tuple[a.FlagRow, ...]:
        """Every flag that halts kinds of change, and whether it is set."""
        return self._get(a.Flags, "/v1/flags").flags

    def policy(self) -> a.PolicyNow:
        """Which policy judges, and which ones come."""
        return self._get(a.PolicyNow, "/v1/policy")

    def policy_version(self, name: str, version: int) -> bytes:
        """A version of a policy, as it is signed."""
        return self._line.ask(Call("GET", wire.path("policy", name, str(version)))).body

    def status(self) -> a.Status:
        """Counts and newest versions."""
        return self._get(a.Status, "/v1/status")

    def _changed(
        self, kind: type[T], path: str, body: Any, key: str | None, wait: int, headers: dict[str, str] | None = None
    ) -> T:
        key = self._new_key() if key is None else key
        if not _KEY.fullmatch(key):
            raise ValueError(f"an Idempotency-Key is 1 to 200 visible characters of ASCII, not {key!r:.80}")
        said = {"Content-Type": "application/json", **(headers or {})}
        return self._read(kind, Call("POST", path, said, wire.encoded(body), key, wait))

    def _get(self, kind: type[T], path: str, **query: str | int) -> T:
        return self._read(kind, Call("GET", f"{path}?{urlencode(query)}" if query else path))

    def _found(self, kind: type[T], path: str) -> T | None:
        try:
            return self._get(kind, path)
        except Refused as error:
            if error.problem.code == "name_unknown":
                return None
            raise

    def _read(self, kind: type[T], call: Call) -> T:
        answer = self._line.ask(call)
        try:
            return a.read(kind, answer.body)
        except strict.Malformed as error:
            where = f"{call.method} {self._line.url}{call.path}"
            taken = "" if call.method == "GET" else "; what was asked is probably done"
            raise Misdirected(f"{where}: the answer is not as the service's are, {error}{taken}", call.key) from None


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    digest = sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
