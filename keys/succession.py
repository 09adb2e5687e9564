"""May this page follow that one? The promises that hold between any two signed states of one name.

The signer asks before it signs and the client asks before it trusts, so neither a stolen API token nor a stolen online
key can undo what a client has once verified. See docs/FORMAT.md, "What may follow what".
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

from keys.kept import kept
from keys.state import File, NameState, Release, Takedown

Promise = Literal[
    "serial",
    "generation",
    "history",
    "tombstone",
    "bytes",
    "facts",
    "resurrected",
    "vacated",
    "takedown",
    "holder",
]


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that the later state breaks, with a sentence that names both values."""

    promise: Promise
    sentence: str


def broken_promises(before: NameState, after: NameState) -> tuple[Broken, ...]:
    """Everything that ``after`` takes back of ``before``; empty if it may follow. Equal states follow each other."""
    if after == before:
        return ()
    return (
        *_counters(before, after),
        *_name(before, after),
        *_history(before, after),
        *_releases(before, after),
        *_takedowns(before, after),
    )


def new_files_clash(state: NameState) -> tuple[Broken, ...]:
    """One file name and one artifact identity stand for one sha256 within a single state."""
    bound = [_bound(release) for release in state.releases]
    within = tuple(clash for each in bound for clash in each.clashes)
    if len(set().union(*(each.digests for each in bound))) == sum(len(each.digests) for each in bound):
        return within  # no name comes twice
    seen: dict[str, str] = {}
    pairs = ((name, digest) for each in bound for name, digest in each.digests.items())
    return (*within, *(_clash(name, name) for name, digest in pairs if seen.setdefault(name, digest) != digest))


@dataclass(frozen=True, slots=True)
class _Bound:
    """What the files of one release stand for: the sha256 by the name, and identities that would have two."""

    digests: dict[str, str]
    clashes: tuple[Broken, ...]


@kept
def _bound(release: Release) -> _Bound:
    """Identities are those of one canonical version, which no two releases share (keys/state.py)."""
    seen: dict[str, str] = {}
    clashes = tuple(
        _clash(file.filename, file.identity)
        for file in release.files
        if seen.setdefault(file.identity, file.sha256) != file.sha256
    )
    return _Bound({file.filename: file.sha256 for file in release.files}, clashes)


def _clash(filename: str, what: str) -> Broken:
    return Broken("bytes", f"{filename}: {what} has two different sha256")


def _counters(before: NameState, after: NameState) -> list[Broken]:
    found = []
    if after.serial < before.serial:
        found.append(Broken("serial", f"serial went back from {before.serial} to {after.serial}"))
    elif after.serial == before.serial:
        found.append(Broken("serial", f"there are two different states with serial {after.serial}"))
    if after.generation < before.generation:
        found.append(Broken("generation", f"generation went back from {before.generation} to {after.generation}"))
    if after.holder_epoch < before.holder_epoch:
        epochs = f"from {before.holder_epoch} to {after.holder_epoch}"
        found.append(Broken("holder", f"the number of changes of holder went back {epochs}"))
    return found


def _name(before: NameState, after: NameState) -> list[Broken]:
    if before.releases and after.state == "vacant":
        return [Broken("vacated", f"a name that was {before.state} and had releases became vacant")]
    return []


def _history(before: NameState, after: NameState) -> list[Broken]:
    kept = after.history[: len(before.history)]
    lost = next((act for act, same in zip(before.history, (*kept, None), strict=False) if act != same), None)
    return [Broken("history", f"{lost.type} of {lost.mark.at} is no longer in the history")] if lost else []


def _takedowns(before: NameState, after: NameState) -> list[Broken]:
    """The list grows at its end; of an entry only the status, its mark and further external ids may change (I19)."""
    found = []
    for number, entry in enumerate(before.takedowns):
        same = after.takedowns[number] if number < len(after.takedowns) else None
        if same is None:
            found.append(Broken("takedown", f"takedown {entry.id} disappeared; an entry is withdrawn, never deleted"))
        elif _charge(same) != _charge(entry) or not set(entry.external_ids) <= set(same.external_ids):
            found.append(Broken("takedown", f"takedown {entry.id} is told otherwise than before"))
    return found


def _charge(entry: Takedown) -> Takedown:
    """What of an entry never changes."""
    return replace(entry, status="suspected", mark=entry.listed, external_ids=())


def _releases(before: NameState, after: NameState) -> list[Broken]:
    later = {release.canonical: release for release in after.releases}
    found: list[Broken] = []
    for release in before.releases:
        follower = later.get(release.canonical)
        if follower is None:
            found.append(Broken("tombstone", f"version {release.version} disappeared without a tombstone"))
        elif follower is not release:
            found.extend(_release(release, follower))
    return found


def _release(before: Release, after: Release) -> list[Broken]:
    found = _files(before, after)
    if (before.version, before.published_at) != (after.version, after.published_at):
        found.append(Broken("facts", f"version {before.version}: its {_differing(before, after)} changed"))
    if before.generation != after.generation:
        found.append(Broken("resurrected", f"version {before.version} passed to another holder"))
    added = {file.filename for file in after.files} - {file.filename for file in before.files}
    if before.state != "published" and after.state == "published" and added:
        sentence = f"version {before.version} was {before.state} and came back with {min(added)}"
        found.append(Broken("resurrected", sentence))
    if before.state == "purged" and after.state != "purged":
        found.append(Broken("resurrected", f"version {before.version} was purged for ever and came back"))
    still = {each.filename for each in after.removals if each.state == "purged"}
    found += [
        Broken("resurrected", f"{each.filename} was purged for ever and came back")
        for each in before.removals
        if each.state == "purged" and each.filename not in still
    ]
    return found


def _files(before: Release, after: Release) -> list[Broken]:
    found = []
    by_name = {file.filename: file for file in after.files}
    by_identity = {file.identity: file for file in after.files}
    for file in before.files:
        other = by_name.get(file.filename) or by_identity.get(file.identity)
        if other is None:
            found.append(Broken("tombstone", f"{file.filename} disappeared without a tombstone"))
        elif other.sha256 != file.sha256:
            hashes = f"was sha256 {file.sha256:.16}… and is now {other.sha256:.16}…"
            found.append(Broken("bytes", f"{file.filename} {hashes}"))
        elif other != file:
            found.append(Broken("facts", f"{file.filename}: its {_differing(file, other)} changed"))
    return found


def _differing(before: File | Release, after: File | Release) -> str:
    return ", ".join(f.name for f in fields(before) if getattr(before, f.name) != getattr(after, f.name))
