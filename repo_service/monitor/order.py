"""What may come after what: a release after the last, a name's state after another, an event in time. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from keys import invariants, succession
from keys.state import NameState
from keys.times import moment
from keys.tlog import leaves
from repo_service.domain import changes as c
from repo_service.monitor import codes
from repo_service.monitor.findings import Finding


def wrong_state(before: NameState | None, after: NameState, at: str, index: int) -> Iterator[Finding]:
    """What must never be signed, and what takes back what was signed."""
    for broken in succession.broken_promises(before, after) if before else ():
        sentence = f"{after.name}: {broken.sentence} ({broken.promise})"
        yield codes.found("promise-broken", sentence, at, index, after.name)
    try:
        broken_now = invariants.broken_invariants(after, moment(at))
    except OverflowError as error:
        broken_now = [str(error)]
    for why in broken_now:
        yield codes.found("invariant-broken", f"{after.name}: {why}", at, index, after.name)


def wrong_order(before: leaves.Snapshot | None, after: leaves.Snapshot, index: int) -> Iterator[Finding]:
    """Releases count up, and so do snapshots; one that stays is the same in everything."""
    at = after.signed_at
    if before is None:
        return
    if after.generation <= before.generation or after.version < before.version:
        sentence = (
            f"release {after.generation} with snapshot {after.version} follows {before.generation}, {before.version}"
        )
        yield codes.found("version-backwards", sentence, at, index)
    if after.generation > before.generation + 1 or after.version > before.version + 1:
        sentence = (
            f"release {after.generation} with snapshot {after.version} follows {before.generation}, {before.version}"
        )
        yield codes.found("version-gap", sentence, at, index)
    if moment(at) < moment(before.signed_at) - invariants.CLOCK:
        yield codes.found("time-backwards", f"it was signed at {at}, after {before.signed_at}", at, index)
    same = replace(
        before,
        generation=after.generation,
        signed_at=at,
        timestamp_expires=after.timestamp_expires,
        layout=after.layout,
    )
    if after.version == before.version and same != after:
        sentence = f"snapshot {after.version} was logged before with another content"
        yield codes.found("snapshot-differs", sentence, at, index)


def out_of_time(event: c.Event, before: NameState | None, signed_at: str) -> Iterator[str]:
    """Why an event cannot be of its date or have its number, after what its name was before."""
    at = moment(event.at)
    if at > moment(signed_at) + invariants.CLOCK:
        yield f"event {event.seq} of {event.name} is dated {event.at}, and was signed at {signed_at}"
    if before is None:
        return
    last = max(before.since.at, before.history[-1].mark.at) if before.history else before.since.at
    if at < moment(last) - invariants.CLOCK:
        yield f"event {event.seq} of {event.name} is dated {event.at}, after {last}"
    if event.seq <= before.event:
        yield f"event {event.seq} of {event.name} follows {before.event}"
