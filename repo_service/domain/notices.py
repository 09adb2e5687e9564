"""What the registry should tell whom, before time does something to a name. The service itself sends no mail.

A notice has an id that is the same whenever it is asked for, so that nobody is told twice; it is there from the day on
which it is due until its deadline has passed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from keys.state import Membership, NameState, Release
from keys.times import moment, stamp
from repo_service.domain.deadlines import restorable_for
from repo_service.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class Notice:
    """For the verified contact of a holder, of a project's owners, or for the registry's admins. From ``deadline`` on
    it is too late; without one it is there until it is settled.
    """

    id: str
    name: str
    audience: Literal["holder", "owners", "admins"]
    due_at: str
    deadline: str | None
    sentence: str


def notices(state: NameState, policy: Policy, now: datetime) -> list[Notice]:
    """The notices about one name that are due at ``now`` and not yet too late, the first due first."""
    everything = [*_reservation(state, policy), *(each for r in state.releases for each in _release(state, r, policy))]
    current = [each for each in everything if each.deadline and moment(each.due_at) <= now < moment(each.deadline)]
    return sorted(current, key=lambda each: (each.due_at, each.id))


def horizon(policy: Policy) -> timedelta:
    """How long before its deadline the earliest notice can be due."""
    # A grant may overtake a reservation on its first day, and it lasts longest if it was renewed at once.
    longest = sum(policy.reservations.days) + policy.reservations.grace_days
    first = max(policy.reservations.reminder_days, default=0) + policy.reservations.grace_days
    return max(
        timedelta(days=max(longest, first)), timedelta(seconds=policy.restore.window_s + policy.yank.brake_delay_s)
    )


def _reservation(state: NameState, policy: Policy) -> Iterator[Notice]:
    if (held := state.reservation) is None:
        return
    expires = moment(held.expires_at)
    until = held.grace_until[:10]
    sentence = f"the reservation of {state.name} ends on {held.expires_at[:10]}; renew it or publish until {until}"
    if (overtaken := _overtaken(state)) is not None:
        sentence = (
            f"{state.name} is in the namespace {overtaken.prefix}, which was granted to somebody else; its reservation "
            f"cannot be renewed: publish until {until}, or the name is theirs to take"
        )
        told_at = next(act.mark.at for act in state.history if act.serial == overtaken.since)
        identifier = f"{state.name}/{state.generation}/namespace/{overtaken.prefix}/{overtaken.since}"
        yield Notice(identifier, state.name, "holder", told_at, held.grace_until, sentence)
    for days in policy.reservations.reminder_days:
        identifier = f"{state.name}/{state.generation}/reservation/{held.renewals}/{days}"
        yield Notice(
            identifier, state.name, "holder", stamp(expires - timedelta(days=days)), held.grace_until, sentence
        )


def _overtaken(state: NameState) -> Membership | None:
    nearest = state.namespaces[-1] if state.namespaces else None
    return nearest if nearest is not None and not nearest.owned else None


def _release(state: NameState, release: Release, policy: Policy) -> Iterator[Notice]:
    what = f"{state.name} {release.version}"
    if release.held_yank is not None and release.state == "published":
        held = release.held_yank
        sentence = f"{what} will be yanked at {held.effective_at}; whoever did not mean that can cancel it until then"
        identifier = f"{state.name}/{release.version}/held-yank/{held.mark.at}"
        yield Notice(identifier, state.name, "owners", held.mark.at, held.effective_at, sentence)
    if release.state == "unpublished" and release.removed is not None:
        until = stamp(moment(release.removed.at) + restorable_for(policy, release.removed))
        sentence = f"{what} was unpublished by {release.removed.by}; it can be restored until {until}"
        identifier = f"{state.name}/{release.version}/unpublished/{release.removed.at}"
        yield Notice(identifier, state.name, "owners", release.removed.at, until, sentence)
