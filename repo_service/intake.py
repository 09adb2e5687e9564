"""A request becomes remembered events, in one transaction: the only way in.

Refused or accepted, the caller knows what was written. Deadlines come in here too, as requests by the clock.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from keys import strict
from keys.encoding import compact, sha256
from keys.invariants import broken_invariants
from keys.state import ActorClass, Reason
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Escalated, Refusal
from repo_service.domain.clock import check_clock
from repo_service.domain.deadlines import deadlines
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve
from repo_service.domain.namespaces import followed
from repo_service.domain.notices import first_due
from repo_service.domain.policy import Policy
from repo_service.domain.reconcile import Foreseen, foresee
from repo_service.failpoint import failpoint
from repo_service.storage.journal import Journal, Pen
from repo_service.storage.view import ChangeRecord, View
from repo_service.surroundings import around

NUMBERED: Final[frozenset[ActorClass]] = frozenset({"owner", "support", "system"})
"""Who acts through the registry, which may number what it sends. Moderators, admins and time have no numbers."""

"""Names that one transaction of a sweep changes, so that nobody waits long for it."""


class Refused(Exception):
    """A request that may not be signed, with all the reasons. Nothing was written."""

    def __init__(self, refusal: Refusal, policy: Policy) -> None:
        super().__init__("; ".join(why.sentence for why in refusal.reasons))
        self.refusal = refusal
        self.policy = policy
        self.number: int | None = None
        """Of several requests the one it is about, counted from 0."""


class NumberMissing(Exception):
    """The registry numbers its changes of this project, and this one has no number. Nothing was written."""


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


def foreseen(view: View, name: c.Name, asked: Sequence[r.Request], now: datetime) -> list[Foreseen]:
    """What several requests about one name would do, one after the other, and every refusal among them."""
    policy = view.policy(now)
    return foresee(name, asked, policy, now, lambda request: around(view, name, request, policy, now))


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


def apply(pen: Pen, request: r.Request, policy: Policy, now: datetime) -> int:
    """Decide and write, within a transaction of the caller's, for the clock, which needs no answer; how many events."""
    name = locked(pen, request.name)
    decision = _decided(pen, name, request, policy, now)
    if decision.changes:
        writing = _Writing(pen, request, secrets.token_hex(16), policy, now)
        _keep(pen, writing.remember(name, decision.changes, decision.holder, decision.org), policy, now)
    return len(decision.changes)


def request_digest(request: r.Request) -> str:
    """What an idempotency key stands for: the verb and everything it was asked with."""
    body: dict[str, Any] = strict.dump(request)
    return sha256(compact([type(request).__name__, body]))


def _decided(view: View, name: c.Name, request: r.Request, policy: Policy, now: datetime) -> Accepted:
    decision = decide(name, request, policy, now, around(view, name, request, policy, now))
    if isinstance(decision, Refusal):
        raise Refused(decision, policy)
    return decision


def _check_numberless(view: View, request: r.Request) -> None:
    if request.actor.kind in NUMBERED and (last := view.sequence(request.name)) is not None:
        raise NumberMissing(f"{request.name} is numbered and was last at {last}; say source_seq")


def _check_serial(name: c.Name, expected: int | None) -> None:
    serial = name.state.serial if name.state else 0
    if expected is not None and expected != serial:
        raise SerialMoved(f"{name.name} is at serial {serial}, not at {expected}")


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
    _check_numberless(pen, request)
    return record_within(pen, request, sender, digest, secrets.token_hex(16), now)


def record_within(
    pen: Pen, request: r.Request, sender: Sender, digest: str, identifier: str, now: datetime
) -> ChangeRecord:
    """As ``record``, within a transaction of the caller's, who has looked whether it was answered before."""
    lock = _alone if isinstance(request, r.OfNamespace) else locked
    name, policy = lock(pen, request.name), pen.policy(now)
    _check_serial(name, sender.expected)
    decision = _decided(pen, name, request, policy, now)
    write = _Writing(pen, request, identifier, policy, now)
    after = write.remember(name, decision.changes, decision.holder, decision.org)
    made = len(decision.changes)
    if decision.changes:
        _keep(pen, after, policy, now)
    if decision.changes and isinstance(request, r.OfNamespace):
        made += write.follow(after)
    return _answer(pen, request, after, decision, made, sender, digest, identifier, now)


def record_foreseen(
    pen: Pen, name: c.Name, found: Sequence[Foreseen], sender: Sender, digest: str, now: datetime
) -> list[ChangeRecord]:
    """As ``record_within``, for requests about one name that were foreseen in this very transaction, all of them
    accepted. The state is written once, after the last: written after each, a thousand releases would take minutes.
    """
    policy, answers = pen.policy(now), []
    for number, each in enumerate(found):
        its = each.outcome
        assert isinstance(its, Accepted), "a refusal is no event"
        own, identifier = replace(sender, key=f"{sender.key}#{number}"), secrets.token_hex(16)
        name = _Writing(pen, each.request, identifier, policy, now).remember(name, its.changes, its.holder, its.org)
        answers.append(_answer(pen, each.request, name, its, len(its.changes), own, digest, identifier, now))
    if any(answer.events for answer in answers):
        _keep(pen, name, policy, now)
    return answers


def _answer(
    pen: Pen, request: r.Request, after: c.Name, decision: Accepted, made: int, sender: Sender, digest: str,
    identifier: str, now: datetime,
) -> ChangeRecord:  # fmt: skip
    serial = after.state.serial if after.state else None
    answer = ChangeRecord(identifier, sender.client, sender.key, digest, request.name, serial, made, decision.warnings)
    pen.answer(answer)
    _tell_admins(pen, request, decision, identifier, now)
    return answer


def _tell_admins(pen: Pen, request: r.Request, decision: Accepted, identifier: str, now: datetime) -> None:
    """What only an admin can settle waits for an admin's own verdict."""
    escalated = [each for each in decision.warnings if isinstance(each, Escalated)]
    for each in escalated:
        pen.escalate(identifier, request.name, now, each.detail)
    if isinstance(request, r.Judge | r.RemoveProject) and request.actor.kind == "admin" and not escalated:
        pen.settle(request.name)


def locked(pen: Pen, name: str) -> c.Name:
    """The name, held until the transaction ends, and while it is nobody's with everything that bears on a new name."""
    found = pen.locked_name(name)
    return _alone(pen, name) if machines.name_state(found.state) in machines.NOBODYS else found


def _alone(pen: Pen, name: str) -> c.Name:
    pen.lock_family(name)
    pen.lock_skeleton(name)
    return pen.locked_name(name)  # whoever held the lock may have taken it


def _keep(pen: Pen, name: c.Name, policy: Policy, now: datetime) -> None:
    assert name.state is not None, "a change leaves a state"
    # The signer asks again; found there only, one name would keep all others from being signed.
    broken = broken_invariants(name.state, now)
    assert not broken, f"what was decided about {name.name} breaks {'; '.join(broken)}"
    next_deadline = min((at for at, _ in deadlines(name.state, policy)), default=None)
    pen.keep(name, next_deadline, first_due(name.state, policy, now))


@dataclass(frozen=True, slots=True)
class _Writing:
    """One accepted request on its way into the journal: what all of its events have in common."""

    pen: Pen
    request: r.Request
    change: str
    policy: Policy
    now: datetime

    def remember(self, name: c.Name, changes: tuple[c.Change, ...], holder: str | None, org: str | None) -> c.Name:
        """Write a name's events; the name that follows from them is still to be kept."""
        reason = getattr(self.request, "reason", None)
        for change in changes:
            event = self.pen.append(
                name, change, self.now, self.request.actor, reason, self.policy.id, holder, self.change, org
            )
            name = evolve(name, event)
        return name

    def follow(self, prefix: c.Name) -> int:
        """Bring every name in a namespace into line with its grant, which has just changed; how many events it took."""
        grants = (*self.pen.grants_over(prefix.name), *self.pen.grants_below(prefix.name))
        made = 0
        for name in self.pen.locked_under(prefix.name):
            if changes := followed(name, name.org, grants):
                _keep(self.pen, self.remember(name, changes, None, None), self.policy, self.now)
                made += len(changes)
        return made
