"""A request becomes remembered events, in one transaction: the only way in.

Refused or accepted, the caller knows what was written. Deadlines come in here too, as requests by the clock.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from keys import layout, strict
from keys.encoding import compact, sha256
from keys.invariants import broken_invariants
from keys.skeletons import skeleton
from keys.times import stamp
from repo_service import roots
from repo_service.domain import changes as c
from repo_service.domain import limits, machines
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Around, Escalated, Lately, Refusal
from repo_service.domain.deadlines import deadlines, due
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve
from repo_service.domain.namespaces import followed
from repo_service.domain.naming import takes_a_name
from repo_service.domain.policy import Policy
from repo_service.failpoint import failpoint
from repo_service.storage.journal import Journal, Pen
from repo_service.storage.view import ChangeRecord, View


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

    Raises Refused, SerialMoved or KeyReused; then nothing was written.
    """
    return record_all(journal, [request], sender, now)[0]


def record_all(journal: Journal, requests: Sequence[r.Request], sender: Sender, now: datetime) -> list[ChangeRecord]:
    """As ``record``, for several requests in one transaction: each decided after those before it, all or none of them.

    Each after the first has a key of its own, made of the sender's, and all of them stand for the whole list: with one
    request more or another, the key is reused. A refusal says which request it is about.
    """
    digest = _digest_of_all(requests)
    answers = []
    with journal.writing() as pen:
        for number, request in enumerate(requests):
            key = f"{sender.key}#{number}" if number else sender.key
            try:
                answers.append(_recorded(pen, request, replace(sender, key=key), digest, now))
            except Refused as refused:
                refused.number = number if len(requests) > 1 else None
                raise
        failpoint("intake.before_commit")
    failpoint("intake.committed")
    return answers


def preview(journal: Journal, request: r.Request, now: datetime) -> tuple[Accepted, int]:
    """What ``record`` would do now, and the name's serial as it is. Raises Refused; nothing is ever written."""
    with journal.reading() as view:
        name = view.name(request.name)
        return _decided(view, name, request, view.policy(now), now), name.state.serial if name.state else 0


def sweep(journal: Journal, now: datetime) -> int:
    """Turn deadlines that have passed into events; how many there were. Asking again changes nothing."""
    with journal.reading() as view:
        states = view.states(view.due(now))
        policy = view.policy(now)
    requests = [request for state in states.values() for request in due(state, policy, now)]
    for request in requests:
        record(journal, request, Sender("clock", f"{request_digest(request)} {stamp(now)}"), now)
    return len(requests)


def request_digest(request: r.Request) -> str:
    """What an idempotency key stands for: the verb and everything it was asked with."""
    body: dict[str, Any] = strict.dump(request)
    return sha256(compact([type(request).__name__, body]))


def _decided(view: View, name: c.Name, request: r.Request, policy: Policy, now: datetime) -> Accepted:
    decision = decide(name, request, policy, now, _around(view, name, request, policy))
    if isinstance(decision, Refusal):
        raise Refused(decision, policy)
    return decision


def _check_serial(name: c.Name, expected: int | None) -> None:
    serial = name.state.serial if name.state else 0
    if expected is not None and expected != serial:
        raise SerialMoved(f"{name.name} is at serial {serial}, not at {expected}")


def _around(view: View, name: c.Name, request: r.Request, policy: Policy) -> Around:
    held = roots.held_names(view.newest(layout.TARGETS))
    return Around(
        held=request.name in held,
        grants=view.grants_over(request.name),
        below=view.grants_below(request.name) if isinstance(request, r.OfNamespace) else (),
        alike=alike(view, request.name, held) if takes_a_name(name, request) else (),
        lately=_lately(view, name, request, policy),
        taken_down=view.taken_down(_digests(view, request)),
    )


def alike(view: View, name: str, held: frozenset[str]) -> tuple[str, ...]:
    """Other names that a name looks like: known ones, and those that only the offline keys speak for."""
    offline = {each for each in held - {name} if skeleton(each) == skeleton(name)}
    return tuple(sorted(offline.union(view.alike(name))))


def _lately(view: View, name: c.Name, request: r.Request, policy: Policy) -> Lately:
    account = request.actor.id
    if account is None:
        return Lately()
    new = policy.names.new_burst if takes_a_name(name, request) else 0
    reserved = policy.reservations.per_day if isinstance(request, r.Reserve) else 0
    yanked = policy.yank.burst if isinstance(request, r.Yank) and policy.yank.interval_s else 0
    return Lately(
        view.latest(account, limits.NEW_NAMES, new) if new else (),
        view.latest(account, limits.RESERVATIONS, reserved) if reserved else (),
        view.latest(account, limits.YANKS, yanked) if yanked else (),
        view.holds(account) if isinstance(request, r.Reserve) else 0,
    )


def _digests(view: View, request: r.Request) -> set[str]:
    """The bytes that a request would let people install."""
    if isinstance(request, r.Publish):
        return {file.sha256 for file in request.files}
    if isinstance(request, r.Restore | r.RestoreFile | r.RestoreProject):
        state = view.name(request.name).state
        return {file.sha256 for release in state.releases for file in release.files} if state else set()
    return set()


def _digest_of_all(requests: Sequence[r.Request]) -> str:
    digests = [request_digest(request) for request in requests]
    return digests[0] if len(digests) == 1 else sha256(compact(digests))


def _recorded(pen: Pen, request: r.Request, sender: Sender, digest: str, now: datetime) -> ChangeRecord:
    if known := pen.answered(sender.client, sender.key, digest):
        return known
    name, policy = _locked(pen, request), pen.policy(now)
    _check_serial(name, sender.expected)
    decision = _decided(pen, name, request, policy, now)
    identifier = secrets.token_hex(16)
    write = _Writing(pen, request, identifier, policy, now)
    after = write.remember(name, decision.changes, decision.holder, decision.org)
    made = len(decision.changes)
    if decision.changes and isinstance(request, r.OfNamespace):
        made += write.follow(after)
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


def _locked(pen: Pen, request: r.Request) -> c.Name:
    """The name, held until the transaction ends, and while it is nobody's with everything that bears on a new name."""
    name = pen.locked_name(request.name)
    if machines.name_state(name.state) not in machines.NOBODYS and not isinstance(request, r.OfNamespace):
        return name
    pen.lock_family(request.name)
    pen.lock_skeleton(request.name)
    return pen.locked_name(request.name)  # whoever held the lock may have taken it


@dataclass(frozen=True, slots=True)
class _Writing:
    """One accepted request on its way into the journal: what all of its events have in common."""

    pen: Pen
    request: r.Request
    change: str
    policy: Policy
    now: datetime

    def remember(self, name: c.Name, changes: tuple[c.Change, ...], holder: str | None, org: str | None) -> c.Name:
        """Write a name's events and the state that follows from them."""
        reason = getattr(self.request, "reason", None)
        for change in changes:
            event = self.pen.append(
                name, change, self.now, self.request.actor, reason, self.policy.id, holder, self.change, org
            )
            name = evolve(name, event)
        if changes:
            assert name.state is not None, "a change leaves a state"
            # The signer asks again; found there only, one name would keep all others from being signed.
            broken = broken_invariants(name.state, self.now)
            assert not broken, f"{type(self.request).__name__} was decided and breaks {'; '.join(broken)}"
            next_deadline = min((at for at, _ in deadlines(name.state, self.policy)), default=None)
            self.pen.keep(name, next_deadline)
        return name

    def follow(self, prefix: c.Name) -> int:
        """Bring every name in a namespace into line with its grant, which has just changed; how many events it took."""
        grants = (*self.pen.grants_over(prefix.name), *self.pen.grants_below(prefix.name))
        made = 0
        for name in self.pen.locked_under(prefix.name):
            changes = followed(name, name.org, grants)
            self.remember(name, changes, None, None)
            made += len(changes)
        return made
