"""What must hold within one signed state, whatever asked for it: a state that breaks one never leaves the signer.

Much holds by construction: types refuse impossible values (keys/state.py), and a page is its state rendered again
(keys/page.py), so what it lists cannot disagree (I7-I10, I14, I18, I26). What is left is here, by the numbers of
docs/FORMAT.md. What must hold between two states is in keys/succession.py.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from keys import names
from keys.kept import kept
from keys.state import TAKING, Mark, NameState, Release
from keys.succession import new_files_clash
from keys.times import moment

SKEW: Final = timedelta(minutes=5)
"""How far ahead of the signer's clock a time that the registry said may lie."""
CLOCK: Final = timedelta(seconds=60)
"""By how much the signer's own clock may have been put back."""


def broken_invariants(state: NameState, now: datetime) -> list[str]:
    """Every invariant that a state breaks, each with its number; none if it may be signed at ``now``."""
    return [
        *(f"I1: {clash.sentence}" for clash in new_files_clash(state)),
        *_name(state),
        *(problem for release in state.releases for problem in _release(release)),
        *_times(state, now),
    ]


def _name(state: NameState) -> Iterator[str]:
    published = [release.version for release in state.releases if release.state == "published"]
    if state.state != "registered" and published:
        yield f"I7: {state.name} is {state.state} and its version {published[0]} is published"
    if state.state == "registered" and not state.releases:
        yield f"I12: {state.name} is registered and never had a release"
    if state.releases and state.state == "vacant":
        yield f"I13: {state.name} is vacant and had releases"
    if any(release.generation > state.generation for release in state.releases):
        yield f"I11: {state.name} is in generation {state.generation} and has a release of a later one"
    yield from _namespaces(state)
    for what, mark in (("quarantine", state.quarantine), ("lock", state.locked)):
        yield from _reasoned(state.name, what, mark)
    if state.state == "prohibited":
        yield from _reasoned(state.name, "prohibition", state.since)


def _namespaces(state: NameState) -> Iterator[str]:
    """The longest prefix decides who may take a name; whoever had it before the grant keeps it."""
    nearest = state.namespaces[-1] if state.namespaces else None
    if nearest is not None and not nearest.owned:
        taken = max((act.serial for act in state.history if act.type in TAKING), default=0)
        if taken > nearest.since:
            yield f"I21: {state.name} was taken by a stranger to the namespace {nearest.prefix} after it was granted"
    if (state.namespace is not None) != (nearest is not None and nearest.prefix == state.name):
        yield f"I21: the grant of {state.name} and the namespaces it is under disagree"
    if (grant := state.namespace) is not None and grant.parent not in (None, *names.prefixes(state.name)[:-1]):
        yield f"I21: the grant of {state.name} names {grant.parent} as its parent, which is no prefix of it"


@kept
def _release(release: Release) -> tuple[str, ...]:
    return tuple(_of_release(release))


def _of_release(release: Release) -> Iterator[str]:
    if not release.files:
        yield f"I12: version {release.version} has no file"
    for what, mark in (("removal", release.removed), ("quarantine", release.quarantine)):
        if release.state != "purged":  # a purge is the clock's, and the removal before it is in the history
            yield from _reasoned(release.version, what, mark)
    for file in release.files if release.closed else ():
        assert release.closed is not None
        if moment(file.uploaded_at) > moment(release.closed.at) + SKEW:
            yield f"I15: {file.filename} was uploaded after {release.version} was closed"
    yanked = release.yank.mark if release.yank else None
    for what, mark in (("yanked", yanked), ("removed", release.removed)):
        if mark is not None and moment(mark.at) + SKEW < moment(release.published_at):
            yield f"I23: {release.version} was {what} before it was published"


def _times(state: NameState, now: datetime) -> Iterator[str]:
    last = max((act.mark.at for act in state.history), default=state.since.at)
    if moment(max(last, state.since.at)) > now + CLOCK:
        yield f"I23: {state.name} knows of something at {max(last, state.since.at)}, which is to come"
    serials = [act.serial for act in state.history]
    if serials != sorted(set(serials)) or (serials and serials[-1] > state.serial):
        yield f"I4: the history of {state.name} is not in the order of its serials"


def _reasoned(subject: str, what: str, mark: Mark | None) -> Iterator[str]:
    if mark is not None and mark.reason is None:
        yield f"I16: the {what} of {subject} has no reason"
