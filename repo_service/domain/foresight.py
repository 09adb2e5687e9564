"""What a request would do, without doing it: the decision, what follows from it, and a digest to insist on it with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from keys import strict
from keys.encoding import compact, sha256
from keys.state import NameState
from keys.state import Release as ReleaseState
from keys.times import moment, stamp
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.announcing import Published, in_force
from repo_service.domain.case import Accepted, Case, Refusal, Why, find_release
from repo_service.domain.deadlines import deadlines
from repo_service.domain.evolve import evolved
from repo_service.domain.notices import Notice, notices
from repo_service.domain.policy import Policy, Warned
from repo_service.domain.remedies import REMEDIES, alternatives

VALID: Final = timedelta(minutes=15)
"""How long a preview is worth acting on where nothing is known to change before."""
Outcome = Literal["allow", "deny", "needs_support"]


@dataclass(frozen=True, slots=True)
class StateAfter:
    """Where everything would stand, in one word each: the words of pages and verdicts."""

    name: str
    project: str | None
    release: str | None


@dataclass(frozen=True, slots=True)
class Would:
    """What would follow. ``reversible_until`` is given where taking it back is possible for a limited time only."""

    events: tuple[str, ...]
    state_after: StateAfter
    placeholder: bool
    reversible_until: str | None
    notices: int


@dataclass(frozen=True, slots=True)
class Foresight:
    """A preview. ``serial`` is the name's as it is (0: unknown); ``would`` is None where it is denied.

    ``digest`` stands for the request, the serial, the policy and the decision, and not for the time: the commit can
    insist on it.
    """

    name: str
    serial: int
    policy: str
    outcome: Outcome
    reasons: tuple[Why, ...]
    would: Would | None
    warnings: tuple[Warned, ...]
    alternatives: tuple[str, ...]
    digest: str
    valid_until: str


def foresee(
    name: c.Name, request: r.Request, decision: Accepted | Refusal, published: Iterable[Published], now: datetime
) -> Foresight:
    """A decision as a preview. ``published`` are all policies, the one in force and those to come."""
    policies = tuple(published)
    policy = in_force(policies, now)
    refused = decision.reasons if isinstance(decision, Refusal) else ()
    return Foresight(
        name.name, serial_of(name), policy.id, _outcome(decision), refused,
        _would(name, request, decision, policy, now) if isinstance(decision, Accepted) else None,
        decision.warnings if isinstance(decision, Accepted) else (), alternatives(refused, policy),
        preview_digest(name, request, policy, decision), stamp(_valid_until(name.state, policies, now)),
    )  # fmt: skip


def request_digest(request: r.Request) -> str:
    """What an idempotency key stands for: the verb and everything it was asked with."""
    return sha256(compact([type(request).__name__, strict.dump(request)]))


def preview_digest(name: c.Name, request: r.Request, policy: Policy, decision: Accepted | Refusal) -> str:
    """What was previewed. Times in the decision are left out: they pass between looking and doing."""
    if isinstance(decision, Refusal):
        said = [why.code for why in decision.reasons]
    else:
        said = [c.type_of(change) for change in decision.changes] + [warned.code for warned in decision.warnings]
    return sha256(compact([request_digest(request), serial_of(name), policy.id, _outcome(decision), said]))


def serial_of(name: c.Name) -> int:
    """The name's serial; 0 for one that is not known."""
    return name.state.serial if name.state else 0


def _outcome(decision: Accepted | Refusal) -> Outcome:
    if isinstance(decision, Accepted):
        return "allow"
    return "needs_support" if all(REMEDIES[why.code].ask == "support" for why in decision.reasons) else "deny"


def _would(name: c.Name, request: r.Request, decision: Accepted, policy: Policy, now: datetime) -> Would:
    reached = evolved(name, request, decision, policy, now)
    after = reached.state
    return Would(
        tuple(c.type_of(change) for change in decision.changes),
        _standing(Case(reached, after, policy, now), getattr(request, "version", None)),
        after is not None and after.state == "placeholder",
        _reversible_until(name.state, after, policy),
        len({each.id for each in _told(after, policy, now)} - {each.id for each in _told(name.state, policy, now)}),
    )


def _standing(case: Case, version: str | None) -> StateAfter:
    state, release = case.state, find_release(case, version) if version else None
    if state is None or state.state != "registered":
        return StateAfter(machines.name_state(state), None, release.state if release else None)
    found = (("quarantined", state.quarantine), ("locked", state.locked))
    project = next((word for word, mark in found if mark), machines.status_state(state))
    return StateAfter("registered", project, _word(release) if release else None)


def _word(release: ReleaseState) -> str:
    if release.state != "published":
        return release.state
    found = (
        ("quarantined", release.quarantine),
        ("yanked", release.yank),
        ("yank_held", release.held_yank),
        ("deprecated", release.deprecated),
    )
    return next((word for word, mark in found if mark), "published")


def _reversible_until(before: NameState | None, after: NameState | None, policy: Policy) -> str | None:
    """When the first of what the request takes away could no longer be restored."""
    purges = (r.PurgeRelease, r.PurgeFile)
    known = [request for _, request in deadlines(before, policy)] if before else []
    found = deadlines(after, policy) if after else []
    return next((stamp(at) for at, each in found if isinstance(each, purges) and each not in known), None)


def _told(state: NameState | None, policy: Policy, now: datetime) -> list[Notice]:
    return notices(state, policy, now) if state else []


def _valid_until(state: NameState | None, policies: Iterable[Published], now: datetime) -> datetime:
    policy = in_force(tuple(policies), now)
    times = [moment(each.effective_from) for each in policies]
    times += [at for at, _ in deadlines(state, policy)] if state else []
    return min((at for at in times if now < at < now + VALID), default=now + VALID)
