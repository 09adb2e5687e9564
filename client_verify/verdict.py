"""May this be installed? From a verified state to install, warn or refuse, with one sentence for a person.

The precedence is that of keys.state.installable: prohibited, placeholder, reserved, vacant > quarantine > removed
release > yanked > ok. What is taken down as harmful says so before all of these, since whoever has it installed must
know. A sentence says what, why, since when, and what to do. These verdicts are about a file or version that a person
or a lock file names; for what an installer chooses there is more to ask (client_verify.withdrawals).
"""

from dataclasses import dataclass, replace
from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from client_verify.accepted import NOTHING, Accepted
from client_verify.answers import Past, ProvenAbsent
from client_verify.refusals import Code
from keys.state import ActorClass, File, HeldYank, Mark, NameState, Release, Takedown, Yank, installable, is_installable
from keys.times import stamp

BY: Final[dict[ActorClass, str]] = {
    "owner": "its owner",
    "moderator": "a moderator",
    "admin": "an administrator",
    "support": "the registry's support",
    "system": "the registry",
    "clock": "the registry, by rule",
}
_NOT_YET: Final = ". If it was published a moment ago, it is not signed yet: try again in a minute"


@dataclass(frozen=True, slots=True)
class Install:
    """Nothing speaks against it. ``note`` is what is good to know all the same."""

    sentence: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """It may be installed by who asks for exactly this version, knowing the sentence (PEP 592)."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """It must not be installed."""

    code: Code
    sentence: str


Verdict = Install | Warn | Refuse


def of_absence(absent: ProvenAbsent) -> Refuse:
    """A name that the registry does not know."""
    return Refuse(
        "absent",
        f"{absent.name} is not known to the registry: proven by snapshot {absent.snapshot}, "
        f"valid until {stamp(absent.expires)}{_NOT_YET}",
    )


def of_name(state: NameState) -> Refuse | None:
    """Why nothing of this name may be installed, if that is so."""
    who = state.name
    match state.state:
        case "prohibited":
            advice = _harm(state) or "Check the spelling of the name"
            return Refuse("prohibited", f"{who} is prohibited {_since_held(state)}. {advice}")
        case "placeholder":
            harm = f". {harm}" if (harm := _harm(state)) else ""
            return Refuse("placeholder", f"{who} was removed and its name is kept empty {since(state.since)}{harm}")
        case "reserved":
            assert state.reservation is not None
            holder = f" for {state.reservation.holder}" if state.reservation.holder else ""
            until = state.reservation.expires_at[:10]
            return Refuse("reserved", f"{who} is reserved{holder} until {until}; nothing is published yet")
        case "vacant":
            return Refuse("vacant", f"{who} is vacant {since(state.since)}; nothing is published under it")
        case "registered" if state.quarantine is not None:
            return Refuse(
                "quarantined",
                f"{who} is quarantined {since(state.quarantine)}. Wait for the registry's decision and do not fetch "
                "it from elsewhere",
            )
    return None


def of_no_choice(state: NameState, past: Past) -> Refuse | None:
    """Why a resolver finds nothing to choose, if all there is was yanked. An exact pin may still be installed."""
    there = [release for release in state.releases if is_installable(state, release)]
    yanked = [(release, release.yank) for release in there if release.yank is not None]
    if not yanked or len(yanked) < len(there):
        return None
    release, yank = max(yanked, key=lambda each: each[1].mark.at)
    count = f"all {len(yanked)} releases of {state.name} are yanked" if len(yanked) > 1 else f"{state.name} is yanked"
    known = ""
    if past.highest is not None:
        known = f". This machine has verified {past.highest.version} as not yanked on {past.highest.verified_at[:10]}"
    security = " for security" if yank.kind == "security" else ""
    return Refuse("all-yanked", f"{count}, {release.version} as the last{security} {since(yank.mark)}{known}")


def of_version(state: NameState, text: str, accepted: Accepted = NOTHING) -> Verdict:
    """A version as a person wrote it: any spelling of it (PEP 440)."""
    release = next((release for release in state.releases if is_same(release.version, text)), None)
    if release is not None and (refused := _of_bytes(state, release, *release.files)) is not None:
        return refused
    if (refused := of_name(state)) is not None:
        return refused
    if release is None:
        return Refuse(
            "unknown-version", f"{state.name} has no version {text}. {_instead(state)}{_not_yet(state, text)}"
        )
    return _of_release(state, release, accepted)


def of_range(state: NameState, wanted: SpecifierSet) -> Refuse | None:
    """Why a resolver finds nothing among the versions that somebody wants, if that is so."""
    fitting = [
        each for each in state.releases if is_readable(each.version) and wanted.contains(each.version, prereleases=True)
    ]
    if any(is_installable(state, each) and each.yank is None for each in fitting):
        return None
    if not fitting:
        return Refuse("unknown-version", f"{state.name} has no version {wanted}. {_instead(state)}{_NOT_YET}")
    newest = max(fitting, key=lambda each: Version(each.version))
    given = of_version(state, newest.version)
    return given if isinstance(given, Refuse) else Refuse("all-yanked", given.sentence)


def of_file(state: NameState, filename: str, accepted: Accepted = NOTHING) -> Verdict:
    """A file by its name."""
    found = state.file(filename)
    if found is not None and (refused := _of_bytes(state, *found)) is not None:
        return refused
    if (refused := of_name(state)) is not None:
        return refused
    if found is None:
        said = f"{filename} is not a file of {state.name} that the registry has signed"
        return Refuse("unknown-file", f"{said}{_not_yet(state, _version_in(filename))}")
    release, file = found
    removal = next((each for each in release.removals if each.filename == file.filename), None)
    if removal is not None and release.removed is None:
        return Refuse("unpublished", f"{filename} was removed {on(removal.mark)}. {_other_file(state, release)}")
    return _of_release(state, release, accepted)


def newest(state: NameState) -> str | None:
    """The newest version that may be installed and is not yanked, if there is one. As for installers, a pre-release is
    it only if there is nothing else (PEP 440).
    """
    listed = [release.version for release, _ in installable(state) if not release.yank]
    versions = [version for version in listed if is_readable(version)]
    final = [version for version in versions if not Version(version).is_prerelease]
    return max(final or versions, key=Version, default=None)


def takedown(entry: Takedown) -> str:
    """An entry of the takedown list in words."""
    said = {"suspected": "suspected", "confirmed": "taken down", "withdrawn": "withdrawn; it was listed"}[entry.status]
    elsewhere = f" ({', '.join(entry.external_ids)})" if entry.external_ids else ""
    mark = (
        entry.mark if entry.mark.reason and entry.mark.reason.text else replace(entry.mark, reason=entry.listed.reason)
    )
    return f"{said} as {entry.kind.replace('_', ' ')}{elsewhere} {since(mark)}"


def _harm(state: NameState) -> str:
    """What was taken down under this name, and what to do about it."""
    entries = [entry for entry in state.takedowns if entry.status == "confirmed"]
    versions = ", ".join(version for entry in entries for version in entry.versions)
    return f"Its versions {versions} were taken down as harmful; if one is installed, remove it" if entries else ""


def _of_bytes(state: NameState, release: Release, *files: File) -> Refuse | None:
    """Why nobody may install these bytes, if the registry has confirmed that they are harmful."""
    digests = {file.sha256 for file in files}
    for entry in state.takedowns:
        if entry.status == "confirmed" and digests & {*entry.sha256s}:
            remove = "If it is installed anywhere, remove it"
            return Refuse("taken-down", f"{state.name} {release.version} was {takedown(entry)}. {remove}")
    return None


def _of_release(state: NameState, release: Release, accepted: Accepted) -> Verdict:
    what = f"{state.name} {release.version}"
    if release.removed is not None:
        return Refuse("unpublished", f"{what} was {release.state} {on(release.removed)}. {_instead(state)}")
    if release.quarantine is not None:
        return Refuse("release-quarantined", f"{what} is quarantined {since(release.quarantine)}. {_instead(state)}")
    if (suspicion := _suspicion(state, release)) is not None:
        return Warn(f"{what} is {takedown(suspicion)}. {_instead(state)}")
    if release.yank is not None:
        return _of_yank(state, what, release.yank, accepted)
    if (advice := release.deprecated or state.deprecated) is not None:
        instead = f". Use {advice.alternative} instead" if advice.alternative else ""
        return Warn(f"{what} is deprecated {since(advice.mark)}{instead}")
    if release.held_yank is not None:
        return _of_held_yank(what, release.held_yank)
    published = f"{what} was published {release.published_at[:10]}"
    if state.archived is None:
        return Install(published)
    archived = f"archived {since(state.archived)}"
    return Install(
        f"{published}; the project is {archived}", f"{state.name} is {archived}. It installs; expect no new releases"
    )


def _of_held_yank(what: str, held: HeldYank) -> Warn:
    by = f"by {BY[held.mark.by]}{_why(held.mark)}"
    return Warn(f"{what} will be yanked at {held.effective_at} unless that is cancelled, {by}")


def _of_yank(state: NameState, what: str, yank: Yank, accepted: Accepted) -> Verdict:
    if yank.kind != "security":
        return Warn(f"{what} is yanked {since(yank.mark)}. {_instead(state)}")
    said = f"{what} is yanked for security {since(yank.mark)}. {_instead(state)}"
    if state.name in accepted.security_yanks:
        return Warn(said)
    return Refuse("security-yanked", f"{said}. To install it all the same: --allow-security-yanked {state.name}")


def _suspicion(state: NameState, release: Release) -> Takedown | None:
    """An entry about a release whose quarantine was cleared and which nobody has settled."""
    return next((e for e in state.takedowns if e.status == "suspected" and release.version in e.versions), None)


def since(mark: Mark) -> str:
    """Since when something is so, by whom and why."""
    return f"since {mark.at[:10]} by {BY[mark.by]}{_why(mark)}"


def _since_held(state: NameState) -> str:
    if state.event:
        return since(state.since)
    return f"since {state.since.at[:10]} by the holders of the registry's offline keys{_why(state.since)}"


def on(mark: Mark) -> str:
    """When something was done, by whom and why."""
    return f"on {mark.at[:10]} by {BY[mark.by]}{_why(mark)}"


def _why(mark: Mark) -> str:
    if mark.reason is None:
        return ", no reason given"
    return f": {mark.reason.text or mark.reason.code}"


def _instead(state: NameState) -> str:
    version = newest(state)
    return f"The newest version to install is {version}" if version else "There is no other version to install"


def _other_file(state: NameState, release: Release) -> str:
    if not is_installable(state, release) or release.yank is not None:
        return _instead(state)
    return f"Other files of {state.name} {release.version} are there to install"


def _not_yet(state: NameState, version: str | None) -> str:
    """What to think of a version above all that are known: it is new, and the next snapshot has it."""
    versions = [release.version for release in state.releases if is_readable(release.version)]
    newest = max(map(Version, versions), default=None)
    if version is None or not is_readable(version) or (newest is not None and Version(version) < newest):
        return ""
    return _NOT_YET


def _version_in(filename: str) -> str | None:
    if filename.endswith(".whl"):
        return "".join(filename.split("-")[1:2]) or None
    return filename.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")[2] or None


def is_same(ours: str, theirs: str) -> bool:
    """Whether two spellings are one version (PEP 440)."""
    if not (is_readable(ours) and is_readable(theirs)):
        return ours == theirs
    return Version(ours) == Version(theirs)


def is_readable(text: str) -> bool:
    """Whether this is a version in the sense of PEP 440."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
