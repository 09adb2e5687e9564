"""What lies over a project or a release and comes off again: status, lock, quarantine, deprecation, the file window.

Each verb is a row: its machine, where the project or release stands in it, where the verb leads, and the change. Asking
for what is already so changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from keys.state import NameState
from keys.state import Release as ReleaseState
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Verdict, published, role, wrong_name_state
from repo_service.domain.facts import enough_observers


@dataclass(frozen=True, slots=True)
class _OfProject:
    machine: machines.Machine
    stands: Callable[[NameState], str]
    leads_to: str
    change: Callable[[Any], c.Change]


@dataclass(frozen=True, slots=True)
class _OfRelease:
    machine: machines.Machine
    stands: Callable[[ReleaseState], str]
    leads_to: str
    change: Callable[[Any, str], c.Change]


_PROJECT: Final[dict[type[r.OfProject], _OfProject]] = {
    r.Quarantine: _OfProject(
        machines.QUARANTINE, machines.quarantine_state, "quarantined", lambda _: c.ProjectQuarantined()
    ),
    r.Clear: _OfProject(machines.QUARANTINE, machines.quarantine_state, "clear", lambda _: c.QuarantineCleared()),
    r.Archive: _OfProject(machines.STATUS, machines.status_state, "archived", lambda _: c.ProjectArchived()),
    r.Unarchive: _OfProject(machines.STATUS, machines.status_state, "active", lambda _: c.ProjectUnarchived()),
    r.Deprecate: _OfProject(
        machines.STATUS, machines.status_state, "deprecated", lambda asked: c.ProjectDeprecated(asked.alternative)
    ),
    r.Undeprecate: _OfProject(machines.STATUS, machines.status_state, "active", lambda _: c.ProjectUndeprecated()),
    r.Lock: _OfProject(machines.LOCK, machines.lock_state, "locked", lambda _: c.ProjectLocked()),
    r.Unlock: _OfProject(machines.LOCK, machines.lock_state, "unlocked", lambda _: c.ProjectUnlocked()),
}

_RELEASE: Final[dict[type[r.OfRelease], _OfRelease]] = {
    r.QuarantineRelease: _OfRelease(
        machines.RELEASE_QUARANTINE,
        machines.release_quarantine_state,
        "quarantined",
        lambda _, version: c.ReleaseQuarantined(version),
    ),
    r.ClearRelease: _OfRelease(
        machines.RELEASE_QUARANTINE,
        machines.release_quarantine_state,
        "clear",
        lambda _, version: c.ReleaseQuarantineCleared(version),
    ),
    r.DeprecateRelease: _OfRelease(
        machines.DEPRECATION,
        machines.deprecation_state,
        "deprecated",
        lambda asked, version: c.ReleaseDeprecated(version, asked.alternative),
    ),
    r.UndeprecateRelease: _OfRelease(
        machines.DEPRECATION, machines.deprecation_state, "current", lambda _, version: c.ReleaseUndeprecated(version)
    ),
    r.CloseRelease: _OfRelease(
        machines.WINDOW, machines.window_state, "closed", lambda _, version: c.ReleaseClosed(version)
    ),
}


def of_project(case: Case, request: r.OfProject) -> Verdict:
    """Lay something over a registered project, or take it off."""
    if case.state is None or case.state.state != "registered":
        return [wrong_name_state(case)]
    row = _PROJECT[type(request)]
    stands, change = row.stands(case.state), row.change(request)
    if stands == row.leads_to:
        return []
    objections = [*role(row.machine, stands, c.type_of(change), request.actor)]
    if isinstance(request, r.Quarantine) and request.actor.kind == "system":
        created = min((each.published_at for each in case.state.releases), default=case.state.since.at)
        objections += enough_observers(case, request, created)
    return [*objections, change]


def of_release(case: Case, request: r.OfRelease) -> Verdict:
    """Lay something over a published release, or take it off."""
    release, why = published(case, request.version)
    if release is None:
        return why
    row = _RELEASE[type(request)]
    stands, change = row.stands(release), row.change(request, release.version)
    if stands == row.leads_to:
        return []
    return [*role(row.machine, stands, c.type_of(change), request.actor), change]
