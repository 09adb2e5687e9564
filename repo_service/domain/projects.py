"""May a whole project be unpublished by its owner, or come back? Each version is judged as if asked for alone.

All versions go or none, and a refusal says of each reason which versions it is about.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import ceil
from typing import Final

from keys.names import InvalidName, normalise
from keys.state import NameState
from keys.state import Release as ReleaseState
from repo_service.domain import changes as c
from repo_service.domain import facts, machines, releases
from repo_service.domain import requests as r
from repo_service.domain.case import (
    Case,
    Verdict,
    Why,
    not_quarantined,
    release_not_quarantined,
    role,
    wrong_name_state,
)
from repo_service.domain.policy import Warned

_MONTH_S: Final = 30 * 86400


def unpublish(case: Case, request: r.UnpublishProject) -> Verdict:
    """Every version; a placeholder is left."""
    state = case.state
    if state is None or state.state != "registered":
        return [wrong_name_state(case)]
    published = tuple(release for release in state.releases if release.state == "published")
    found: Verdict = []
    if request.actor.kind == "owner":
        found += [*_confirmed(case, request), *_owners_terms(case, state, request, published)]
    found += role(machines.QUARANTINE, machines.quarantine_state(state), "project.removed", request.actor)
    found += [c.ReleaseUnpublished(release.version) for release in published]
    return [*found, c.ProjectRemoved(tuple(release.version for release in published)), c.PlaceholderSet()]


def restore(case: Case, request: r.RestoreProject) -> Verdict:
    """What was removed last, all of it; out of quarantine it comes back into it."""
    state = case.state
    if state is None or state.state not in ("registered", "placeholder"):
        return [wrong_name_state(case)]
    if state.state == "registered":
        return []
    stands = machines.quarantine_state(state)
    overlay: Verdict = [*role(machines.QUARANTINE, stands, "project.restored", request.actor)]
    single = [
        r.Restore(request.name, release.version, request.reason, request.actor) for release in _removed_last(state)
    ]
    if not single:
        return [Why("purged", f"every version of {state.name} was purged; nothing can bring it back")]
    return [*overlay, *_together((each.version, releases.restore(case, each)) for each in single)]


def _confirmed(case: Case, request: r.UnpublishProject) -> Iterator[Why]:
    if case.policy.unpublish.project == "confirmed" and _spelled(request.confirm) != request.name:
        yield Why("confirmation_missing", f"type the project's name to confirm: confirm {request.name!r}")


def _spelled(confirm: str | None) -> str | None:
    try:
        return normalise(confirm or "")
    except InvalidName:
        return None


def _owners_terms(
    case: Case, state: NameState, request: r.UnpublishProject, published: tuple[ReleaseState, ...]
) -> Verdict:
    """What the policy asks of an owner: each version may go, or the project is young or hardly used."""
    if case.policy.unpublish.project == "young_or_quiet":
        evidence = _together((release.version, [*release_not_quarantined(release)]) for release in published)
        return [*not_quarantined(state, "evidence is kept"), *evidence, *_young_or_quiet(case, state, request.facts)]
    known = request.facts
    single = (
        r.Unpublish(
            request.name, release.version, request.reason, known.dependents, request.actor, known.downloads,
            known.owners,
        )
        for release in published
    )  # fmt: skip
    judged = _together((each.version, releases.unpublish(case, each)) for each in single)
    return [each for each in judged if isinstance(each, Why | Warned)]


def _young_or_quiet(case: Case, state: NameState, said: r.Facts) -> Iterator[Why]:
    limits = case.policy.unpublish
    began = min(release.published_at for release in state.releases if release.generation == state.generation)
    age = int(case.age(began).total_seconds())
    yield from facts.at_most(case, said.dependents, 0, facts.PROJECT_DEPENDENTS)
    if age >= limits.project_window_s:
        downloads = limits.project_downloads_a_month * ceil(age / _MONTH_S)
        yield from facts.at_most(case, said.downloads, downloads, facts.PROJECT_DOWNLOADS)
        yield from facts.at_most(case, said.owners, limits.quiet_owners, facts.PROJECT_OWNERS)


def _removed_last(state: NameState) -> tuple[ReleaseState, ...]:
    """The versions that went together: what one transaction removes has one mark."""
    gone = [release for release in state.releases if release.state == "unpublished"]
    last = max((release.removed for release in gone if release.removed), key=lambda mark: mark.at, default=None)
    return tuple(release for release in gone if release.removed == last)


def _together(verdicts: Iterable[tuple[str, Verdict]]) -> Verdict:
    """What is said of single versions: each change once, and each reason once, with the versions that it is about."""
    changes: dict[c.Change, None] = {}
    said: dict[tuple[str, str], Why] = {}
    warned: dict[Warned, None] = {}
    for version, verdict in verdicts:
        for each in verdict:
            if isinstance(each, Why):
                known = said.setdefault(
                    (each.code, each.sentence), replace(each, params={**each.params, "versions": ""})
                )
                versions = " ".join([*str(known.params["versions"]).split(), version])
                said[each.code, each.sentence] = replace(known, params={**known.params, "versions": versions})
            elif isinstance(each, Warned):
                warned[each] = None
            else:
                changes[each] = None
    return [*said.values(), *warned, *changes]
