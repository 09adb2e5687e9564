"""An accepted request becomes events and the state that follows from them, within a transaction of the caller's."""

from dataclasses import dataclass
from datetime import datetime

from keys.invariants import broken_invariants
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted
from repo_service.domain.clock import check_name_clock
from repo_service.domain.deadlines import deadlines
from repo_service.domain.evolve import evolve
from repo_service.domain.namespaces import followed
from repo_service.domain.notices import first_due
from repo_service.domain.policy import Policy
from repo_service.storage.pen import Pen


def locked(pen: Pen, name: str) -> c.Name:
    """The name, held until the transaction ends, and while it is nobody's with everything that bears on a new name."""
    found = pen.locked_name(name)
    return _alone(pen, name) if machines.name_state(found.state) in machines.NOBODYS else found


def locked_for(pen: Pen, request: r.Request) -> c.Name:
    """The name that a request is about, held with all that the request may change."""
    return _alone(pen, request.name) if isinstance(request, r.OfNamespace) else locked(pen, request.name)


def _alone(pen: Pen, name: str) -> c.Name:
    pen.lock_family(name)
    pen.lock_skeleton(name)
    return pen.locked_name(name)  # whoever held the lock may have taken it


def keep(pen: Pen, name: c.Name, policy: Policy, now: datetime) -> None:
    """Write what a name is now. Raises ClockWentBack if it is dated later than now."""
    pen.keep(name, *dates(name, policy, now))


def dates(name: c.Name, policy: Policy, now: datetime) -> tuple[datetime | None, datetime | None]:
    """When time will change a name next, and when somebody is to be told, of a name that is about to be kept: what must
    hold of it is looked at here. Raises ClockWentBack if it is dated later than now.
    """
    assert name.state is not None, "a change leaves a state"
    check_name_clock(name.state, now)
    # The signer asks again; found there only, one name would keep all others from being signed.
    broken = broken_invariants(name.state, now)
    assert not broken, f"what was decided about {name.name} breaks {'; '.join(broken)}"
    next_deadline = min((at for at, _ in deadlines(name.state, policy)), default=None)
    return next_deadline, first_due(name.state, policy, now)


@dataclass(frozen=True, slots=True)
class Writing:
    """One accepted request on its way into the journal: what all of its events have in common."""

    pen: Pen
    request: r.Request
    change: str
    policy: Policy
    now: datetime

    def write(self, name: c.Name, decision: Accepted) -> tuple[c.Name, int]:
        """Write and keep all that follows, for the names in a namespace too. The name afterwards, and how many events
        there were.
        """
        after, made = self.remember(name, decision.changes, decision.holder, decision.org), len(decision.changes)
        if made:
            keep(self.pen, after, self.policy, self.now)
            made += self._follow(after) if isinstance(self.request, r.OfNamespace) else 0
        return after, made

    def remember(self, name: c.Name, changes: tuple[c.Change, ...], holder: str | None, org: str | None) -> c.Name:
        """Write a name's events; the name that follows from them is still to be kept."""
        reason = getattr(self.request, "reason", None)
        for change in changes:
            event = self.pen.append(
                name, change, self.now, self.request.actor, reason, self.policy.id, holder, self.change, org
            )
            name = evolve(name, event)
        return name

    def _follow(self, prefix: c.Name) -> int:
        """Bring every name in a namespace into line with its grant, which has just changed; how many events it took."""
        grants = (*self.pen.grants_over(prefix.name), *self.pen.grants_below(prefix.name))
        made = 0
        for name in self.pen.locked_under(prefix.name):
            if changes := followed(name, name.org, grants):
                keep(self.pen, self.remember(name, changes, None, None), self.policy, self.now)
                made += len(changes)
        return made
