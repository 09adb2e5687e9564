"""Two signed files of one role and version: what python-tuf does not compare, because it keeps the one that it has.

It takes a timestamp of equal version unread, and a snapshot or bin by its version alone, so who has the online key
could show each client another one under the same number. What was kept, what is trusted and what is served are
compared here. A file that is not signed by today's keys tells nothing, and least of all against the registry: after a
theft a new root takes the thief's word out of the memory like this.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets, Timestamp

from client_verify.metadata.trusted import Trusted
from client_verify.refusals import Refused
from client_verify.remembering.evidence import differs
from keys import counting, layout
from keys.encoding import sha256
from keys.times import moment

_LONGEST: Final = 2_000_000
"""python-tuf's own limit where the timestamp gives no length."""


@dataclass(frozen=True, slots=True)
class Equivocation:
    """One role and version, two contents."""

    role: str
    version: int
    before: bytes
    after: bytes

    @property
    def sentence(self) -> str:
        """What it is, for people."""
        return f"two different files are signed as version {self.version} of {self.role}"


def of_timestamps(root: Root, before: bytes | None, after: bytes | None) -> Equivocation | None:
    """Between two timestamps, the earlier first. Refused if the later one is an older version."""
    if before is None or after is None or before == after or not is_signed(root, layout.TIMESTAMP, before):
        return None
    versions = _version(before), _version(after)
    if versions[1] < versions[0]:
        raise Refused(
            "rollback", f"timestamp version {versions[1]} was served; this machine has verified version {versions[0]}"
        )
    return _of(root, layout.TIMESTAMP, before, after)


def of_snapshot(trusted: Trusted, fetch: Callable[[int, int], bytes]) -> Equivocation | None:
    """Between the snapshot that is kept and the one that the timestamp lists, which ``fetch`` gets by its version and
    length if it is another. Refused if that cannot be had, because then nothing is what the timestamp vouches for.
    """
    listed = trusted.timestamp.snapshot_meta
    digest = (listed.hashes or {}).get("sha256")
    kept = trusted.files[layout.SNAPSHOT]
    if digest is None or digest == sha256(kept):
        return None
    other = fetch(listed.version, listed.length or _LONGEST)
    if sha256(other) != digest:
        raise Refused("mismatch", f"snapshot {listed.version} is not the one that the timestamp lists")
    return _of(trusted.root, layout.SNAPSHOT, kept, other)


def of_bin(bins: Targets, role: str, before: bytes | None, after: bytes) -> Equivocation | None:
    """Between the bin that proved what is remembered and the one that is trusted now."""
    if before is None or not differs(before, after) or not is_signed(bins, role, before):
        return None
    return _of(bins, role, before, after)


def is_signed(delegator: Root | Targets, role: str, data: bytes) -> bool:
    """Whether enough of today's keys signed this file."""
    try:
        return counting.count_file(delegator, role, data).met
    except (RepositoryError, ValueError):
        return False


def newer(root: Root, kept: bytes | None, other: bytes) -> bytes:
    """The timestamp of the higher version, of one that was kept and another."""
    if kept is None or not is_signed(root, layout.TIMESTAMP, kept):
        return other
    return max(kept, other, key=_version)


def signed_later(root: Root, kept: bytes | None, newest: bytes) -> bytes:
    """The timestamp that was signed later, of one that was kept and the one that is trusted now."""
    if kept is None or not is_signed(root, layout.TIMESTAMP, kept):
        return newest
    return max(newest, kept, key=signed_at)


def signed_at(data: bytes) -> datetime:
    """When a timestamp says it was signed, and no later than it says it ends; the beginning of time if it says not."""
    timestamp: Metadata[Timestamp] = Metadata.from_bytes(data)
    said = timestamp.signed.unrecognized_fields.get(layout.SIGNED_AT_FIELD)
    try:
        return min(moment(str(said)), timestamp.signed.expires)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _of(delegator: Root | Targets, role: str, before: bytes, after: bytes) -> Equivocation | None:
    if not differs(before, after):
        return None
    if not is_signed(delegator, role, after):
        raise Refused("invalid", f"{role}: what was served as version {_version(after)} is not signed")
    return Equivocation(role, _version(before), before, after)


def _version(data: bytes) -> int:
    return int(json.loads(data)["signed"]["version"])
