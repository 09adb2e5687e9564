"""What can be known about a name from verified metadata: its state, or that the registry knows no such name.

There is no third answer. Everything else is a refusal, and nothing falls back to unverified data.
"""

from dataclasses import dataclass, field
from datetime import datetime

from packaging.version import Version

from keys.state import NameState
from keys.times import moment


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest version that this machine ever verified as there and not yanked, and when it last did."""

    version: str
    verified_at: str

    def __post_init__(self) -> None:
        Version(self.version)
        moment(self.verified_at)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A version that this machine saw go, yanked or removed, and when it first saw that. ``vouched_at``: when a quorum
    of witnesses had seen the first log that this machine verified with that in it, if it did.
    """

    version: str
    seen_at: str
    vouched_at: str | None = None

    def __post_init__(self) -> None:
        for at in (self.seen_at, self.vouched_at or self.seen_at):
            moment(at)


@dataclass(frozen=True, slots=True)
class Past:
    """What this machine remembers of a name beside its page."""

    highest: Highest | None = None
    withdrawn: tuple[Withdrawn, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The verified state of a name, and what this machine remembers of it."""

    state: NameState
    past: Past = field(default=Past(), compare=False)


@dataclass(frozen=True, slots=True)
class ProvenAbsent:
    """The one bin that may list the name was verified and does not list it, as of a snapshot and until a date."""

    name: str
    snapshot: int
    expires: datetime


Answer = Found | ProvenAbsent
