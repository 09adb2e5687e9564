"""What the registry should tell whom, before time does something to a name. The service itself sends no mail.

A notice has an id that is the same whenever it is asked for, so that nobody is told twice; it is there from the day on
which it is due until its deadline has passed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from keys.state import Membership, NameState, Release
from keys.times import moment, stamp
from repo_service.domain.deadlines import restorable_for
from repo_service.domain.flags import Pause, extended
from repo_service.domain.policy import Policy

GAP_ALARM: Final = timedelta(minutes=15)
"""For how long a number may be missing before the registry is told: longer than any delivery is repeated."""


@dataclass(frozen=True, slots=True)
class Notice:
    """For the verified contact of a holder, of a project's owners, for the registry's admins or for its own engineers.
    From ``deadline`` on it is too late; without one it stays until what it says is settled.
    """

    id: str
    name: str
    audience: Literal["holder", "owners", "admins", "registry"]
    due_at: str
    deadline: str | None
    sentence: str


def notices(state: NameState, policy: Policy, now: datetime, pauses: Sequence[Pause] = ()) -> list[Notice]:
    """The notices about one name that are due at ``now`` and not yet too late, the first due first. ``pauses`` put
    deadlines off.
    """
    releases = (each for release in state.releases for each in _release(state, release, policy, pauses))
    everything = [*_reservation(state, policy, pauses), *releases]
    current = [each for each in everything if moment(each.due_at) <= now and not _is_too_late(each, now)]
    return sorted(current, key=lambda each: (each.due_at, each.id))


def gap_notice(name: str, waits_for: int, held: int, since: str, now: datetime) -> list[Notice]:
    """To the registry, whose numbered changes have waited too long for one that has not come."""
    due_at = moment(since) + GAP_ALARM
    sentence = (
        f"{held} changes of {name} wait since {since} for the one with source_seq {waits_for}; send it, or give it up: "
        f"POST /v1/projects/{name}/skip"
    )
    notice = Notice(f"{name}/source-seq/{waits_for}", name, "registry", stamp(due_at), None, sentence)
    return [notice] if due_at <= now else []


def _is_too_late(notice: Notice, now: datetime) -> bool:
    return notice.deadline is not None and now >= moment(notice.deadline)


def horizon(policy: Policy) -> timedelta:
    """How long before its deadline the earliest notice can be due."""
    # A grant may overtake a reservation on its first day, and it lasts longest if it was renewed at once.
    longest = sum(policy.reservations.days) + policy.reservations.grace_days
    first = max(policy.reservations.reminder_days, default=0) + policy.reservations.grace_days
    return max(
        timedelta(days=max(longest, first)), timedelta(seconds=policy.restore.window_s + policy.yank.brake_delay_s)
    )


def _reservation(state: NameState, policy: Policy, pauses: Sequence[Pause]) -> Iterator[Notice]:
    if (held := state.reservation) is None:
        return
    expires = moment(held.expires_at)
    since = moment(state.since.at)
    deadline = stamp(extended(pauses, since, moment(held.grace_until)))
    until = deadline[:10]
    sentence = f"the reservation of {state.name} ends on {held.expires_at[:10]}; renew it or publish until {until}"
    if (overtaken := _overtaken(state)) is not None:
        sentence = (
            f"{state.name} is in the namespace {overtaken.prefix}, which was granted to somebody else; its reservation "
            f"cannot be renewed: publish until {until}, or the name is theirs to take"
        )
        told_at = next(act.mark.at for act in state.history if act.serial == overtaken.since)
        identifier = f"{state.name}/{state.generation}/namespace/{overtaken.prefix}/{overtaken.since}"
        yield Notice(identifier, state.name, "holder", told_at, deadline, sentence)
    for days in policy.reservations.reminder_days:
        identifier = f"{state.name}/{state.generation}/reservation/{held.renewals}/{days}"
        yield Notice(identifier, state.name, "holder", stamp(expires - timedelta(days=days)), deadline, sentence)


def _overtaken(state: NameState) -> Membership | None:
    nearest = state.namespaces[-1] if state.namespaces else None
    return nearest if nearest is not None and not nearest.owned else None


def _release(state: NameState, release: Release, policy: Policy, pauses: Sequence[Pause]) -> Iterator[Notice]:
    what = f"{state.name} {release.version}"
    if release.held_yank is not None and release.state == "published":
        held = release.held_yank
        until = stamp(extended(pauses, moment(held.mark.at), moment(held.effective_at)))
        sentence = f"{what} will be yanked at {until}; whoever did not mean that can cancel it until then"
        identifier = f"{state.name}/{release.version}/held-yank/{held.mark.at}"
        yield Notice(identifier, state.name, "owners", held.mark.at, until, sentence)
    if release.state == "unpublished" and release.removed is not None:
        since = moment(release.removed.at)
        until = stamp(extended(pauses, since, since + restorable_for(policy, release.removed)))
        sentence = f"{what} was unpublished by {release.removed.by}; it can be restored until {until}"
        identifier = f"{state.name}/{release.version}/unpublished/{release.removed.at}"
        yield Notice(identifier, state.name, "owners", release.removed.at, until, sentence)
