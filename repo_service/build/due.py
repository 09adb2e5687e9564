"""What must be signed again, and when: freshness does not wait for traffic (sigstore's and Docker's outages did).

Everything signed with an expiry is in one table, and each of its online roles carries the instant from which it is due.
Bins are spread: all of them are signed in one moment when a repository begins or a key is changed, and must not fall
due in one moment. A bin is due after half of its period plus up to a quarter, by its number, so 16,384 bins of 30 days
come at 1.5 a minute; and at least a quarter of the period, more than a week, is left to whoever is late.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keys import layout

AT_ONCE: Final = 64
"""Bins that a release may sign again beside its changes without anybody waiting for it."""
WARN_DAYS: Final = (90, 60, 30, 14, 7)
"""Days before the end of an offline role at which people are told; at the first a ceremony begins."""
WHOLE: Final = 1 << 16
_AHEAD: Final = timedelta(seconds=60)  # how far clocks are allowed to differ


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """For how long each role is signed, and how often somebody looks at what is due. A timestamp of three days
    survives a weekend. ``offline`` is only to judge how fresh a ceremony's files are; their dates are its own.
    """

    timestamp: timedelta = timedelta(days=3)
    snapshot: timedelta = timedelta(days=7)
    bin: timedelta = timedelta(days=30)
    refresh: timedelta = timedelta(minutes=10)
    offline: timedelta = timedelta(days=365)

    @classmethod
    def default(cls) -> "Lifetimes":
        """The periods that a service has unless its settings say otherwise."""
        return cls()

    @classmethod
    def strict(cls) -> "Lifetimes":
        """The periods of PEP 458."""
        day = timedelta(days=1)
        return cls(day, day, day)

    def of(self, role: str) -> timedelta:
        """The period that a role is signed for."""
        if role in layout.OFFLINE:
            return self.offline
        return {layout.TIMESTAMP: self.timestamp, layout.SNAPSHOT: self.snapshot}.get(role, self.bin)


@dataclass(frozen=True, slots=True)
class Signed:
    """What the journal knows of a role: its newest version and when that expires."""

    role: str
    version: int
    expires: datetime


def renew_at(role: str, expires: datetime, lifetimes: Lifetimes) -> datetime | None:
    """From when on a role that expires then is due to be signed again; None for offline roles, which a ceremony signs.

    After 8 % of its period for the timestamp, so that of three days 66 hours are left at any time, whether somebody
    looks every ten minutes or every six hours; after half of it for the snapshot; for bins see above. Whole seconds.
    """
    if role in layout.OFFLINE:
        return None
    period = lifetimes.of(role)
    after = {layout.TIMESTAMP: period * 8 / 100, layout.SNAPSHOT: period / 2}.get(role)
    if after is None:
        after = period / 2 + period / 4 * _share(layout.bin_number(role)) / WHOLE
    return (expires - period + after).replace(microsecond=0)


def is_due(signed: Signed, lifetimes: Lifetimes, now: datetime) -> bool:
    """Whether a role must be signed again at ``now``."""
    at = renew_at(signed.role, signed.expires, lifetimes)
    return at is not None and at <= now


def next_renewals(due: Collection[Signed], bins: int, lifetimes: Lifetimes, now: datetime) -> list[Signed]:
    """Of the bins that are due, those that the next release signs again: the first to expire first. ``bins`` is how
    many there are altogether.

    As many as the greatest of three numbers says, or all. ``AT_ONCE``. Twice as many as become due between two looks:
    they all do in a quarter of the period, so no backlog grows. And so many that all are signed in half of the time
    that the first to expire has left; this is all of them when that is less than four looks, so none ever expires
    while somebody looks.
    """
    in_order = sorted(due, key=lambda each: (each.expires, each.role))
    if not in_order:
        return []
    looks = max(1, (in_order[0].expires - now) // (2 * lifetimes.refresh))
    arriving = 4 * bins * lifetimes.refresh / lifetimes.bin
    return in_order[: max(AT_ONCE, 2 * round(arriving), -(-len(in_order) // looks))]


def rescheduled(signed: Signed, lifetimes: Lifetimes, now: datetime) -> datetime | None:
    """From when on a role is due that was signed with other periods, or by a clock that was ahead: what lives longer
    than it would if it were signed now is due now, for whoever keeps it from clients may do so that long.
    """
    at = renew_at(signed.role, signed.expires, lifetimes)
    return now if at is not None and signed.expires - now > lifetimes.of(signed.role) + _AHEAD else at


def freshness(roles: Iterable[Signed], lifetimes: Lifetimes, now: datetime) -> Mapping[str, float]:
    """How much of its period each role has left, from 1 (just signed) to 0 (expired): what status shows and metrics
    export. Of the bins the one that expires first, as ``bin``. Below 0.5 somebody must look: for a timestamp and a
    snapshot nobody has signed for long, for a bin renewals are late below 0.25, an offline role needs a ceremony.
    """
    left: dict[str, float] = {}
    for each in roles:
        name = layout.BIN_PREFIX if each.role.startswith(f"{layout.BIN_PREFIX}-") else each.role
        share = (each.expires - now) / lifetimes.of(each.role)
        left[name] = min(left.get(name, 1.0), max(share, 0.0))
    return left


def warnings(roles: Iterable[Signed], now: datetime) -> list[str]:
    """What must be said of offline roles that come to their end: one sentence for each, the most urgent first."""
    sentences = []
    for each in sorted((each for each in roles if each.role in layout.OFFLINE), key=lambda each: each.expires):
        days = (each.expires - now) / timedelta(days=1)
        reached = [limit for limit in WARN_DAYS if days < limit]
        if days <= 0:
            sentences.append(f"{each.role} {each.version} HAS EXPIRED: clients refuse. Hold a ceremony now.")
        elif reached:
            sentences.append(
                f"{each.role} {each.version} expires in less than {reached[-1]} days: hold a ceremony "
                f"(tallystick-ceremony plan … --after), then take-in."
            )
    return sentences


def _share(number: int) -> int:
    # Multiples of the golden ratio lie evenly in [0, WHOLE), however many bins there are; 40503 is odd, so no two meet.
    return number * 40503 % WHOLE
