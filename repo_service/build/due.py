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


@dataclass(frozen=True, slots=True)
class Signed:
    """What the journal knows of a role: its newest version and when that expires."""

    role: str
    version: int
    expires: datetime


def is_due(signed: Signed, lifetimes: Lifetimes, now: datetime) -> bool:
    """Whether an online role must be signed again at ``now``."""
    left = signed.expires - now
    return left < lifetimes.of(signed.role) * RENEW_BELOW.get(signed.role, 0.5)


def due_bins(roles: Iterable[Signed], lifetimes: Lifetimes, now: datetime) -> list[int]:
    """The numbers of the bins that must be signed again."""
    online_bins = (each for each in roles if each.role.startswith(f"{layout.BIN_PREFIX}-"))
    return [layout.bin_number(each.role) for each in online_bins if is_due(each, lifetimes, now)]
