"""A request becomes remembered events, in one transaction: the only way in.

Refused or accepted, the caller knows what was written. Deadlines come in here too, as requests by the clock.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from keys import layout, strict
from keys.encoding import compact, sha256
from keys.invariants import broken_invariants
from keys.state import NameState, Reason
from keys.times import moment
from repo_service import roots
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Around, Refusal
from repo_service.domain.clock import check_clock
from repo_service.domain.deadlines import deadlines, due
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve
from repo_service.domain.notices import first_due, last_reminder, reminder_id
from repo_service.domain.policy import Policy
from repo_service.failpoint import failpoint
from repo_service.storage.journal import Journal, Pen
from repo_service.storage.view import ChangeRecord, View

SWEPT: Final = 100
"""Names that one transaction of a sweep changes, so that nobody waits long for it."""


class Refused(Exception):
    """A request that may not be signed, with all the reasons. Nothing was written."""

    def __init__(self, refusal: Refusal, policy: Policy) -> None:
        super().__init__("; ".join(why.sentence for why in refusal.reasons))
        self.refusal = refusal
        self.policy = policy
        self.number: int | None = None
        """Of several requests the one it is about, counted from 0."""


class SerialMoved(Exception):
    """The name has changed since the caller looked at it. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request: the client, and the key under which it may be sent again (RFC draft Idempotency-Key).
    ``expected`` is the serial that the caller saw (0: no such name), if it insists on it.
    """

    client: str
    key: str
    expected: int | None = None


def record(journal: Journal, request: r.Request, sender: Sender, now: datetime) -> ChangeRecord:
    """Decide and remember, by the policy in force at ``now``. Returns what was answered before, if this sender's key
    was seen with this request.

    Raises Refused, SerialMoved, KeyReused or ClockWentBack; then nothing was written.
    """
    return record_all(journal, [request], sender, now)[0]


def record_all(journal: Journal, requests: Sequence[r.Request], sender: Sender, now: datetime) -> list[ChangeRecord]:
    """As ``record``, for several requests in one transaction: each decided after those before it, all or none of them.

    Each after the first has a key of its own, made of the sender's, and all of them stand for the whole list: with one
    request more or another, the key is reused. A refusal says which request it is about.
    """
    with journal.writing() as pen:
        answers = _recorded_all(pen, requests, sender, _digest_of_all(requests), now)
        failpoint("intake.before_commit")
    failpoint("intake.committed")
    return answers


def preview(journal: Journal, request: r.Request, now: datetime) -> tuple[Accepted, int]:
    """What ``record`` would do now, and the name's serial as it is. Raises Refused; nothing is ever written."""
    with journal.reading() as view:
        name = view.name(request.name)
        return _decided(view, name, request, view.policy(now), now), name.state.serial if name.state else 0


def revoke_all(
    journal: Journal, holder: str, reason: Reason, actor: r.Actor, sender: Sender, now: datetime
) -> list[ChangeRecord]:
    """End every reservation of an account, in one transaction. What it has published is not touched.

    Raises what ``record`` raises; then nothing was written.
    """
    digest = sha256(compact(["revoke all", holder, strict.dump(reason), strict.dump(actor)]))
    with journal.writing() as pen:
        if known := pen.answered_all(sender.client, sender.key, digest):
            return known
        requests = [r.Revoke(name, reason, actor) for name in pen.reserved_for(holder)]
        return _recorded_all(pen, requests, sender, digest, now)


def sweep(journal: Journal, now: datetime) -> int:
    """Turn deadlines that have passed into events; how many there were. Asking again changes nothing."""
    with journal.reading() as view:
        names = sorted(view.due(now))  # every sweeper locks in the same order, so no two wait for each other
    return sum(_swept(journal, names[start : start + SWEPT], now) for start in range(0, len(names), SWEPT))


def _swept(journal: Journal, names: Sequence[str], now: datetime) -> int:
    """What time does to these names, in one transaction; a crash leaves all of it for the next sweep."""
    made = 0
    with journal.writing() as pen:
        check_clock(pen.last_done_at(), now)
        policy = pen.policy(now)
        for name in names:
            state = pen.locked_name(name).state
            assert state is not None, "a deadline is of a state"
            events = sum(_passed(pen, request, policy, now) for request in due(state, policy, now))
            if not events:  # a later policy gave it more time, or somebody must be told first
                pen.schedule(name, _next_deadline(state, policy))
            made += events
    return made


def _passed(pen: Pen, request: r.Request, policy: Policy, now: datetime) -> int:
    name = pen.locked_name(request.name)
    decision = _decided(pen, name, request, policy, now)
    _remember(pen, name, request, decision.changes, decision.holder, secrets.token_hex(16), policy, now)
    return len(decision.changes)


def request_digest(request: r.Request) -> str:
    """What an idempotency key stands for: the verb and everything it was asked with."""
    body: dict[str, Any] = strict.dump(request)
    return sha256(compact([type(request).__name__, body]))


def _decided(view: View, name: c.Name, request: r.Request, policy: Policy, now: datetime) -> Accepted:
    decision = decide(name, request, policy, now, _around(view, request, name, policy))
    if isinstance(decision, Refusal):
        raise Refused(decision, policy)
    return decision


def _check_serial(name: c.Name, expected: int | None) -> None:
    serial = name.state.serial if name.state else 0
    if expected is not None and expected != serial:
        raise SerialMoved(f"{name.name} is at serial {serial}, not at {expected}")


def _around(view: View, request: r.Request, name: c.Name, policy: Policy) -> Around:
    return Around(
        held=request.name in roots.held_names(view.newest(layout.TARGETS)),
        last_holder=view.last_holder(request.name) if isinstance(request, r.ClaimOpen) else None,
        reminded_at=_reminded_at(view, name, policy) if isinstance(request, r.Expire | r.Renew) else None,
    )


def _reminded_at(view: View, name: c.Name, policy: Policy) -> datetime | None:
    """Since when a holder is told of the end: when the last reminder was sent, or, where the registry does not say,
    since this service was there to give it out. Where nobody can be reached there is nothing to wait for.
    """
    if name.state is None or (reservation := name.state.reservation) is None:
        return None
    if (due_at := last_reminder(reservation, policy)) is None:
        return None
    identifier = reminder_id(name.state, reservation, min(policy.reservations.reminder_days))
    said = view.acknowledged([identifier]).get(identifier)
    if said is None:
        return view.signed_since(due_at)
    return moment(said.at) if said.outcome == "sent" else due_at


def _digest_of_all(requests: Sequence[r.Request]) -> str:
    digests = [request_digest(request) for request in requests]
    return digests[0] if len(digests) == 1 else sha256(compact(digests))


def _recorded_all(
    pen: Pen, requests: Sequence[r.Request], sender: Sender, digest: str, now: datetime
) -> list[ChangeRecord]:
    check_clock(pen.last_done_at(), now)
    answers = []
    for number, request in enumerate(requests):
        key = f"{sender.key}#{number}" if number else sender.key
        try:
            answers.append(_recorded(pen, request, replace(sender, key=key), digest, now))
        except Refused as refused:
            refused.number = number if len(requests) > 1 else None
            raise
    return answers


def _recorded(pen: Pen, request: r.Request, sender: Sender, digest: str, now: datetime) -> ChangeRecord:
    if known := pen.answered(sender.client, sender.key, digest):
        return known
    name, policy = pen.locked_name(request.name), pen.policy(now)
    _check_serial(name, sender.expected)
    decision = _decided(pen, name, request, policy, now)
    identifier = secrets.token_hex(16)
    after = _remember(pen, name, request, decision.changes, decision.holder, identifier, policy, now)
    serial = after.state.serial if after.state else None
    answer = ChangeRecord(
        identifier, sender.client, sender.key, digest, request.name, serial, len(decision.changes), decision.warnings
    )
    pen.answer(answer)
    return answer


def _remember(
    pen: Pen, name: c.Name, request: r.Request, changes: tuple[c.Change, ...], holder: str | None,
    identifier: str, policy: Policy, now: datetime,
) -> c.Name:  # fmt: skip
    reason = getattr(request, "reason", None)
    for change in changes:
        event = pen.append(name, change, now, request.actor, reason, policy.id, holder, identifier)
        name = evolve(name, event)
    if changes:
        assert name.state is not None, "a change leaves a state"
        # The signer asks again; found there only, one name would keep all others from being signed.
        broken = broken_invariants(name.state, now)
        assert not broken, f"{type(request).__name__} was decided and breaks {'; '.join(broken)}"
        pen.keep(name, _next_deadline(name.state, policy), first_due(name.state, policy, now))
    return name


def _next_deadline(state: NameState, policy: Policy) -> datetime | None:
    return min((at for at, _ in deadlines(state, policy)), default=None)
