"""What a monitor sees go by, one value for each leaf that is understood, and who watches it.

Whoever wants to say something about a registry is a ``Watch``: it is handed everything in the order of the log, within
the transaction in which the monitor takes it in, and gives findings. What it must remember it keeps in tables of its
own in the monitor's book (``Book.db``), which are committed together with everything else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keys.state import NameState
from keys.tlog import leaves
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct
from repo_service.monitor.findings import Finding


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, and its name's state before and after. A step that no table allows leaves the state as it was."""

    index: int
    event: c.Event
    serial: int
    before: NameState | None
    after: NameState | None


@dataclass(frozen=True, slots=True)
class Announced:
    """A policy, or an act of flags."""

    index: int
    document: Published | FlagAct


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file of a ceremony. ``data`` is None where it was superseded and is gone."""

    index: int
    leaf: leaves.Sealed
    data: bytes | None


@dataclass(frozen=True, slots=True)
class WentOn:
    """A name that goes on from a page, since its events are not in the log."""

    index: int
    leaf: leaves.TakenOver
    state: NameState | None


@dataclass(frozen=True, slots=True)
class Released:
    """A release is over: its snapshot's leaf, the one before, and how many events and bins it had."""

    index: int
    leaf: leaves.Snapshot
    before: leaves.Snapshot | None
    events: int
    bins: int


Seen = Happened | Announced | SealedFile | WentOn | Released
Watch = Callable[[Seen], Iterable[Finding]]
