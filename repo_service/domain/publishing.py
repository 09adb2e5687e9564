"""May these files be published? A name becomes registered with its first file and in no other way."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from keys.names import InvalidName, file_path
from keys.state import File, Mark
from keys.state import Release as ReleaseState
from keys.strict import MAX_INTEGER
from keys.times import moment, stamp
from repo_service.domain import changes as c
from repo_service.domain import machines, naming
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.case import Case, Verdict, Why, not_quarantined, only_holder, role, step, wrong_name_state
from repo_service.domain.deadlines import closes_at, is_open
from repo_service.domain.policy import Warned
from repo_service.domain.takedowns import not_taken_down
from repo_service.domain.versions import VersionRule


def publish(case: Case, request: r.Publish) -> Verdict:
    """May this version come, with these files: a first one takes the name? The changes, or all reasons why not."""
    found: Verdict = [*_may_register(case, request)]
    try:
        canonical = case.policy.version_rule.canonical(request.version)
    except BadArtifact as error:
        return [*found, Why("version_invalid", str(error))]
    release = case.state.release_of(canonical) if case.state else None
    found += _may_release(case, request, release)
    files = [*_new_files(case, request, canonical, release, found)]
    found += _not_too_many(case, request, len(files) + (len(release.files) if release else 0))
    if not request.files:
        found.append(Why("files_missing", f"a release needs at least one file; {request.version} came with none"))
    if release is None and files:
        found.append(c.ReleasePublished(request.version, canonical, min(f.uploaded_at for f in files), tuple(files)))
    elif release is not None and files:
        found += _takes_files(case, request, release, files)
        found += [c.FileAdded(release.version, file) for file in files]
    return [*found, *not_taken_down(case, files)]


def _may_register(case: Case, request: r.Publish) -> Iterator[c.Change | Why | Warned]:
    """The step that makes a name registered, if it is not."""
    match machines.name_state(case.state):
        case "absent" | "vacant":
            yield from naming.new_name(case, request)
            created = c.ProjectCreated(request.display or request.name, case.around.alike)
            yield from step(machines.NAME, case, request, created)
        case "reserved":
            assert case.state is not None, "a reserved name has a state"
            yield from only_holder(case, request.actor)
            yield from naming.respelled(case, request)
            display = request.display or case.state.display
            yield from step(machines.NAME, case, request, c.ReservationConverted(display))
        case "registered":
            yield from not_quarantined(case.state, "nothing can be published")
            if case.state is not None and case.state.archived is not None:
                since = case.state.archived.at
                yield Why("project_archived", f"{request.name} is archived since {since}; unarchive it first")
        case _:
            yield wrong_name_state(case)


def _may_release(case: Case, request: r.Publish, release: ReleaseState | None) -> Iterator[Why]:
    if release is None:
        yield from role(machines.RELEASE, "none", "release.published", request.actor)
    elif release.state != "published":
        yield Why(
            "version_tombstoned",
            f"{request.name} {release.version} was {release.state} and no version is ever used again; "
            "publish a new version, or restore this one with the same files",
            {"version": release.version, "state": release.state},
        )
    elif release.version != request.version:
        rule = case.policy.version_rule.title
        sentence = f"{request.version} is the same version as {release.version} ({rule}), which exists"
        yield Why("version_exists", sentence, {"version": release.version})
    else:
        yield from role(machines.RELEASE, "published", "file.added", request.actor)


def _not_too_many(case: Case, request: r.Publish, number: int) -> Iterator[Why]:
    """Files that were removed count: what a version's file is, it is for ever."""
    most = case.policy.files.per_version
    if most and number > most:
        sentence = f"{request.version} would have {number} files; here a version has {most}. Publish a new version"
        yield Why("version_full", sentence, {"files": number, "most": most})


def _takes_files(case: Case, request: r.Publish, release: ReleaseState, files: list[File]) -> Iterator[Why]:
    until = case.extended(release.published_at, closes_at(release, case.policy))
    if release.closed is not None and not _imports(request, release.closed, files):
        since = release.closed.at
        yield Why("release_closed", f"{release.version} takes no new files since {since}; publish a new version")
    elif request.actor.kind == "owner" and case.now >= until:
        sentence = f"{release.version} took new files until {stamp(until)}; publish a new version"
        yield Why("release_closed", sentence, {"until": stamp(until)})
    if release.quarantine is not None:
        since = release.quarantine.at
        yield Why("release_quarantined", f"{release.version} is in quarantine since {since}; nothing is added to it")


def _imports(request: r.Publish, closed: Mark, files: list[File]) -> bool:
    """Old files are brought one by one, and the first may close the release: what was uploaded before may follow."""
    return request.actor.kind == "system" and all(file.uploaded_at <= closed.at for file in files)


def _is_over(case: Case, release: ReleaseState) -> bool:
    return case.now >= case.extended(release.published_at, closes_at(release, case.policy))


def close(case: Case, request: r.CloseDue) -> Verdict:
    """Close every release that took new files for as long as the policy says."""
    releases = case.state.releases if case.state else ()
    due = [each for each in releases if is_open(each) and _is_over(case, each)]
    changes = [c.ReleaseClosed(each.version) for each in due]
    return [
        *(why for _ in changes[:1] for why in role(machines.WINDOW, "open", "release.closed", request.actor)),
        *changes,
    ]


def _new_files(
    case: Case, request: r.Publish, canonical: str, release: ReleaseState | None, found: Verdict
) -> Iterator[File]:
    """The files of the request that are not there yet; objections go to ``found``."""
    taken = {file.identity: file for file in release.files} if release else {}
    gone = {removal.filename for removal in release.removals} if release else set()
    for new in request.files:
        try:
            file = _file(new, request.name, canonical, case.policy.version_rule, case.now)
        except (BadArtifact, InvalidName, ValueError) as error:
            found.append(Why("filename_mismatch" if isinstance(error, BadArtifact) else "file_invalid", str(error)))
            continue
        if moment(file.uploaded_at) > case.now + timedelta(seconds=case.policy.files.upload_skew_s):
            found.append(
                Why("upload_time_in_future", f"{file.filename}: was uploaded at {file.uploaded_at}, which is to come")
            )
        same = taken.get(file.identity)
        if same is None:
            taken[file.identity] = file
            yield file
        elif same.sha256 != file.sha256 or same.filename != file.filename:
            found.append(_clash(same, file))
        elif same.filename in gone:
            sentence = f"{same.filename} was removed; it can be restored, and never published again"
            found.append(Why("filename_tombstoned", sentence, {"filename": same.filename}))


def _file(new: r.NewFile, name: str, canonical: str, rule: VersionRule, now: datetime) -> File:
    file_path(name, new.filename)
    said = rule.artifact(new.filename, name)
    if (said.name, said.canonical) != (name, canonical):
        raise BadArtifact(f"{new.filename} is a file of {said.name} {said.canonical}, not of {name} {canonical}")
    if not 0 < new.size <= MAX_INTEGER:
        raise ValueError(f"{new.filename}: its size is {new.size}")
    uploaded_at = new.uploaded_at or stamp(now)
    return File(
        new.filename, said.identity, new.sha256, new.size, uploaded_at, new.requires_python, new.core_metadata,
        new.url, new.provenance,
    )  # fmt: skip


def _clash(same: File, file: File) -> Why:
    params: dict[str, str | int] = {"filename": same.filename, "sha256": same.sha256}
    if same.filename == file.filename:
        return Why(
            "file_exists",
            f"File already exists: {file.filename} has sha256 {same.sha256:.16}… for ever, not {file.sha256:.16}…",
            params,
        )
    return Why(
        "artifact_identity_conflict",
        f"{file.filename} and {same.filename} are the same artifact of one version; it has its bytes already",
        params,
    )
