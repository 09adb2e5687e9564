"""What the registry should tell whom, before time does something to a name. The service itself sends no mail.

A notice has an id that is the same whenever it is asked for, so that nobody is told twice; it is there from the day on
which it is due until the registry says that it was sent, or could not be, or until it is of no use any more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from keys.state import Membership, NameState, Release, Reservation
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
    """The notices about one name that are due at ``now``, the first due first. ``pauses`` put deadlines off."""
    current = [each for each in _notices(state, policy, now, pauses) if moment(each.due_at) <= now]
    return sorted(current, key=lambda each: (each.due_at, each.id))


def first_due(state: NameState, policy: Policy, now: datetime) -> datetime | None:
    """From when on somebody is to be told something about this name, as it stands."""
    return min((moment(each.due_at) for each in _notices(state, policy, now, ())), default=None)


def gap_notice(name: str, waits_for: int, held: int, since: str, now: datetime) -> list[Notice]:
    """To the registry, whose numbered changes have waited too long for one that has not come."""
    due_at = moment(since) + GAP_ALARM
    sentence = (
        f"{held} changes of {name} wait since {since} for the one with source_seq {waits_for}; send it, or give it up: "
        f"POST /v1/projects/{name}/skip"
    )
    notice = Notice(f"{name}/source-seq/{waits_for}", name, "registry", stamp(due_at), None, sentence)
    return [notice] if due_at <= now else []


def last_reminder(reservation: Reservation, policy: Policy) -> datetime | None:
    """When the holder is reminded for the last time; None: never, as of an upload session."""
    days = min(policy.reservations.reminder_days, default=None)
    if days is None or reservation.kind == "session":
        return None
    return moment(reservation.expires_at) - timedelta(days=days)


def reminder_id(state: NameState, reservation: Reservation, days: int) -> str:
    """The same for one reminder whenever it is asked for."""
    return f"{state.name}/{state.generation}/reservation/{reservation.renewals}/{days}"


def _notices(state: NameState, policy: Policy, now: datetime, pauses: Sequence[Pause]) -> list[Notice]:
    """All that is still of use: reminders for as long as the reservation is there, others until their deadline."""
    releases = [each for release in state.releases for each in _release(state, release, policy, pauses)]
    return [*_reservation(state, policy, now, pauses), *(each for each in releases if not _is_too_late(each, now))]


def _is_too_late(notice: Notice, now: datetime) -> bool:
    return notice.deadline is not None and now >= moment(notice.deadline)


def _reservation(state: NameState, policy: Policy, now: datetime, pauses: Sequence[Pause]) -> Iterator[Notice]:
    if (held := state.reservation) is None or held.kind == "session":
        return
    expires = moment(held.expires_at)
    ends = extended(pauses, moment(state.since.at), moment(held.grace_until))
    deadline, until = stamp(ends), f"until {stamp(ends)[:10]}" if now < ends else "now"
    sentence = f"the reservation of {state.name} ends on {held.expires_at[:10]}; renew it or publish {until}"
    if (overtaken := _overtaken(state)) is not None:
        sentence = (
            f"{state.name} is in the namespace {overtaken.prefix}, which was granted to somebody else; its reservation "
            f"cannot be renewed: publish {until}, or the name is theirs to take"
        )
        told_at = next(act.mark.at for act in state.history if act.serial == overtaken.since)
        identifier = f"{state.name}/{state.generation}/namespace/{overtaken.prefix}/{overtaken.since}"
        yield Notice(identifier, state.name, "holder", told_at, deadline, sentence)
    for days in policy.reservations.reminder_days:
        due_at = stamp(expires - timedelta(days=days))
        yield Notice(reminder_id(state, held, days), state.name, "holder", due_at, deadline, sentence)


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
