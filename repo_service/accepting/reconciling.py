"""A project's full state, as the registry sees it, is taken: all that leads there in one transaction, or nothing."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keys import strict
from keys.encoding import compact, sha256
from keys.times import stamp
from repo_service.accepting import attempts, intake
from repo_service.accepting.intake import Sender
from repo_service.accepting.writing import locked
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal, Why
from repo_service.domain.foresight import serial_of
from repo_service.domain.policy import Policy
from repo_service.domain.reconcile import Foreseen, reconcile
from repo_service.domain.requests import Wanted
from repo_service.failpoint import failpoint
from repo_service.storage.journal import Journal, once_more
from repo_service.storage.refusals import Attempt
from repo_service.storage.requestreading import Done, RegistryState
from repo_service.storage.view import View

VERB: Final = "put"
"""What a refused full state is called among the attempts."""


class SerialOvertaken(Exception):
    """A newer full state of this project was taken before. Nothing was written."""


class SerialReused(Exception):
    """The registry's serial came back with another state. Nothing was written."""


class NotReconciled(Exception):
    """Something on the way to this state is refused. Nothing was written but the attempt, under ``id``."""

    def __init__(self, wanted: Wanted, looked: "Looked") -> None:
        super().__init__("; ".join(why.sentence for why in looked.reasons))
        self.wanted = wanted
        self.looked = looked
        self.id = secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Looked:
    """What leads to a full state: each request with what becomes of it, the name's serial as it is, the policy."""

    foreseen: tuple[Foreseen, ...]
    serial: int
    policy: Policy

    @property
    def reasons(self) -> tuple[Why, ...]:
        """Every reason against any of the requests."""
        refusals = (each.outcome for each in self.foreseen if isinstance(each.outcome, Refusal))
        return tuple(why for refusal in refusals for why in refusal.reasons)


def look(journal: Journal, wanted: Wanted, now: datetime) -> Looked:
    """What ``take`` would do now; refusals are among it. Nothing is ever written."""
    with journal.reading() as view:
        name = view.name(wanted.name)
        asked = [] if _known(view, wanted) else reconcile(name.state, wanted, view.policy(now).version_rule)
        return _looked(view, name, asked, now)


def take(journal: Journal, wanted: Wanted, client: str, now: datetime) -> RegistryState:
    """Do everything that leads to ``wanted``; what was done before, if this very state was taken.

    Raises NotReconciled, with every reason, SerialOvertaken or SerialReused; then nothing was written but the refusal.
    """
    try:
        return once_more(lambda: _taken(journal, wanted, now))
    except NotReconciled as refused:
        attempts.remember(journal, _attempt(refused, client, now))
        raise


def _taken(journal: Journal, wanted: Wanted, now: datetime) -> RegistryState:
    with journal.writing() as pen:
        name = locked(pen, wanted.name)
        if known := _known(pen, wanted):
            return known
        looked = _looked(pen, name, reconcile(name.state, wanted, pen.policy(now).version_rule), now)
        if looked.reasons:
            raise NotReconciled(wanted, looked)
        found = looked.foreseen
        # No client's own keys begin so: this state's serial stands for each request once.
        sender = Sender(f"state:{wanted.name}", str(wanted.registry_serial))
        answers = intake.record_foreseen(pen, name, found, sender, _digest(wanted), now)
        done = tuple(_done(each.request, answer.id) for each, answer in zip(found, answers, strict=True))
        taken = RegistryState(wanted.name, wanted.registry_serial, _digest(wanted), done)
        pen.keep_registry_state(taken)
        failpoint("intake.before_commit")
    failpoint("intake.committed")
    return taken


def _looked(view: View, name: c.Name, asked: Sequence[r.Request], now: datetime) -> Looked:
    return Looked(tuple(intake.foreseen(view, name, asked, now)), serial_of(name), view.policy(now))


def _attempt(refused: NotReconciled, client: str, now: datetime) -> Attempt:
    wanted, looked = refused.wanted, refused.looked
    return Attempt(
        refused.id, stamp(now), client, VERB, wanted.name, None, wanted.actor.kind, looked.reasons, looked.policy.id
    )


def _known(view: View, wanted: Wanted) -> RegistryState | None:
    last = view.registry_state(wanted.name)
    if last is None or wanted.registry_serial > last.registry_serial:
        return None
    if wanted.registry_serial < last.registry_serial:
        newest = last.registry_serial
        raise SerialOvertaken(f"{wanted.name} is at registry_serial {newest}, past {wanted.registry_serial}")
    if last.digest != _digest(wanted):
        raise SerialReused(f"registry_serial {last.registry_serial} of {wanted.name} stands for another state")
    return last


def _digest(wanted: Wanted) -> str:
    # Who says it and which facts were looked up for it may be told anew when the same state is sent again.
    return sha256(compact(strict.dump(replace(wanted, actor=r.Actor(), dependents=None))))


def _done(request: r.Request, change: str) -> Done:
    about = getattr(request, "version", None), getattr(request, "filename", None)
    return Done(type(request).__name__, *about, change)
