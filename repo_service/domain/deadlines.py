"""When a name's state must be looked at again without anybody asking: every deadline is a request by the clock.

A date alone changes nothing. The sweeper asks once it is due, ``decide`` looks again, and only the event that follows
changes the signed state; so asking early, late or twice is harmless.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from keys.state import Mark, NameState, Release
from keys.times import moment
from repo_service.domain import requests as r
from repo_service.domain.policy import Policy

Deadline = tuple[datetime, r.Request]


def deadlines(state: NameState, policy: Policy) -> list[Deadline]:
    """Everything that time will do to this name, the next first."""
    return sorted(_deadlines(state, policy), key=lambda each: each[0])


def due(state: NameState, policy: Policy, now: datetime) -> list[r.Request]:
    """What the clock has to ask at ``now``."""
    return [request for at, request in deadlines(state, policy) if at <= now]


def is_open(release: Release) -> bool:
    """Whether new files may still come to a release, as far as events say."""
    return release.state == "published" and release.closed is None


def closes_at(release: Release, policy: Policy) -> datetime:
    """From when on a release takes no further files."""
    return moment(release.published_at) + timedelta(days=policy.files.open_days)


def purged_at(policy: Policy, removed: Mark) -> datetime:
    """When what was removed at a mark is purged for ever."""
    return moment(removed.at) + timedelta(seconds=policy.restore.purge_after_s)


def _deadlines(state: NameState, policy: Policy) -> Iterator[Deadline]:
    if state.reservation is not None:
        yield moment(state.reservation.grace_until), r.Expire(state.name)
    if closing := [closes_at(each, policy) for each in state.releases if is_open(each)]:
        yield min(closing), r.CloseDue(state.name)
    for release in state.releases:
        if release.state == "unpublished" and release.removed is not None:
            yield purged_at(policy, release.removed), r.PurgeRelease(state.name, release.version)
        if release.state == "published" and release.held_yank is not None:
            yield moment(release.held_yank.effective_at), r.YankDue(state.name, release.version)
        for removal in release.removals:
            if removal.state == "removed" and release.state == "published":
                yield purged_at(policy, removal.mark), r.PurgeFile(state.name, release.version, removal.filename)
