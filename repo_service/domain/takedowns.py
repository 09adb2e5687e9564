"""What becomes of a project that is harmful: verdicts, removals, and the entries of the takedown list.

An entry names exact versions and the sha256 of their files. It is suspected while a quarantine lets somebody look,
confirmed by an admin who removes what it names, and withdrawn where it was wrong; it never disappears.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keys.state import File, NameState, Takedown
from keys.state import Release as ReleaseState
from repo_service.domain import brake, machines
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import (
    Case,
    Escalated,
    Verdict,
    Why,
    find_release,
    no_release,
    role,
    wrong_name_state,
)
from repo_service.domain.policy import Warned

Charge = r.Judge | r.RemoveProject
Step = c.Change | Why | Warned


@dataclass(frozen=True, slots=True)
class Accused:
    """What a verdict is about: releases of a name, with all others of it that hold the same bytes.

    ``project``: nothing else of it is published, so the project as a whole is meant.
    """

    state: NameState
    releases: tuple[ReleaseState, ...]
    project: bool

    @property
    def versions(self) -> set[str]:
        """Of all that is accused, also of what was taken away already."""
        return {release.version for release in self.releases}

    @property
    def published(self) -> tuple[ReleaseState, ...]:
        """Those that have not been taken away already."""
        return tuple(release for release in self.releases if release.state == "published")


def judge(case: Case, request: r.Judge) -> Verdict:
    """Carry out a verdict, as far as its sender may; the rest is told to the admins."""
    accused, why = _accused(case, request.versions)
    why += role(machines.TAKEDOWN, "none", "takedown.listed", request.actor)
    if accused is None or why:
        return why
    match request.verdict:
        case "ok":
            return [*_acquit(accused, request)]
        case "quarantine":
            return [*_suspect(accused, request)]
        case "remove" if request.actor.kind == "admin":
            return [*_remove(case, accused, request)]
        case "remove" if _is_settled(accused):
            return []
        case "remove":
            return [*_suspect(accused, request), _escalated(request)]
    return [_escalated(request)]


def remove(case: Case, request: r.RemoveProject) -> Verdict:
    """Take a whole project down."""
    accused, why = _accused(case, None)
    why += role(machines.QUARANTINE, "quarantined", "project.removed", request.actor)
    return why if accused is None or why else [*_remove(case, accused, request)]


def not_taken_down(case: Case, files: Iterable[File]) -> Iterator[Step]:
    """An objection to bytes that are taken down under whatever name, a warning where that is only suspected."""
    for file in files:
        for entry in (each for each in case.around.taken_down if each.sha256 == file.sha256):
            if entry.status == "confirmed":
                sentence = f"{file.filename} has the bytes that the registry took down as {entry.takedown}"
                yield Why("content_taken_down", sentence, {"sha256": file.sha256, "takedown": entry.takedown})
            elif entry.status == "suspected":
                sentence = f"{file.filename} has bytes that the registry suspects, see {entry.takedown}"
                yield Warned("content_suspected", sentence, None)


def _accused(case: Case, versions: tuple[str, ...] | None) -> tuple[Accused | None, Verdict]:
    if case.state is None or not case.state.releases:
        return None, [wrong_name_state(case)]
    missing = [no_release(case, each) for each in versions or () if find_release(case, each) is None]
    if missing:
        return None, [*missing]
    last = max(release.generation for release in case.state.releases)
    named = [find_release(case, each) for each in versions or ()]
    meant = [
        release for release in case.state.releases if release in named or (not named and release.generation == last)
    ]
    harmful = {file.sha256 for release in meant for file in release.files}
    same = tuple(release for release in case.state.releases if harmful & {file.sha256 for file in release.files})
    others = [release for release in case.state.releases if release.state == "published" and release not in same]
    return Accused(case.state, same, versions is None or not others), []


def _suspect(accused: Accused, request: Charge) -> Iterator[Step]:
    """Nothing of it installs until somebody has looked, and the list says so."""
    yield from _quarantined(accused, request.actor)
    for entry in _entries(accused, request):
        yield from _corrected(entry, request)
    if (new := _new_entry(accused, request)) is not None:
        yield from _step(machines.TAKEDOWN, "none", new, request.actor)


def _quarantined(accused: Accused, actor: r.Actor) -> Iterator[Step]:
    state = accused.state
    if accused.project and any(release.generation == state.generation for release in accused.releases):
        if state.quarantine is None:
            yield from _step(machines.QUARANTINE, "clear", c.ProjectQuarantined(), actor)
        return
    for release in accused.releases:
        if release.quarantine is None and release.state != "purged":
            yield from _step(machines.RELEASE_QUARANTINE, "clear", c.ReleaseQuarantined(release.version), actor)


def _remove(case: Case, accused: Accused, request: Charge) -> Iterator[Step]:
    """Out of quarantine, so that a restoration comes back into it; by two people, since no owner can undo it."""
    found = [*_suspect(accused, request), *_unpublished(case, accused, request), *_confirmed(accused, request)]
    if found and not brake.approved(request.actor):
        sentence = "a removal needs a second person: actor.approver, another account than actor.id"
        yield Why("second_approver_required", sentence, {"actor": request.actor.kind})
    yield from found


def _unpublished(case: Case, accused: Accused, request: Charge) -> Iterator[Step]:
    for release in accused.published:
        yield from _step(machines.RELEASE, "published", c.ReleaseUnpublished(release.version), request.actor)
    if not accused.project or accused.state.state != "registered":
        return
    removed = c.ProjectRemoved(tuple(release.version for release in accused.published))
    yield from _step(machines.QUARANTINE, "quarantined", removed, request.actor)
    prohibits = case.policy.placeholder.security_removal == "prohibited"
    yield c.NameProhibited() if prohibits else c.PlaceholderSet()


def _confirmed(accused: Accused, request: Charge) -> Iterator[Step]:
    for entry in _entries(accused, request):
        if entry.status != "confirmed":
            yield from _step(
                machines.TAKEDOWN, entry.status, c.TakedownConfirmed(entry.id, request.evidence), request.actor
            )
    if (new := _new_entry(accused, request)) is not None:
        yield from _step(machines.TAKEDOWN, "suspected", c.TakedownConfirmed(new.id, request.evidence), request.actor)


def _acquit(accused: Accused, request: r.Judge) -> Iterator[Step]:
    """An admin withdraws and clears; anybody else can only ask an admin to."""
    steps = [*_withdrawn(accused, request), *_cleared(accused, request.actor)]
    if steps and request.actor.kind != "admin":
        yield _escalated(request)
    else:
        yield from steps


def _withdrawn(accused: Accused, request: r.Judge) -> Iterator[Step]:
    for entry in accused.state.takedowns:
        if entry.status != "withdrawn" and accused.versions & {*entry.versions}:
            yield from _is_about_more(accused, entry)
            withdrawn = c.TakedownWithdrawn(entry.id, request.evidence)
            yield from _step(machines.TAKEDOWN, entry.status, withdrawn, request.actor)


def _is_about_more(accused: Accused, entry: Takedown) -> Iterator[Why]:
    """What speaks for one version must not acquit another."""
    if others := sorted({*entry.versions} - accused.versions):
        rest = ", ".join(others)
        sentence = (
            f"{entry.id} is about {rest} too, and an entry is withdrawn as a whole; say ok of all its versions, and "
            f"what is to become of {rest} in a verdict of its own (a batch does both at once)"
        )
        yield Why("takedown_covers_more", sentence, {"takedown": entry.id, "versions": " ".join(others)})


def _cleared(accused: Accused, actor: r.Actor) -> Iterator[Step]:
    if accused.project and machines.quarantine_state(accused.state) == "quarantined":
        yield from _step(machines.QUARANTINE, "quarantined", c.QuarantineCleared(), actor)
    for release in accused.published:
        if release.quarantine is not None:
            cleared = c.ReleaseQuarantineCleared(release.version)
            yield from _step(machines.RELEASE_QUARANTINE, "quarantined", cleared, actor)


def _corrected(entry: Takedown, request: Charge) -> Iterator[Step]:
    known = {*entry.external_ids, *request.external_ids}
    if entry.status != "withdrawn" and known != {*entry.external_ids}:
        corrected = c.TakedownCorrected(entry.id, tuple(sorted(known)))
        yield from _step(machines.TAKEDOWN, entry.status, corrected, request.actor)


def _entries(accused: Accused, request: Charge) -> list[Takedown]:
    """The entries of this kind about these versions and no others. One that was withdrawn speaks for no version, but
    whoever may confirm it need not list it again.
    """
    return [
        entry
        for entry in accused.state.takedowns
        if entry.kind == request.kind
        and {*entry.versions} <= accused.versions
        and (entry.status != "withdrawn" or request.actor.kind == "admin")
    ]


def _new_entry(accused: Accused, request: Charge) -> c.TakedownListed | None:
    """An entry for what no entry says yet."""
    said = {version for entry in _entries(accused, request) for version in entry.versions}
    left = [release for release in accused.releases if release.version not in said]
    if not left:
        return None
    assert request.kind is not None, "a charge says of which kind it is"
    generation, number = max(release.generation for release in left), len(accused.state.takedowns) + 1
    return c.TakedownListed(
        f"{accused.state.name}/{generation}/{number}",
        request.kind,
        tuple(sorted(release.version for release in left)),
        tuple(sorted({file.sha256 for release in left for file in release.files})),
        request.external_ids,
        request.evidence,
    )


def _is_settled(accused: Accused) -> bool:
    """Whether an admin has confirmed all of it already."""
    confirmed = [entry.versions for entry in accused.state.takedowns if entry.status == "confirmed"]
    return accused.versions <= {version for versions in confirmed for version in versions}


def _escalated(request: r.Judge) -> Escalated:
    about = f"{request.name} {', '.join(request.versions)}" if request.versions else request.name
    note = f": {request.note}" if request.note else ""
    sentence = f"verdict {request.verdict} on {about} by {request.actor.kind}, evidence {request.evidence}{note}"
    return Escalated("escalated", f"{sentence}; an admin settles it with a verdict", None)


def _step(machine: machines.Machine, source: str, change: c.Change, actor: r.Actor) -> Iterator[Step]:
    yield from role(machine, source, c.type_of(change), actor)
    yield change
