"""What to ask of the service so that a version is signed as it stood in devpi. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from keys.state import NameState, Reason, Release
from repo_service.domain import requests as r
from repo_service.registries.devpi.outbox import IndexFile, Stood

REASON: Final = Reason("index_changed", None)
"""Why something is removed or comes back; it becomes public. devpi does not ask its users for a reason."""


def requests(signed: NameState | None, stood: Stood) -> Iterator[r.Request]:
    """The requests that lead from the signed state to ``stood``, in order; none if it is signed so.

    What comes is asked before what goes. Yanks, deprecations and quarantines are not devpi's to say, and stay.
    """
    release = signed.release(stood.version) if signed else None
    about = stood.project, stood.version
    if not stood.files:
        if release is not None and release.state == "published":
            yield r.Unpublish(*about, REASON)
        return
    if release is not None and release.state != "published":
        yield r.Restore(*about, REASON)
    known = {file.filename: file.sha256 for file in release.files} if release else {}
    removed = {each.filename for each in release.removals} if release else set()
    here = {file.filename: file.sha256 for file in stood.files}
    for filename in sorted(removed):
        if known[filename] == here.get(filename):
            yield r.RestoreFile(*about, filename, REASON)
    new = tuple(_new(file) for file in stood.files if known.get(file.filename) != file.sha256)
    if new:
        yield r.Publish(*about, new, display=None if release else stood.display)
    for filename in sorted(known.keys() - removed - here.keys()):
        yield r.RemoveFile(*about, filename, REASON)


@dataclass(frozen=True, slots=True)
class Differences:
    """What is signed otherwise than devpi has it: versions of projects that it has; all of projects that it has not."""

    changed: tuple[Stood, ...]
    gone: tuple[Stood, ...]


def differences(signed: Mapping[str, NameState | None], index: Iterable[Stood], serial: int) -> Differences:
    """Compare all that an index has at a serial of devpi with what is signed under the names in ``signed``."""
    stood = list(index)
    had = {(each.project, each.version) for each in stood}
    projects = {each.project for each in stood}
    changed = [each for each in stood if _differs(signed[each.project], each)]
    gone: list[Stood] = []
    for state in filter(None, signed.values()):
        for release in state.releases:
            if release.state == "published" and (state.name, release.version) not in had:
                missing = Stood(state.name, release.version, serial, state.display, ())
                (changed if state.name in projects else gone).append(missing)
    return Differences(tuple(changed), tuple(gone))


def _differs(signed: NameState | None, stood: Stood) -> bool:
    release = signed.release(stood.version) if signed else None
    return not (release and _taken_away(release)) and any(True for _ in requests(signed, stood))


def _taken_away(release: Release) -> bool:
    """Whether somebody else than the owner, as who we ask, removed something of it: that stays as it is."""
    marks = [each.mark for each in release.removals] + ([release.removed] if release.removed else [])
    return any(mark.by != "owner" for mark in marks)


def _new(file: IndexFile) -> r.NewFile:
    return r.NewFile(file.filename, file.sha256, file.size, requires_python=file.requires_python, url=file.url)
