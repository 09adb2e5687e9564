"""When a name's state must be looked at again without anybody asking: every deadline is a request by the clock.

A date alone changes nothing. The sweeper asks once it is due, ``decide`` looks again, and only the event that follows
changes the signed state; so asking early, late or twice is harmless.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from keys.state import Mark, NameState
from keys.times import moment
from repo_service.domain import requests as r
from repo_service.domain.flags import Pause, extended
from repo_service.domain.policy import Policy

EXPOSED: Final = "secret_exposure"
"""The code of a reason that lets what was removed be purged at once (``policy.restore.secret_purge_after_s``)."""
Deadline = tuple[datetime, r.Request]


def deadlines(state: NameState, policy: Policy, pauses: Sequence[Pause] = ()) -> list[Deadline]:
    """Everything that time will do to this name, the next first. Each waits out the ``pauses`` since it began."""
    found = ((extended(pauses, moment(since), at), request) for since, at, request in _deadlines(state, policy))
    return sorted(found, key=lambda each: each[0])


def due(state: NameState, policy: Policy, now: datetime, pauses: Sequence[Pause] = ()) -> list[r.Request]:
    """What the clock has to ask at ``now``."""
    return [request for at, request in deadlines(state, policy, pauses) if at <= now]


def restorable_for(policy: Policy, removed: Mark) -> timedelta:
    """For how long what was removed at this mark can be restored; what exposed a secret is purged sooner."""
    exposed = removed.reason is not None and removed.reason.code == EXPOSED
    return timedelta(seconds=policy.restore.secret_purge_after_s if exposed else policy.restore.window_s)


def _deadlines(state: NameState, policy: Policy) -> Iterator[tuple[str, datetime, r.Request]]:
    if state.reservation is not None:
        yield state.since.at, moment(state.reservation.grace_until), r.Expire(state.name)
    for release in state.releases:
        if release.state == "unpublished" and release.removed is not None:
            at = moment(release.removed.at) + restorable_for(policy, release.removed)
            yield release.removed.at, at, r.PurgeRelease(state.name, release.version)
        if release.state == "published" and release.held_yank is not None:
            held = release.held_yank
            yield held.mark.at, moment(held.effective_at), r.YankDue(state.name, release.version)
        for removal in release.removals:
            if removal.state == "removed" and release.state == "published":
                at = moment(removal.mark.at) + restorable_for(policy, removal.mark)
                yield removal.mark.at, at, r.PurgeFile(state.name, release.version, removal.filename)
