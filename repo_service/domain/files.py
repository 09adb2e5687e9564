"""May one file of a release be removed, restored or purged? The release stays; its last file only goes with it."""

from collections.abc import Iterator

from keys.state import Release as ReleaseState
from keys.state import Removal
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Verdict, Why, not_quarantined, published, release_not_quarantined, role
from repo_service.domain.releases import is_purgeable, may_go, restorable_until
from repo_service.domain.takedowns import not_taken_down


def remove(case: Case, request: r.RemoveFile) -> Verdict:
    """Take one file away, as a whole release would be unpublished."""
    release, why = _file_of(case, request)
    if release is None or case.state is None:
        return why
    stands = machines.file_state(release, request.filename)
    if stands == "removed":
        return []
    found: Verdict = [*role(machines.FILE, stands, "file.removed", request.actor)]
    if len(release.present) == 1:
        sentence = f"{request.filename} is the last file of {release.version}; unpublish the release"
        found.append(Why("last_file", sentence, {"version": release.version}))
    if request.actor.kind == "owner":
        found += [*not_quarantined(case.state, "evidence is kept"), *release_not_quarantined(release)]
    found += may_go(case, request, release)
    return [*found, c.FileRemoved(release.version, request.filename)]


def restore(case: Case, request: r.RestoreFile) -> Verdict:
    """Bring a removed file back, with the bytes it had."""
    release, why = _file_of(case, request)
    if release is None:
        return why
    stands = machines.file_state(release, request.filename)
    if stands == "published":
        return []
    if stands == "purged":
        return [Why("purged", f"{request.filename} was purged; nothing can bring it back")]
    found: Verdict = [*role(machines.FILE, stands, "file.restored", request.actor)]
    found += _in_time(case, request, _removal(release, request.filename))
    found += not_taken_down(case, (file for file in release.files if file.filename == request.filename))
    return [*found, c.FileRestored(release.version, request.filename)]


def purge(case: Case, request: r.PurgeFile) -> Verdict:
    """Never restore a removed file again: after its window by the clock, at once by an admin."""
    release, why = _file_of(case, request)
    if release is None:
        return [] if request.actor.kind == "clock" else why
    stands = machines.file_state(release, request.filename)
    if stands == "purged" or (request.actor.kind == "clock" and stands == "published"):
        return []
    if request.actor.kind == "clock" and not is_purgeable(case, _removal(release, request.filename).mark):
        return []
    change = c.FilePurged(release.version, request.filename)
    return [*role(machines.FILE, stands, c.type_of(change), request.actor), change]


def _file_of(case: Case, request: r.OfFile) -> tuple[ReleaseState | None, Verdict]:
    release, why = published(case, request.version)
    if release is not None and all(file.filename != request.filename for file in release.files):
        sentence = f"{release.version} has no file {request.filename!r:.120}"
        return None, [Why("file_not_found", sentence, {"filename": request.filename[:120]})]
    return release, why


def _removal(release: ReleaseState, filename: str) -> Removal:
    return next(each for each in release.removals if each.filename == filename)


def _in_time(case: Case, request: r.RestoreFile, removal: Removal) -> Iterator[Why]:
    until = restorable_until(case, removal.mark)
    if case.now >= until:
        sentence = f"{request.filename} could be restored until {stamp(until)}"
        yield Why("restore_window_over", sentence, {"until": stamp(until)})
    if request.actor.kind == "owner" and removal.mark.by != "owner":
        yield Why(
            "restore_locked", f"{request.filename} was removed by {removal.mark.by}; an owner cannot bring it back"
        )
