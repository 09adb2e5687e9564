"""Requests that carry the registry's own number (``source_seq``), one project after the other: decided in the order in
which the registry made them, whatever order they come in.

The ledger holds each number once. Whatever comes is kept first and then everything whose turn it is gets decided, in
the same transaction; so a number makes its events once, whoever dies when.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, get_args

from keys import strict
from keys.encoding import compact, sha256
from keys.times import stamp
from repo_service.accepting import attempts, intake
from repo_service.accepting.intake import Sender
from repo_service.accepting.turned_away import Refused
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal, Why
from repo_service.domain.flags import Flag
from repo_service.domain.foresight import request_digest, serial_of
from repo_service.domain.remedies import alternatives
from repo_service.failpoint import failpoint
from repo_service.storage.deliveries import Delivery
from repo_service.storage.journal import Journal
from repo_service.storage.pen import Pen
from repo_service.storage.requestreading import ChangeRecord

FURTHEST: Final = 1000
"""How far ahead of the number that is waited for a request is still kept."""
_KINDS: Final[dict[str, type[r.Request]]] = {kind.__name__: kind for kind in get_args(r.Request)}
_HALTED: Final = frozenset(f"flag_{flag}" for flag in get_args(Flag))


class NumberReused(Exception):
    """A number came back with another request. Nothing was written."""


class NumberGivenUp(Exception):
    """The number was skipped, or the sequence began after it. Nothing was written."""


class NumberTooFar(Exception):
    """The number is so far ahead that something else must be wrong. Nothing was written."""


class RefusedInTurn(Exception):
    """A numbered request that may not be signed, with all the reasons. Its number is used."""

    def __init__(self, delivery: Delivery) -> None:
        said = json.loads(delivery.refused or "{}")
        reasons = tuple(Why(each["code"], each["detail"], each["params"]) for each in said.pop("reasons"))
        super().__init__("; ".join(why.sentence for why in reasons))
        self.refusal = Refusal(reasons)
        self.said: dict[str, Any] = {**said, "refusal": delivery.id}
        """What was answered beside the reasons, on the day on which it was refused."""
        self.delivery = delivery


@dataclass(frozen=True, slots=True)
class Numbered:
    """A request and its number within its project."""

    request: r.Request
    source_seq: int

    def __post_init__(self) -> None:
        if self.source_seq < 1:
            raise strict.Malformed("source_seq", f"counts from 1, for each project; it is {self.source_seq}")
        if self.request.actor.kind not in intake.NUMBERED:
            kind = self.request.actor.kind
            raise strict.Malformed("source_seq", f"is for the registry's own changes; leave it out as {kind}")

    @property
    def digest(self) -> str:
        """What its idempotency key and its number stand for."""
        return sha256(compact([request_digest(self.request), self.source_seq]))


def record(journal: Journal, asked: Numbered, sender: Sender, now: datetime) -> ChangeRecord | Delivery:
    """Keep a numbered request, and decide it and all that waited for it if it is next. A Delivery waits.

    Raises RefusedInTurn: it was next (or was before) and is refused, its number used. Raises Refused for a flag,
    NumberReused, NumberGivenUp, NumberTooFar or KeyReused: then nothing was written.
    """

    def delivered() -> ChangeRecord | Delivery:
        with journal.writing() as pen:
            found = _delivered(pen, asked, sender, now)
            failpoint("intake.before_commit")
        failpoint("intake.committed")
        return found

    found = attempts.noted(journal, delivered, sender.client, now)
    if isinstance(found, Delivery) and found.state == "refused":
        raise RefusedInTurn(found)
    return found


def record_all(
    journal: Journal, asked: Sequence[Numbered], sender: Sender, now: datetime
) -> list[ChangeRecord | Delivery]:
    """As ``record``, for several in one transaction, all or none: a refusal uses no number. Waiting is no refusal."""

    def delivered() -> list[ChangeRecord | Delivery]:
        with journal.writing() as pen:
            for number, numbered in enumerate(asked):
                _delivered(pen, numbered, replace(sender, key=f"{sender.key}#{number}"), now)
            found = [_outcome(pen, each) for each in asked]
            for number, each in enumerate(found):
                if isinstance(each, Delivery) and each.state == "refused":
                    raise _refused(pen, asked[number].request, each, number, now)
            failpoint("intake.before_commit")
        failpoint("intake.committed")
        return found

    return attempts.noted(journal, delivered, sender.client, now)


def skip(journal: Journal, name: str, through: int, now: datetime) -> int:
    """Give up every number up to ``through`` that has not come, and decide what waited for it. The last number that is
    used or given up afterwards; asking again changes nothing.
    """
    with journal.writing() as pen:
        last = pen.locked_sequence(name) or 0
        while last < through:
            held = pen.next_held(name)
            last = min(held.source_seq - 1 if held else through, through)
            pen.keep_sequence(name, last)
            if last < through and _take_turns(pen, name, now):
                break
            last = pen.sequence(name) or 0
        _take_turns(pen, name, now)
        return pen.sequence(name) or 0


def sweep(journal: Journal, now: datetime) -> int:
    """Decide what waited for a flag and not for a number; how many projects that was."""
    with journal.reading() as view:
        names = [gap.name for gap in view.gaps() if view.delivery(gap.name, gap.waits_for)]
    for name in names:
        with journal.writing() as pen:
            _take_turns(pen, name, now)
    return len(names)


def _refused(pen: Pen, request: r.Request, delivery: Delivery, number: int, now: datetime) -> Refused:
    refused = Refused(request, RefusedInTurn(delivery).refusal, pen.policy(now), serial_of(pen.name(request.name)))
    refused.number = number
    return refused


def _delivered(pen: Pen, asked: Numbered, sender: Sender, now: datetime) -> ChangeRecord | Delivery:
    name = asked.request.name
    last = pen.locked_sequence(name)
    if last is None:
        pen.keep_sequence(name, last := 0)
    known = _known(pen, asked, sender, last)
    if not known:
        pen.add_delivery(_delivery(asked, sender, now))
    stopped = _take_turns(pen, name, now)
    if stopped and not known and pen.sequence(name) == asked.source_seq - 1:
        raise stopped
    return _outcome(pen, asked)


def _known(pen: Pen, asked: Numbered, sender: Sender, last: int) -> bool:
    """Whether this very request has come before. Raises what is wrong with its key or its number."""
    pen.answered(sender.client, sender.key, asked.digest)
    before = pen.delivery(asked.request.name, asked.source_seq)
    if before is not None and before.digest != asked.digest:
        raise NumberReused(f"{asked.request.name} {asked.source_seq} was used for another request")
    if before is None and asked.source_seq <= last:
        raise NumberGivenUp(f"{asked.request.name} {asked.source_seq} was given up; the sequence is at {last}")
    if asked.source_seq > last + FURTHEST:
        raise NumberTooFar(
            f"{asked.request.name} waits for {last + 1}; {asked.source_seq} is more than {FURTHEST} ahead. Send "
            "what is missing, or say by skip from which number on"
        )
    return before is not None


def _delivery(asked: Numbered, sender: Sender, now: datetime) -> Delivery:
    body = compact(strict.dump(asked.request)).decode()
    return Delivery(
        secrets.token_hex(16), asked.request.name, asked.source_seq, sender.client, sender.key, asked.digest,
        type(asked.request).__name__, body, stamp(now),
    )  # fmt: skip


def _take_turns(pen: Pen, name: str, now: datetime) -> Refused | None:
    """Decide everything that is next. Returns the refusal by a flag at which the sequence stands still: what a flag
    halts waits, and is not lost.
    """
    last = pen.sequence(name) or 0
    while (delivery := pen.delivery(name, last + 1)) is not None:
        request = strict.load(_KINDS[delivery.verb], json.loads(delivery.body))
        sender = Sender(delivery.client, delivery.key)
        try:
            intake.record_within(pen, request, sender, delivery.digest, delivery.id, now)
            pen.take_turn(replace(delivery, state="recorded"))
        except Refused as refused:
            if any(why.code in _HALTED for why in refused.refusal.reasons):
                return refused
            refused.id = delivery.id  # sent again, it is the same attempt
            pen.take_turn(replace(delivery, state="refused", refused=_text(refused)))
            pen.refuse(attempts.attempt(refused, delivery.client, now))
        pen.keep_sequence(name, last := last + 1)
    return None


def _outcome(pen: Pen, asked: Numbered) -> ChangeRecord | Delivery:
    delivery = pen.delivery(asked.request.name, asked.source_seq)
    assert delivery is not None, "a delivery that was kept"
    return pen.change(delivery.id) or delivery


def _text(refused: Refused) -> str:
    reasons = refused.refusal.reasons
    said = {
        "reasons": [{"code": why.code, "detail": why.sentence, "params": why.params} for why in reasons],
        "alternatives": list(alternatives(reasons, refused.policy)),
        "policy": refused.policy.id,
        "serial": refused.serial,
    }
    return compact(said).decode()
