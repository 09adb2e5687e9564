"""Versions that go, yanked or removed, while this machine looks: an installer must not slip below them unnoticed.

Who can make every fixed release look yanked makes a resolver choose an old, vulnerable one, and nothing in the
metadata is wrong (docs/adr/0031). So what this machine saw as installable, and then saw go, has a cool-down: the
version that would be chosen in its place is refused until people had the time to notice, and named in a warning after.
What stands in a log that witnesses have seen was shown to everybody, and that time is short (docs/adr/0036).
Whoever names a version, or says that the yanks are right, waits for nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from packaging.version import Version

from client_verify import verdict
from client_verify.accepted import Accepted
from client_verify.answers import Found, Highest, Past, Withdrawn
from client_verify.verdict import Refuse, Verdict, Warn
from keys.state import Mark, NameState, Release, is_installable
from keys.times import moment, stamp

COOL_DOWN: Final = timedelta(hours=24)
"""As long as the registry's brake holds a mass yank (docs/adr/0007)."""
IN_PUBLIC: Final = timedelta(hours=1)
"""The same for what witnesses have seen in the log: time enough for a monitor, and for whom it wakes up."""


def followed(
    past: Past, before: NameState | None, after: NameState, now: datetime, vouched_at: datetime | None = None
) -> Past:
    """What is remembered once ``after`` was verified, the state after ``before``, and ``vouched_at`` when witnesses had
    seen the log that it is in. ``highest`` never goes down, but that another generation is another project.
    """
    if before is not None and after.generation > before.generation:
        past, before = Past(), None
    vouched = None if vouched_at is None else stamp(vouched_at)
    gone = (replace(each, vouched_at=each.vouched_at or vouched) for each in _withdrawn(past, before, after, now))
    return Past(_highest(past.highest, after, now), tuple(gone))


def of_choice(found: Found, filename: str, accepted: Accepted, now: datetime) -> Verdict:
    """May a file be installed that an installer asks for, which may have chosen its version by itself?"""
    plain = verdict.of_file(found.state, filename, accepted)
    listed = found.state.file(filename)
    if isinstance(plain, Refuse) or listed is None or listed[0].yank is not None:
        return plain  # a resolver passes over what is yanked: who gets it has named it
    gone = _gone_above(found, listed[0])
    if not gone:
        return plain
    until = max(each.until for each in gone)
    lower = _lower(found.state, listed[0], gone)
    if now < until and not _is_accepted(found.state.name, listed[0].version, accepted):
        return Refuse("lower-version", f"{lower}. {_advice(found.state.name, listed[0].version, until)}")
    return Warn(f"{plain.sentence}. {lower}" if isinstance(plain, Warn) else lower)


@dataclass(frozen=True, slots=True)
class _Gone:
    version: str
    how: str
    until: datetime


def _gone_above(found: Found, release: Release) -> list[_Gone]:
    """The versions, highest first, in whose place a resolver takes this one. Empty if another stands between."""
    above = [each for each in found.state.releases if _is_chosen_before(each.version, release.version)]
    seen = {each.version: _until(each) for each in found.past.withdrawn}
    gone = []
    for each in sorted(above, key=lambda each: Version(each.version)):
        if is_installable(found.state, each) and each.yank is None:
            break
        mark = _mark(found.state, each)
        if mark is not None and each.version in seen:
            said = verdict.since(mark) if each.removed is None else verdict.on(mark)
            how = f"yanked {said}" if each.removed is None else f"{each.state} {said}"
            gone.append(_Gone(each.version, how, seen[each.version]))
    return gone[::-1]


def _until(gone: Withdrawn) -> datetime:
    seen = moment(gone.seen_at) + COOL_DOWN
    return seen if gone.vouched_at is None else min(seen, moment(gone.vouched_at) + IN_PUBLIC)


def _is_chosen_before(version: str, lower: str) -> bool:
    if not (verdict.is_readable(version) and verdict.is_readable(lower)):
        return False
    # No resolver prefers a pre-release to a final version, so nobody falls from one to the other.
    return Version(version) > Version(lower) and (not Version(version).is_prerelease or Version(lower).is_prerelease)


def _mark(state: NameState, release: Release) -> Mark | None:
    """Why a release is passed over, if it was yanked or removed. What is listed as harmful is meant to be left."""
    if any(entry.status != "withdrawn" and release.version in entry.versions for entry in state.takedowns):
        return None
    return release.removed or (release.yank.mark if release.yank else None)


def _highest(highest: Highest | None, after: NameState, now: datetime) -> Highest | None:
    newest = verdict.newest(after)
    if newest is None or (highest is not None and Version(newest) < Version(highest.version)):
        return highest
    return Highest(newest, stamp(now))


def _withdrawn(past: Past, before: NameState | None, after: NameState, now: datetime) -> Iterator[Withdrawn]:
    seen = {each.version: each for each in past.withdrawn}
    for release in after.releases:
        if _mark(after, release) is None:
            continue
        earlier = None if before is None else before.release(release.version)
        if release.version in seen:
            yield seen[release.version]
        elif before is not None and earlier is not None and _mark(before, earlier) is None:
            yield Withdrawn(release.version, stamp(now))


def _is_accepted(name: str, version: str, accepted: Accepted) -> bool:
    named = any(verdict.is_same(version, text) for text in accepted.versions(name))
    return named or name in accepted.lower_versions


def _lower(state: NameState, release: Release, gone: list[_Gone]) -> str:
    highest, more = gone[0], len(gone) - 1
    others = f", and {more} more between them went too" if more else ""
    return (
        f"{state.name} {release.version} is older than {highest.version}, which this machine has verified as there "
        f"and not yanked; {highest.version} is {highest.how}{others}"
    )


def _advice(name: str, version: str, until: datetime) -> str:
    return (
        f"Find out whether that is right, and until then stay with what you have. If it is right, name the version "
        f"(`{name}=={version}`) or run again with --accept-yanks {name}; from {stamp(until)} on this is only a warning"
    )
