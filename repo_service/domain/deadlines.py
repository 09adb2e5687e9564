"""When a name's state must be looked at again without anybody asking: every deadline is a request by the clock.

A date alone changes nothing. The sweeper asks once it is due, ``decide`` looks again, and only the event that follows
changes the signed state; so asking early, late or twice is harmless.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from keys.state import Mark, NameState, Release
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
    return timedelta(seconds=policy.restore.secret_purge_after_s if _exposed(removed) else policy.restore.window_s)


def purged_at(policy: Policy, removed: Mark) -> datetime:
    """When what was removed at a mark is purged for ever."""
    restore = policy.restore
    after = restore.secret_purge_after_s if _exposed(removed) else restore.purge_after_s
    return moment(removed.at) + timedelta(seconds=after)


def is_open(release: Release) -> bool:
    """Whether new files may still come to a release, as far as events say."""
    return release.state == "published" and release.closed is None


def closes_at(release: Release, policy: Policy) -> datetime:
    """From when on a release takes no further files."""
    return moment(release.published_at) + timedelta(days=policy.files.open_days)


def _exposed(removed: Mark) -> bool:
    return removed.reason is not None and removed.reason.code == EXPOSED


def _deadlines(state: NameState, policy: Policy) -> Iterator[tuple[str, datetime, r.Request]]:
    if state.reservation is not None:
        yield state.since.at, moment(state.reservation.grace_until), r.Expire(state.name)
    if opened := [release for release in state.releases if is_open(release)]:
        first = min(opened, key=lambda each: closes_at(each, policy))
        yield first.published_at, closes_at(first, policy), r.CloseDue(state.name)
    for release in state.releases:
        if release.state == "unpublished" and release.removed is not None:
            yield release.removed.at, purged_at(policy, release.removed), r.PurgeRelease(state.name, release.version)
        if release.state == "published" and release.held_yank is not None:
            held = release.held_yank
            yield held.mark.at, moment(held.effective_at), r.YankDue(state.name, release.version)
        for removal in release.removals:
            if removal.state == "removed" and release.state == "published":
                at = purged_at(policy, removal.mark)
                yield removal.mark.at, at, r.PurgeFile(state.name, release.version, removal.filename)
