"""What the registry should tell whom, before time does something to a name. The service itself sends no mail.

A notice has an id that is the same whenever it is asked for, so that nobody is told twice; it is there from the day on
which it is due until the registry says that it was sent, or could not be, or until it is of no use any more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from keys.state import NameState, Release, Reservation
from keys.times import moment, stamp
from repo_service.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class Notice:
    """For the verified contact of a holder or of a project's owners. From ``deadline`` on it is too late."""

    id: str
    name: str
    audience: Literal["holder", "owners"]
    due_at: str
    deadline: str
    sentence: str


def notices(state: NameState, policy: Policy, now: datetime) -> list[Notice]:
    """The notices about one name that are due at ``now``, the first due first."""
    current = [each for each in _notices(state, policy, now) if moment(each.due_at) <= now]
    return sorted(current, key=lambda each: (each.due_at, each.id))


def first_due(state: NameState, policy: Policy, now: datetime) -> datetime | None:
    """From when on somebody is to be told something about this name, as it stands."""
    return min((moment(each.due_at) for each in _notices(state, policy, now)), default=None)


def last_reminder(reservation: Reservation, policy: Policy) -> datetime | None:
    """When the holder is reminded for the last time; None: never, as of an upload session."""
    days = min(policy.reservations.reminder_days, default=None)
    if days is None or reservation.kind == "session":
        return None
    return moment(reservation.expires_at) - timedelta(days=days)


def reminder_id(state: NameState, reservation: Reservation, days: int) -> str:
    """The same for one reminder whenever it is asked for."""
    return f"{state.name}/{state.generation}/reservation/{reservation.renewals}/{days}"


def _notices(state: NameState, policy: Policy, now: datetime) -> list[Notice]:
    """All that is still of use: reminders for as long as the reservation is there, others until their deadline."""
    releases = [each for release in state.releases for each in _release(state, release, policy)]
    return [*_reservation(state, policy, now), *(each for each in releases if now < moment(each.deadline))]


def _reservation(state: NameState, policy: Policy, now: datetime) -> Iterator[Notice]:
    if (held := state.reservation) is None or held.kind == "session":
        return
    expires = moment(held.expires_at)
    until = f"until {held.grace_until[:10]}" if now < moment(held.grace_until) else "now"
    sentence = f"the reservation of {state.name} ends on {held.expires_at[:10]}; renew it or publish {until}"
    for days in policy.reservations.reminder_days:
        due_at = stamp(expires - timedelta(days=days))
        yield Notice(reminder_id(state, held, days), state.name, "holder", due_at, held.grace_until, sentence)


def _release(state: NameState, release: Release, policy: Policy) -> Iterator[Notice]:
    what = f"{state.name} {release.version}"
    if release.held_yank is not None and release.state == "published":
        held = release.held_yank
        sentence = f"{what} will be yanked at {held.effective_at}; whoever did not mean that can cancel it until then"
        identifier = f"{state.name}/{release.version}/held-yank/{held.mark.at}"
        yield Notice(identifier, state.name, "owners", held.mark.at, held.effective_at, sentence)
    if release.state == "unpublished" and release.removed is not None:
        until = stamp(moment(release.removed.at) + timedelta(seconds=policy.restore.window_s))
        sentence = f"{what} was unpublished by {release.removed.by}; it can be restored until {until}"
        identifier = f"{state.name}/{release.version}/unpublished/{release.removed.at}"
        yield Notice(identifier, state.name, "owners", release.removed.at, until, sentence)
