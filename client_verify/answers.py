"""What can be known about a name from verified metadata: its state, or that the registry knows no such name.

There is no third answer. Everything else is a refusal, and nothing falls back to unverified data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from keys.state import NameState


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest version that this machine ever verified as there and not yanked, and when it last did."""

    version: str
    verified_at: str


@dataclass(frozen=True, slots=True)
class Past:
    """What this machine remembers of a name beside its page. ``withdrawn`` are the versions that it saw go, yanked or
    removed, each with the time when it first saw that.
    """

    highest: Highest | None = None
    withdrawn: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """The verified state of a name, and what this machine remembers of it."""

    state: NameState
    past: Past = field(default_factory=Past, compare=False)


@dataclass(frozen=True, slots=True)
class ProvenAbsent:
    """The one bin that may list the name was verified and does not list it, as of a snapshot and until a date."""

    name: str
    snapshot: int
    expires: datetime


Answer = Found | ProvenAbsent
