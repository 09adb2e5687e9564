"""What will be out of date before long, said while it is still valid: a warning costs a look, expiry costs the work."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from client_verify.trusted import Trusted
from keys import layout
from keys.times import moment, stamp

SOON: Final = timedelta(days=14)
"""A ceremony is not held in a day."""
_QUARTER: Final = 4


def warnings(repository: str, trusted: Trusted, now: datetime) -> Iterator[str]:
    """One sentence for each role that somebody ought to have signed again by now.

    A timestamp is late in the last quarter of its life, and so is a snapshot that has as little time left: it lives
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
