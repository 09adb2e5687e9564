"""A project's full state, as the registry sees it, is taken: all that leads there in one transaction, or nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from keys import strict
from keys.encoding import compact, sha256
from repo_service import intake
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal
from repo_service.domain.policy import Policy
from repo_service.domain.reconcile import Foreseen, Wanted, reconcile
from repo_service.failpoint import failpoint
from repo_service.intake import Sender
from repo_service.storage.journal import Journal
from repo_service.storage.view import Done, RegistryState, View


class SerialOvertaken(Exception):
    """A newer full state of this project was taken before. Nothing was written."""


class SerialReused(Exception):
    """The registry's serial came back with another state. Nothing was written."""


class NotReconciled(Exception):
    """Something on the way to this state is refused. Nothing was written."""

    def __init__(self, foreseen: Sequence[Foreseen], policy: Policy) -> None:
        refusals = (each.outcome for each in foreseen if isinstance(each.outcome, Refusal))
        super().__init__("; ".join(why.sentence for refusal in refusals for why in refusal.reasons))
        self.foreseen = foreseen
        self.policy = policy


def look(journal: Journal, wanted: Wanted, now: datetime) -> tuple[list[Foreseen], int]:
    """What ``take`` would do now, and the name's serial as it is; refusals are among it. Nothing is ever written."""
    with journal.reading() as view:
        name = view.name(wanted.name)
        asked = [] if _known(view, wanted) else reconcile(name.state, wanted, view.policy(now).version_rule)
        found = intake.foreseen(view, name, asked, now)
        return found, name.state.serial if name.state else 0


def take(journal: Journal, wanted: Wanted, now: datetime) -> RegistryState:
    """Do everything that leads to ``wanted``; what was done before, if this very state was taken.

    Raises NotReconciled, with every reason, SerialOvertaken or SerialReused; then nothing was written.
    """
    with journal.writing() as pen:
        name = intake.locked(pen, wanted.name)
        if known := _known(pen, wanted):
            return known
        found = intake.foreseen(pen, name, reconcile(name.state, wanted, pen.policy(now).version_rule), now)
        check(found, pen.policy(now))
        # No client's own keys begin so: this state's serial stands for each request once.
        sender = Sender(f"state:{wanted.name}", str(wanted.registry_serial))
        answers = intake.record_foreseen(pen, name, found, sender, _digest(wanted), now)
        done = tuple(_done(each.request, answer.id) for each, answer in zip(found, answers, strict=True))
        taken = RegistryState(wanted.name, wanted.registry_serial, _digest(wanted), done)
        pen.keep_registry_state(taken)
        failpoint("intake.before_commit")
    failpoint("intake.committed")
    return taken


def check(foreseen: Sequence[Foreseen], policy: Policy) -> None:
    """Raises NotReconciled if one of the requests is refused."""
    if any(isinstance(each.outcome, Refusal) for each in foreseen):
        raise NotReconciled(foreseen, policy)


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
