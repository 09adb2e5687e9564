"""A request becomes remembered events, in one transaction: the only way in.

Refused or accepted, the caller knows what was written. Deadlines come in here too, as requests by the clock.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keys import strict
from keys.encoding import compact, sha256
from keys.state import ActorClass, Reason
from repo_service.accepting import attempts
from repo_service.accepting.serials import Serials
from repo_service.accepting.surroundings import around
from repo_service.accepting.turned_away import NumberMissing, PreviewStale, Refused, SerialMoved, TurnedAway
from repo_service.accepting.writing import Writing, keep, locked_for
from repo_service.domain import changes as c
from repo_service.domain import foresight, reconcile
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Escalated, Refusal
from repo_service.domain.decide import decide
from repo_service.domain.foresight import Foresight, preview_digest, request_digest, serial_of
from repo_service.domain.policy import Policy
from repo_service.domain.reconcile import Foreseen
from repo_service.failpoint import failpoint
from repo_service.storage.journal import Collided, Journal, once_more
from repo_service.storage.pen import Pen
from repo_service.storage.requestreading import ChangeRecord, KeyReused
from repo_service.storage.view import View

NUMBERED: Final[frozenset[ActorClass]] = frozenset({"owner", "support", "system"})
"""Who acts through the registry, which may number what it sends. Moderators, admins and time have no numbers."""


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


def record(journal: Journal, request: r.Request, sender: Sender, now: datetime) -> ChangeRecord:
    """Decide and remember, by the policy in force at ``now``. Returns what was answered before, if this sender's key
    was seen with this request.

    Raises Refused, SerialMoved, SerialMissing, NumberMissing, PreviewStale, KeyReused or ClockWentBack; then nothing
    was written but the refusal.
    """
    return record_all(journal, [Item(request, sender.expected)], sender, now)[0]


def record_all(journal: Journal, items: Sequence[Item], sender: Sender, now: datetime) -> list[ChangeRecord]:
    """As ``record``, for several requests in one transaction: each decided after those before it, all or none of them.

    Each after the first has a key of its own, made of the sender's, and all of them stand for the whole list: with one
    request more or another, the key is reused. A refusal says which request it is about.
    """
    try:
        return _committed(journal, items, sender, now, Serials())
    except Refused as refused:
        attempts.remember(journal, attempts.attempt(refused, sender.client, now))
        raise


def record_each(
    journal: Journal, items: Sequence[Item], sender: Sender, now: datetime
) -> Iterator[ChangeRecord | TurnedAway | KeyReused | Collided]:
    """As ``record``, for several requests one after the other, whatever becomes of the others: records and errors.

    Each has a key of its own, made of the sender's, and stands for itself: sent again, what was done is answered and
    what was not is tried again.
    """
    serials = Serials()
    for number, item in enumerate(items):
        try:
            yield _committed(journal, [item], _numbered(sender, number), now, serials)[0]
        except (TurnedAway, KeyReused, Collided) as error:
            if isinstance(error, Refused):
                attempts.remember(journal, attempts.attempt(error, sender.client, now))
            yield error


def preview(journal: Journal, item: Item, now: datetime) -> Foresight:
    """What ``record`` would do now. SerialMoved where its sender saw another serial. Nothing is ever written."""
    with journal.reading() as view:
        return _previewed(view, view.name(item.request.name), item, Serials(), now)[0]


def preview_all(journal: Journal, items: Sequence[Item], now: datetime) -> list[Foresight | SerialMoved]:
    """What a batch would do now: each request decided after those before it that would be done. Nothing is kept."""
    serials = Serials()
    found: list[Foresight | SerialMoved] = []
    with journal.trying() as pen:
        for item in items:
            name = locked_for(pen, item.request)
            try:
                foreseen, decision = _previewed(pen, name, item, serials, now)
            except SerialMoved as moved:
                found.append(moved)
                continue
            if isinstance(decision, Accepted):
                after, _ = Writing(pen, item.request, "", pen.policy(now), now).write(name, decision)
                serials.moved(name.name, serial_of(name), serial_of(after))
            found.append(foreseen)
    return found


def foreseen(view: View, name: c.Name, asked: Sequence[r.Request], now: datetime) -> list[Foreseen]:
    """What several requests about one name would do, one after the other, and every refusal among them."""
    policy = view.policy(now)
    return reconcile.foresee(name, asked, policy, now, lambda request: around(view, name, request, policy, now))


def revoke_all(
    journal: Journal, holder: str, reason: Reason, actor: r.Actor, sender: Sender, now: datetime
) -> list[ChangeRecord]:
    """End every reservation of an account, in one transaction. What it has published is not touched.

    Raises what ``record`` raises, but for serials: all that it holds is meant, whatever it is by now.
    """
    digest = sha256(compact(["revoke all", holder, strict.dump(reason), strict.dump(actor)]))

    def revoked() -> list[ChangeRecord]:
        with journal.writing() as pen:
            if known := pen.answered_all(sender.client, sender.key, digest):
                return known
            requests = [r.Revoke(name, reason, actor) for name in pen.reserved_for(holder)]
            return [
                record_within(pen, request, _numbered(sender, number), digest, secrets.token_hex(16), now)
                for number, request in enumerate(requests)
            ]

    return attempts.noted(journal, revoked, sender.client, now)


def apply(pen: Pen, request: r.Request, policy: Policy, now: datetime) -> int:
    """Decide and write, within a transaction of the caller's, for the clock, which needs no answer; how many events."""
    name = locked_for(pen, request)
    decision = _accepted(pen, name, request, policy, now)
    return Writing(pen, request, secrets.token_hex(16), policy, now).write(name, decision)[1]


def record_within(
    pen: Pen, request: r.Request, sender: Sender, digest: str, identifier: str, now: datetime
) -> ChangeRecord:
    """As ``record``, within a transaction of the caller's, who has looked whether it was answered before and whether it
    is its turn.
    """
    return _written(pen, locked_for(pen, request), request, sender, digest, identifier, now)


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
        name = Writing(pen, each.request, identifier, policy, now).remember(name, its.changes, its.holder, its.org)
        answers.append(_answer(pen, each.request, name, its, len(its.changes), own, digest, identifier, now))
    if any(answer.events for answer in answers):
        keep(pen, name, policy, now)
    return answers


def _committed(
    journal: Journal, items: Sequence[Item], sender: Sender, now: datetime, serials: Serials
) -> list[ChangeRecord]:
    def attempted() -> list[ChangeRecord]:
        seen = serials.copy()
        answers = _in_one_transaction(journal, items, sender, now, seen)
        serials.become(seen)
        return answers

    return once_more(attempted)


def _in_one_transaction(
    journal: Journal, items: Sequence[Item], sender: Sender, now: datetime, serials: Serials
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
        failpoint("intake.before_commit")
    failpoint("intake.committed")
    return answers


def _recorded(pen: Pen, item: Item, sender: Sender, digest: str, serials: Serials, now: datetime) -> ChangeRecord:
    request = item.request
    if known := pen.answered(sender.client, sender.key, digest):
        after = known.serial or 0
        serials.moved(request.name, after - known.events, after)
        return known
    _check_numberless(pen, request)
    name = locked_for(pen, request)
    serials.check(name, request.actor, item.expected)
    answer = _written(pen, name, request, sender, digest, secrets.token_hex(16), now)
    serials.moved(request.name, serial_of(name), answer.serial or 0)
    return answer


def _written(
    pen: Pen, name: c.Name, request: r.Request, sender: Sender, digest: str, identifier: str, now: datetime
) -> ChangeRecord:
    policy = pen.policy(now)
    decision = _accepted(pen, name, request, policy, now)
    if sender.previewed not in (None, preview_digest(name, request, policy, decision)):
        raise PreviewStale(f"{r.verb_of(request)} would do something else to {name.name} now; preview it again")
    after, made = Writing(pen, request, identifier, policy, now).write(name, decision)
    return _answer(pen, request, after, decision, made, sender, digest, identifier, now)


def _numbered(sender: Sender, number: int) -> Sender:
    return replace(sender, key=f"{sender.key}#{number}") if number else sender


def _decided(view: View, name: c.Name, request: r.Request, policy: Policy, now: datetime) -> Accepted | Refusal:
    return decide(name, request, policy, now, around(view, name, request, policy, now))


def _accepted(view: View, name: c.Name, request: r.Request, policy: Policy, now: datetime) -> Accepted:
    decision = _decided(view, name, request, policy, now)
    if isinstance(decision, Refusal):
        raise Refused(request, decision, policy, serial_of(name))
    return decision


def _previewed(
    view: View, name: c.Name, item: Item, serials: Serials, now: datetime
) -> tuple[Foresight, Accepted | Refusal]:
    if item.expected is not None:
        serials.check(name, item.request.actor, item.expected)
    decision = _decided(view, name, item.request, view.policy(now), now)
    return foresight.foresee(name, item.request, decision, view.policies(), now), decision


def _check_numberless(view: View, request: r.Request) -> None:
    if request.actor.kind in NUMBERED and (last := view.sequence(request.name)) is not None:
        raise NumberMissing(f"{request.name} is numbered and was last at {last}; say source_seq")


def _digest_of_all(requests: Sequence[r.Request]) -> str:
    digests = [request_digest(request) for request in requests]
    return digests[0] if len(digests) == 1 else sha256(compact(digests))


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
