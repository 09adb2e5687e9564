"""A request becomes remembered events, in one transaction: the only way in.

Refused or accepted, the caller knows what was written. Deadlines come in here too, as requests by the clock.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from keys import layout
from keys.encoding import compact, sha256
from keys.invariants import broken_invariants
from keys.times import stamp
from repo_service import roots
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Around, Refusal
from repo_service.domain.deadlines import deadlines, due
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve
from repo_service.domain.foresight import Foresight, foresee, preview_digest, request_digest, serial_of
from repo_service.domain.policy import Policy
from repo_service.domain.requests import verb_of
from repo_service.failpoint import failpoint
from repo_service.storage.journal import Collided, Journal, Pen
from repo_service.storage.refusals import Attempt
from repo_service.storage.view import ChangeRecord, KeyReused, View

REFUSALS_KEPT: Final = timedelta(days=90)
"""For how long an attempt that was refused is remembered."""


class TurnedAway(Exception):
    """A request that changed nothing. ``number`` says of several requests which one, counted from 0."""

    number: int | None = None


class Refused(TurnedAway):
    """A request that may not be signed, with all the reasons. Nothing was written but the attempt, under ``id``."""

    def __init__(self, request: r.Request, refusal: Refusal, policy: Policy, serial: int) -> None:
        super().__init__("; ".join(why.sentence for why in refusal.reasons))
        self.request = request
        self.refusal = refusal
        self.policy = policy
        self.serial = serial
        """The name's; 0 if it is not known."""
        self.id = secrets.token_hex(16)


class SerialMoved(TurnedAway):
    """The name has changed since the caller looked at it. Nothing was written."""

    def __init__(self, name: c.Name, expected: int) -> None:
        self.serial = serial_of(name)
        super().__init__(f"{name.name} is at serial {self.serial}, not at {expected}")


class SerialMissing(TurnedAway):
    """Who acts for the registry says what they looked at (RFC 6585, section 3). Nothing was written."""


class PreviewStale(TurnedAway):
    """The request would do something else than what was previewed. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request: the client, and the key under which it may be sent again (RFC draft Idempotency-Key).
    ``expected`` is the serial that the caller saw (0: no such name), and ``previewed`` the digest of the preview, if it
    insists on them.
    """

    client: str
    key: str
    expected: int | None = None
    previewed: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One of several requests, with the serial that its sender saw of the name before any of them."""

    request: r.Request
    expected: int | None = None


@dataclass
class _Serials:
    """Names that earlier items of one batch changed: their serial before the first of these, and after the last."""

    _moved: dict[str, tuple[int, int]] = field(default_factory=dict)

    def check(self, name: c.Name, actor: r.Actor, expected: int | None) -> None:
        """SerialMoved or SerialMissing, unless the name is as its sender saw it, or as this batch left it."""
        serial = serial_of(name)
        before, left = self._moved.get(name.name, (serial, serial))
        if expected is None:
            if actor.kind in _ALWAYS_LOOK or (actor.kind in _LOOK_AT_NAMES and serial):
                raise SerialMissing(f"an act by {actor.kind} on {name.name} says the serial that they looked at")
        elif (before, left) != (expected, serial):
            raise SerialMoved(name, expected)

    def moved(self, name: str, serial: int, events: int) -> None:
        """Note what was done to a name, now or when it was sent before."""
        before, _ = self._moved.get(name, (serial - events, serial))
        self._moved[name] = before, serial

    def copy(self) -> "_Serials":
        return _Serials(dict(self._moved))


_ALWAYS_LOOK: Final = frozenset({"moderator", "admin"})
_LOOK_AT_NAMES: Final = frozenset({"support"})
"""Classes that act for the registry, several people on one name: each says what they saw, always or if it exists."""


def record(journal: Journal, request: r.Request, sender: Sender, now: datetime) -> ChangeRecord:
    """Decide and remember, by the policy in force at ``now``. Returns what was answered before, if this sender's key
    was seen with this request.

    Raises Refused, SerialMoved, SerialMissing, PreviewStale or KeyReused; then nothing was written but the refusal.
    """
    return record_all(journal, [Item(request, sender.expected)], sender, now)[0]


def record_all(journal: Journal, items: Sequence[Item], sender: Sender, now: datetime) -> list[ChangeRecord]:
    """As ``record``, for several requests in one transaction: each decided after those before it, all or none of them.

    Each after the first has a key of its own, made of the sender's, and all of them stand for the whole list: with one
    request more or another, the key is reused. A refusal says which request it is about.
    """
    try:
        return _committed(journal, items, sender, now, _Serials())
    except Refused as refused:
        _remember_attempt(journal, refused, sender, now)
        raise


def record_each(
    journal: Journal, items: Sequence[Item], sender: Sender, now: datetime
) -> Iterator[ChangeRecord | TurnedAway | KeyReused | Collided]:
    """As ``record``, for several requests one after the other, whatever becomes of the others: records and errors.

    Each has a key of its own, made of the sender's, and stands for itself: sent again, what was done is answered and
    what was not is tried again.
    """
    serials = _Serials()
    for number, item in enumerate(items):
        try:
            (done,) = _committed(journal, [item], _numbered(sender, number), now, serials)
        except (TurnedAway, KeyReused, Collided) as error:
            if isinstance(error, Refused):
                _remember_attempt(journal, error, sender, now)
            yield error
        else:
            serials.moved(done.name, done.serial or 0, done.events)
            yield done


def preview(journal: Journal, item: Item, now: datetime) -> Foresight:
    """What ``record`` would do now. SerialMoved where its sender saw another serial. Nothing is ever written."""
    with journal.reading() as view:
        return _foreseen(view, view.name(item.request.name), item, _Serials(), now)[0]


def preview_all(journal: Journal, items: Sequence[Item], now: datetime) -> list[Foresight | SerialMoved]:
    """What a batch would do now: each request decided after those before it that would be done. Nothing is kept."""
    serials = _Serials()
    found: list[Foresight | SerialMoved] = []
    with journal.trying() as pen:
        for item in items:
            name = pen.locked_name(item.request.name)
            try:
                foresight, decision = _foreseen(pen, name, item, serials, now)
            except SerialMoved as moved:
                found.append(moved)
                continue
            if isinstance(decision, Accepted):
                after = _remember(pen, name, item.request, decision, "", pen.policy(now), now)
                serials.moved(name.name, serial_of(after), len(decision.changes))
            found.append(foresight)
    return found


def sweep(journal: Journal, now: datetime) -> int:
    """Turn deadlines that have passed into events; how many there were. Asking again changes nothing."""
    with journal.reading() as view:
        states = view.states(view.due(now))
        policy = view.policy(now)
        old = view.has_refusals(now - REFUSALS_KEPT)
    requests = [request for state in states.values() for request in due(state, policy, now)]
    for request in requests:
        record(journal, request, Sender("clock", f"{request_digest(request)} {stamp(now)}"), now)
    if old:
        with journal.writing() as pen:
            pen.forget_refusals(now - REFUSALS_KEPT)
    return len(requests)


def _committed(
    journal: Journal, items: Sequence[Item], sender: Sender, now: datetime, serials: _Serials
) -> list[ChangeRecord]:
    try:
        return _in_one_transaction(journal, items, sender, now, serials.copy())
    except Collided:  # what the other transaction answered, or made of the name, is there now
        return _in_one_transaction(journal, items, sender, now, serials.copy())


def _in_one_transaction(
    journal: Journal, items: Sequence[Item], sender: Sender, now: datetime, serials: _Serials
) -> list[ChangeRecord]:
    digest = _digest_of_all([item.request for item in items])
    answers = []
    with journal.writing() as pen:
        for number, item in enumerate(items):
            try:
                answers.append(_recorded(pen, item, _numbered(sender, number), digest, serials, now))
            except TurnedAway as error:
                error.number = number if len(items) > 1 else None
                raise
            serials.moved(answers[-1].name, answers[-1].serial or 0, answers[-1].events)
        failpoint("intake.before_commit")
    failpoint("intake.committed")
    return answers


def _numbered(sender: Sender, number: int) -> Sender:
    return replace(sender, key=f"{sender.key}#{number}") if number else sender


def _decide(view: View, name: c.Name, request: r.Request, policy: Policy, now: datetime) -> Accepted | Refusal:
    return decide(name, request, policy, now, _around(view, request))


def _foreseen(
    view: View, name: c.Name, item: Item, serials: _Serials, now: datetime
) -> tuple[Foresight, Accepted | Refusal]:
    if item.expected is not None:
        serials.check(name, item.request.actor, item.expected)
    decision = _decide(view, name, item.request, view.policy(now), now)
    return foresee(name, item.request, decision, view.policies(), now), decision


def _around(view: View, request: r.Request) -> Around:
    return Around(held=request.name in roots.held_names(view.newest(layout.TARGETS)))


def _digest_of_all(requests: Sequence[r.Request]) -> str:
    digests = [request_digest(request) for request in requests]
    return digests[0] if len(digests) == 1 else sha256(compact(digests))


def _recorded(pen: Pen, item: Item, sender: Sender, digest: str, serials: _Serials, now: datetime) -> ChangeRecord:
    if known := pen.answered(sender.client, sender.key, digest):
        return known
    request = item.request
    name, policy = pen.locked_name(request.name), pen.policy(now)
    serials.check(name, request.actor, item.expected)
    decision = _decide(pen, name, request, policy, now)
    if isinstance(decision, Refusal):
        raise Refused(request, decision, policy, serial_of(name))
    if sender.previewed not in (None, preview_digest(name, request, policy, decision)):
        raise PreviewStale(f"{verb_of(request)} would do something else to {name.name} now; preview it again")
    identifier = secrets.token_hex(16)
    after = _remember(pen, name, request, decision, identifier, policy, now)
    serial = after.state.serial if after.state else None
    answer = ChangeRecord(
        identifier, sender.client, sender.key, digest, request.name, serial, len(decision.changes), decision.warnings
    )
    pen.answer(answer)
    return answer


def _remember(
    pen: Pen, name: c.Name, request: r.Request, decision: Accepted, identifier: str, policy: Policy, now: datetime
) -> c.Name:
    reason = getattr(request, "reason", None)
    for change in decision.changes:
        event = pen.append(name, change, now, request.actor, reason, policy.id, decision.holder, identifier)
        name = evolve(name, event)
    if decision.changes:
        assert name.state is not None, "a change leaves a state"
        # The signer asks again; found there only, one name would keep all others from being signed.
        broken = broken_invariants(name.state, now)
        assert not broken, f"{type(request).__name__} was decided and breaks {'; '.join(broken)}"
        next_deadline = min((at for at, _ in deadlines(name.state, policy)), default=None)
        pen.keep(name, next_deadline)
    return name


def _remember_attempt(journal: Journal, refused: Refused, sender: Sender, now: datetime) -> None:
    """In a transaction of its own: that of the request was rolled back."""
    request = refused.request
    version = getattr(request, "version", None)
    attempt = Attempt(
        refused.id, stamp(now), sender.client, verb_of(request), request.name, version[:80] if version else None,
        request.actor.kind, refused.refusal.reasons, refused.policy.id,
    )  # fmt: skip
    with journal.writing() as pen:
        pen.refuse(attempt)
