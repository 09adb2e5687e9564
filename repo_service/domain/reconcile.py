"""A project's full state as the registry sees it, and the requests that lead there from the signed one.

A full state speaks of what owners speak of: releases and their files, yanks, deprecations, the archive. What it does
not mention of these is removed. It says nothing of what lies over a project (quarantine, locks, prohibitions), nor of
when a release was closed: these stay as they are. The requests are decided like any others; what a tombstone, a window
or the brake forbids is refused here too, and is never left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from keys.state import Deprecation, NameState
from keys.state import Release as ReleaseState
from keys.strict import Malformed
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.case import Accepted, Around, Refusal
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolved
from repo_service.domain.policy import Policy
from repo_service.domain.versions import VersionRule


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A request and what becomes of it, once those before it are done."""

    request: r.Request
    outcome: Accepted | Refusal


def reconcile(state: NameState | None, wanted: r.Wanted, rule: VersionRule) -> list[r.Request]:
    """The requests, in an order in which none stands in another's way; none if all is as wanted.

    What comes is done before what goes, so that a project is never left empty on the way. Malformed if two of the
    wanted releases are one version.
    """
    try:
        versions = {rule.canonical(each.version) for each in wanted.releases}
    except BadArtifact as error:
        raise Malformed("releases", str(error)) from None
    if len(versions) < len(wanted.releases):
        raise Malformed("releases", f"two of them are the same version ({rule.title})")
    return [
        *_restored(state, wanted, rule),
        *_opened(state, wanted, rule),
        *(request for each in wanted.releases for request in _published(state, each, wanted, rule)),
        *_yanks(state, wanted, rule),
        *(request for each in wanted.releases for request in _advised(state, each, wanted, rule)),
        *_removed(state, wanted, rule),
        *_marked(state, wanted, rule),
    ]


def foresee(
    name: c.Name,
    asked: Sequence[r.Request],
    policy: Policy,
    now: datetime,
    around: Callable[[r.Request], Around],
) -> list[Foreseen]:
    """What each request does after those before it; after a refusal, as if what was refused had not been asked."""
    found = []
    for request in asked:
        outcome = decide(name, request, policy, now, around(request))
        if isinstance(outcome, Accepted):
            name = evolved(name, request, outcome, policy, now)
        found.append(Foreseen(request, outcome))
    return found


def _there(state: NameState | None, version: str, rule: VersionRule) -> ReleaseState | None:
    """The release of a version that is published, or that can only come back as what it was."""
    return state.release_of(rule.canonical(version)) if state else None


def _restored(state: NameState | None, wanted: r.Wanted, rule: VersionRule) -> Iterator[r.Request]:
    for each in wanted.releases:
        there = _there(state, each.version, rule)
        if there is not None and there.state != "published":
            yield r.Restore(wanted.name, there.version, wanted.reason, wanted.actor)


def _opened(state: NameState | None, wanted: r.Wanted, rule: VersionRule) -> Iterator[r.Request]:
    """What keeps files out is taken off first; ``_marked`` lays it on again."""
    if state is None or (state.state != "registered" and not wanted.releases):
        return
    if state.archived is not None and (wanted.archived is None or _grows(state, wanted, rule)):
        yield r.Unarchive(wanted.name, wanted.reason, wanted.actor)
    if state.deprecated is not None and not _is(state.deprecated, wanted.deprecated):
        yield r.Undeprecate(wanted.name, wanted.reason, wanted.actor)


def _grows(state: NameState, wanted: r.Wanted, rule: VersionRule) -> bool:
    return any(isinstance(each, r.Publish) for one in wanted.releases for each in _published(state, one, wanted, rule))


def _published(
    state: NameState | None, release: r.WantedRelease, wanted: r.Wanted, rule: VersionRule
) -> Iterator[r.Request]:
    """What brings a release's files: those that were removed are restored, all others published."""
    there = _there(state, release.version, rule)
    name, version = wanted.name, there.version if there else release.version
    present = {(file.filename, file.sha256) for file in there.present} if there else set()
    known = {(file.filename, file.sha256) for file in there.files} if there else set()
    new = []
    for file in release.files:
        if (file.filename, file.sha256) in present:
            continue
        if (file.filename, file.sha256) in known:
            yield r.RestoreFile(name, version, file.filename, wanted.reason, wanted.actor)
        else:
            new.append(file)
    if new:
        yield r.Publish(name, version, tuple(new), wanted.actor, None if there else wanted.display)


def _yanks(state: NameState | None, wanted: r.Wanted, rule: VersionRule) -> Iterator[r.Request]:
    """Lifted before laid on: the brake counts what is left."""
    pairs = [(each, _there(state, each.version, rule)) for each in wanted.releases]
    for each, there in pairs:
        if each.yanked is None and there is not None and (there.yank is not None or there.held_yank is not None):
            yield r.Unyank(wanted.name, there.version, wanted.reason, wanted.actor)
    for each, there in pairs:
        yank = there.yank or there.held_yank if there is not None else None
        if each.yanked is not None and (yank is None or yank.mark.reason != each.yanked.reason):
            version = there.version if there is not None else each.version
            yield r.Yank(wanted.name, version, each.yanked.reason, wanted.actor)


def _advised(
    state: NameState | None, release: r.WantedRelease, wanted: r.Wanted, rule: VersionRule
) -> Iterator[r.Request]:
    there = _there(state, release.version, rule)
    name, version = wanted.name, there.version if there else release.version
    old = there.deprecated if there else None
    if _is(old, release.deprecated):
        return
    if old is not None:
        yield r.UndeprecateRelease(name, version, wanted.reason, wanted.actor)
    if (new := release.deprecated) is not None:
        yield r.DeprecateRelease(name, version, new.reason, new.alternative, wanted.actor)


def _removed(state: NameState | None, wanted: r.Wanted, rule: VersionRule) -> Iterator[r.Request]:
    """What the full state does not mention."""
    if state is None or state.state not in ("registered", "placeholder"):
        return
    kept = {rule.canonical(each.version): {file.filename for file in each.files} for each in wanted.releases}
    for release in state.releases:
        if (files := kept.get(release.canonical)) is None:
            if release.state == "published":
                yield r.Unpublish(wanted.name, release.version, wanted.reason, wanted.dependents, wanted.actor)
            continue
        for file in release.present:
            if file.filename not in files:
                yield r.RemoveFile(
                    wanted.name, release.version, file.filename, wanted.reason, wanted.dependents, wanted.actor
                )


def _marked(state: NameState | None, wanted: r.Wanted, rule: VersionRule) -> Iterator[r.Request]:
    if state is not None and state.state == "registered" and wanted.display not in (None, state.display):
        yield r.Respell(wanted.name, wanted.display, wanted.actor)
    archived = state is not None and state.archived is not None and not _grows(state, wanted, rule)
    if wanted.archived is not None and not archived:
        yield r.Archive(wanted.name, wanted.archived.reason, wanted.actor)
    new = wanted.deprecated
    if new is not None and not _is(state.deprecated if state else None, new):
        yield r.Deprecate(wanted.name, new.reason, new.alternative, wanted.actor)


def _is(there: Deprecation | None, wanted: r.Advice | None) -> bool:
    """Whether a deprecation says already what it should, or neither is there."""
    if there is None or wanted is None:
        return there is None and wanted is None
    return (there.mark.reason, there.alternative) == (wanted.reason, wanted.alternative)
