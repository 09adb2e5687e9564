"""What can be known about a name from verified metadata: its state, or that the registry knows no such name.

There is no third answer. Everything else is a refusal, and nothing falls back to unverified data.
"""

from dataclasses import dataclass
from datetime import datetime

from keys.state import NameState


@dataclass(frozen=True, slots=True)
class Found:
    """The verified state of a name."""

    state: NameState


@dataclass(frozen=True, slots=True)
class ProvenAbsent:
    """The one bin that may list the name was verified and does not list it, as of a snapshot and until a date."""

    name: str
    snapshot: int
    expires: datetime


Answer = Found | ProvenAbsent
