"""What must be signed again, and when: freshness does not wait for traffic (sigstore's and Docker's outages did)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keys import layout


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """For how long each online role is signed. A timestamp of three days survives a weekend."""

    timestamp: timedelta = timedelta(days=3)
    snapshot: timedelta = timedelta(days=7)
    bin: timedelta = timedelta(days=30)

    def of(self, role: str) -> timedelta:
        """The period that a role is signed for."""
        return {layout.TIMESTAMP: self.timestamp, layout.SNAPSHOT: self.snapshot}.get(role, self.bin)


RENEW_BELOW: Final = {layout.TIMESTAMP: 0.9, layout.SNAPSHOT: 0.5}
"""Sign again when less than this part of the period is left; bins as the snapshot."""


def renew_at(role: str, expires: datetime, lifetimes: Lifetimes) -> datetime | None:
    """From when on a role that expires then is due to be signed again; None where only a ceremony can."""
    if role in layout.OFFLINE:
        return None
    return expires - lifetimes.of(role) * RENEW_BELOW.get(role, 0.5)


@dataclass(frozen=True, slots=True)
class Signed:
    """What the journal knows of a role: its newest version and when that expires."""

    role: str
    version: int
    expires: datetime
