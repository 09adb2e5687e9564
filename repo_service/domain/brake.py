"""The mass-yank brake: what would leave little to install waits, for all to see, or needs a second person.

Whoever steals an owner's token can yank every secure release at once and leave resolvers only what is vulnerable. The
brake gives the owners a day to see it and cancel.
"""

from datetime import timedelta

from keys.state import Release as ReleaseState
from keys.times import moment, stamp
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.case import Case


def why_braked(case: Case, release: ReleaseState) -> str | None:
    """Why yanking this release is too much at once; None if it is not."""
    assert case.state is not None, "a release of a name"
    limits = case.policy.yank
    since = stamp(case.now - timedelta(seconds=limits.brake_window_s))
    others = [each for each in case.state.releases if each.state == "published" and each.version != release.version]
    left = sum(machines.yank_state(each) == "clear" for each in others)
    if not left:
        return f"{release.version} is the last release of {case.state.name} that is not yanked"
    at_once = 1 + sum(_yanked_at(each) > since for each in others)
    before = left + at_once
    if at_once * 100 > before * limits.brake_percent:
        return f"it would be {at_once} of {before} releases within {limits.brake_window_s // 3600} h"
    if at_once > limits.brake_count:
        return f"it would be {at_once} releases within {limits.brake_window_s // 3600} h"
    return None


def approved(actor: r.Actor) -> bool:
    """Whether a second person stands behind a request: another account than the actor's, as the registry says."""
    return bool(actor.id) and bool(actor.approver) and actor.approver != actor.id


def effective_at(case: Case) -> str:
    """When a yank that is held now comes into force, if nobody cancels it."""
    return stamp(case.now + timedelta(seconds=case.policy.yank.brake_delay_s))


def is_over(case: Case, release: ReleaseState) -> bool:
    """Whether a held yank has waited long enough."""
    held = release.held_yank
    return held is not None and case.now >= case.extended(held.mark.at, moment(held.effective_at))


def _yanked_at(release: ReleaseState) -> str:
    mark = release.yank.mark if release.yank else release.held_yank.mark if release.held_yank else None
    return mark.at if mark else ""
