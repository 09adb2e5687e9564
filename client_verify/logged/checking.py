"""What the log proves of the files that a session uses. Pure: bytes in; NotProven or Contradicted, or it is so."""

from datetime import UTC, datetime, timedelta
from typing import Final

from client_verify.metadata.trusted import Trusted
from client_verify.remembering import logs
from keys import layout
from keys.encoding import sha256
from keys.times import moment
from keys.tlog import proofs
from keys.tlog.merkle import NotProven
from keys.tlog.proofs import Logged, Policy

LONGEST: Final = timedelta(days=30)
"""No cosignature counts as fresh for longer, whatever life a timestamp says it has: a thief of the key may say it."""


class Contradicted(Exception):
    """A role's file is signed, and the log has another of its version."""

    def __init__(self, role: str) -> None:
        super().__init__(f"the file that is signed as {role} is not the one that the log has of its version")
        self.role = role


def logged(data: bytes, policy: Policy, trusted: Trusted) -> Logged:
    """That the release whose timestamp and snapshot these are is in the log, quorum apart."""
    found = proofs.check(proofs.read(data), policy)
    leaf, ours = found.leaf, trusted.timestamp.version
    if leaf.generation != ours:
        raise NotProven(f"the proof that was served is of timestamp version {leaf.generation}, not of {ours}")
    if logs.timestamp_differs(leaf, trusted.timestamp):
        raise Contradicted(layout.TIMESTAMP)
    if logs.snapshot_differs(leaf, trusted.snapshot.version, trusted.payload(layout.SNAPSHOT)):
        raise Contradicted(layout.SNAPSHOT)
    if leaf.version != trusted.snapshot.version:
        raise NotProven(f"the log has snapshot {leaf.version} there, not {trusted.snapshot.version}")
    return found


def check_bin(found: Logged, role: str, payload: bytes, row: bytes) -> None:
    """That what is signed in a bin is what the logged snapshot stands for."""
    if logs.digest_of(found, role, row).hex() != sha256(payload):
        raise Contradicted(role)


def seen_at(found: Logged, policy: Policy) -> datetime | None:
    """When as many witnesses as the quorum, and at least one, had seen this head; never later than its timestamp ends.

    Of three times of which two must count this is the second newest, so no one witness can push a clock forward.
    """
    times, needed = sorted(found.head.cosigned.values(), reverse=True), max(policy.quorum, 1)
    if len(times) < needed:
        return None
    end = moment(found.leaf.timestamp_expires)
    return min(datetime.fromtimestamp(min(times[needed - 1], int(end.timestamp())), UTC), end)


def stale_after(found: Logged) -> timedelta:
    """How old that time may be: as long as the timestamp lives, within limits."""
    leaf = found.leaf
    return min(moment(leaf.timestamp_expires) - moment(leaf.signed_at), LONGEST)
