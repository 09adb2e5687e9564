"""What a decision is made of: the case, the reasons against it, and the objections that several verbs share."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from keys.state import NameState, TakedownStatus
from keys.state import Release as ReleaseState
from keys.times import moment, stamp
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.flags import Pause, Standing, extended, paused
from repo_service.domain.policy import Policy, Warned


@dataclass(frozen=True, slots=True)
class Why:
    """One reason against a request: a code for programs, a sentence for people, and the values in it."""

    code: str
    sentence: str
    params: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """All the reasons at once, the most telling first."""

    reasons: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Escalated(Warned):
    """What only an admin can settle: said to the sender, and to the admins until one of them gives a verdict."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The changes to record, in order. ``holder`` is the account that holds the name afterwards, if one comes to."""

    changes: tuple[c.Change, ...]
    holder: str | None = None
    warnings: tuple[Warned, ...] = ()
    org: str | None = None
    """The organisation that the changes are about."""


@dataclass(frozen=True, slots=True)
class Lately:
    """What the account behind a request did before: times, the latest first, no more than a limit needs; and how many
    reservations it holds.
    """

    new_names: tuple[str, ...] = ()
    reservations: tuple[str, ...] = ()
    yanks: tuple[str, ...] = ()
    holds: int = 0


@dataclass(frozen=True, slots=True)
class TakenDown:
    """Bytes that an entry of the takedown list is about."""

    sha256: str
    takedown: str
    status: TakedownStatus


@dataclass(frozen=True, slots=True)
class Around:
    """What the rest of the registry says that bears on a request, read in the transaction that decides it.

    ``held``: only the offline keys speak for the name. ``grants`` are the active namespaces that the name is under, the
    shortest prefix first; ``below`` those under the name itself, read where the request is about a namespace.
    ``alike``: other names with its skeleton that somebody has or nobody may have.
    ``taken_down``: which of the bytes that the request is about are in the registry's list of takedowns, under whatever
    name. ``flags`` stand now; ``pauses`` are when the registry was read-only, and extend what ran out meanwhile.
    ``last_holder``: the account that held the name or acted as its owner last, as far as the journal knows.
    ``reminded_at``: since when the holder of a reservation is told that it ends; None: not yet.
    """

    held: bool = False
    grants: tuple[c.Granted, ...] = ()
    below: tuple[c.Granted, ...] = ()
    alike: tuple[str, ...] = ()
    lately: Lately = Lately()
    taken_down: tuple[TakenDown, ...] = ()
    flags: tuple[Standing, ...] = ()
    pauses: tuple[Pause, ...] = ()
    last_holder: str | None = None
    reminded_at: datetime | None = None


ALONE: Final = Around()
"""A name with nothing around it that matters."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a verb's function looks at."""

    name: c.Name
    state: NameState | None
    policy: Policy
    now: datetime
    around: Around = ALONE

    def age(self, since: str) -> timedelta:
        """How long ago something was, without the times in which nobody could act on it."""
        return self.now - moment(since) - paused(self.around.pauses, moment(since), self.now)

    def extended(self, since: str, due: datetime) -> datetime:
        """When a deadline that runs since then really is."""
        return extended(self.around.pauses, moment(since), due)


Verdict = list[c.Change | Why | Warned]
"""Changes, reasons and things to say, in the order in which a verb finds them."""


def step(machine: machines.Machine, case: Case, request: r.Request, change: c.Change) -> Iterator[c.Change | Why]:
    """The change, and an objection if the name's machine has no such row for this actor."""
    yield from role(machine, machines.name_state(case.state), c.type_of(change), request.actor)
    yield change


def role(machine: machines.Machine, source: str, event: str, actor: r.Actor) -> Iterator[Why]:
    """An objection if no row of the machine is for this actor."""
    if machines.row_for(machine, source, event, actor.kind) is None:
        who = sorted({each for row in machines.rows(machine, source, event) for each in row.actors})
        sentence = f"{actor.kind} may not do this ({event}); {' or '.join(who) or 'nobody'} may"
        yield Why("role_insufficient", sentence, {"actor": actor.kind, "needs": " or ".join(who)})


def only_holder(case: Case, actor: r.Actor) -> Iterator[Why]:
    """An objection unless the actor holds the reservation."""
    if actor.id is None or actor.id != case.name.holder:
        yield wrong_name_state(case)


def not_quarantined(state: NameState | None, so: str) -> Iterator[Why]:
    """An objection while the project is in quarantine; ``so`` says what follows."""
    if state is not None and state.quarantine is not None:
        yield Why("project_quarantined", f"{state.name} is in quarantine since {state.quarantine.at}; {so}")


def release_not_quarantined(release: ReleaseState) -> Iterator[Why]:
    """An objection while the release is in quarantine: whoever published it does not take the evidence away."""
    if release.quarantine is not None:
        since = release.quarantine.at
        yield Why("release_quarantined", f"{release.version} is in quarantine since {since}; evidence is kept")


def wrong_name_state(case: Case) -> Why:
    """What the name is, where it would have to be something else."""
    name, state = case.name.name, case.state
    if state is None:
        return Why("name_unknown", f"{name} is not known to this registry")
    if state.reservation is not None:
        holder = state.reservation.holder or "someone else"
        sentence = f"{name} is reserved for {holder} until {state.reservation.expires_at}"
        params: dict[str, str | int] = {"holder": holder, "expires_at": state.reservation.expires_at}
        return Why("name_reserved", sentence, params)
    sentence = {
        "placeholder": f"{name} is a placeholder since {state.since.at}: its last release was removed, and "
        f"{_way_back(case, state)}",
        "prohibited": f"{name} is prohibited since {state.since.at}",
        "registered": f"{name} is taken: it is registered since {state.since.at}",
        "vacant": f"{name} is not registered",
    }[state.state]
    code = "name_taken" if state.state == "registered" else f"name_{state.state}"
    return Why(code, sentence, {"since": state.since.at})


def reclaimable_at(case: Case, state: NameState) -> datetime:
    """When a placeholder is open to everybody, where the policy opens it at all."""
    return moment(state.since.at) + timedelta(seconds=case.policy.placeholder.open_after_s)


def _way_back(case: Case, state: NameState) -> str:
    if case.policy.placeholder.claim == "open_after":
        return f"it can be claimed from {stamp(reclaimable_at(case, state))} on"
    return "the name can be used again only after a claim that support grants"


def published(case: Case, version: str) -> tuple[ReleaseState | None, Verdict]:
    """The published release of a version in any spelling, or the reason why there is none."""
    release = find_release(case, version)
    if release is None:
        return None, [no_release(case, version)]
    if release.state != "published":
        removed = release.removed.at if release.removed else ""
        sentence = f"{case.name.name} {release.version} was {release.state} on {removed}"
        return None, [Why("release_not_published", sentence, {"state": release.state})]
    return release, []


def find_release(case: Case, version: str) -> ReleaseState | None:
    """The release of a version in any state: as it was spelled, or in another spelling by the policy's rule."""
    if case.state is None:
        return None
    try:
        return case.state.release(version) or case.state.release_of(case.policy.version_rule.canonical(version))
    except BadArtifact:
        return None


def no_release(case: Case, version: str) -> Why:
    """The version was never published."""
    return Why("release_not_found", f"{case.name.name} has no release {version!r:.80}", {"version": version[:80]})
