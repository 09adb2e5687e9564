"""What a person should know while nothing is refused yet: a warning costs a look, expiry costs the work."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from client_verify.metadata.trusted import Trusted
from client_verify.trust import Pin
from keys import layout
from keys.times import moment, stamp

SOON: Final = timedelta(days=14)
"""A ceremony is not held in a day."""
STALE: Final = timedelta(hours=24)
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far apart two honest clocks may be."""
_QUARTER: Final = 4


def warnings(pin: Pin, trusted: Trusted, now: datetime) -> Iterator[str]:
    """One sentence for each: a rehearsal, a clock that is behind, silence, and roles that ought to be signed again."""
    if pin.is_rehearsal:
        yield f'repository "{pin.name}" is a rehearsal: trust nothing from it'
    yield from _of_clock(pin.name, trusted, now)
    yield from _of_dates(pin.name, trusted, now)


def _of_clock(repository: str, trusted: Trusted, now: datetime) -> Iterator[str]:
    signed_at = trusted.timestamp.unrecognized_fields.get(layout.SIGNED_AT_FIELD)
    try:
        age = now - moment(str(signed_at))
    except ValueError:
        return
    if age < -CLOCK_SKEW:
        yield (
            f'repository "{repository}" signed at {signed_at}, but this machine\'s clock says {stamp(now)}: a clock '
            "that is behind takes old metadata for good; set it"
        )
    if age > STALE:
        yield f'repository "{repository}" has signed nothing new since {signed_at}; it may be kept from you'


def _of_dates(repository: str, trusted: Trusted, now: datetime) -> Iterator[str]:
    """A timestamp is late in the last quarter of its life, and so is a snapshot that has as little time left: it lives
    at least as long and is signed again after half of that. Where the timestamp does not say when it was signed,
    nothing is known of these two. What a ceremony signs is late two weeks before its end.
    """
    late = _life(trusted) / _QUARTER
    limits = ((trusted.timestamp, late), (trusted.snapshot, late), (trusted.root, SOON), (trusted.targets, SOON))
    for role, least in limits:
        if role.expires - now < least:
            yield (
                f'{role.type} version {role.version} of repository "{repository}" is valid until '
                f"{stamp(role.expires)}, and nothing newer is served yet: after that everything is refused"
            )


def _life(trusted: Trusted) -> timedelta:
    signed_at = trusted.timestamp.unrecognized_fields.get(layout.SIGNED_AT_FIELD)
    try:
        return trusted.timestamp.expires - moment(str(signed_at))
    except ValueError:
        return timedelta(0)
