"""The state machines, as tables: ``decide`` asks them what is allowed, ``evolve`` what follows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from keys.state import ActorClass, NameState, Release


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: from ``source`` by ``event`` to ``target``, for these classes of actor."""

    id: str
    source: str
    event: str
    target: str
    actors: tuple[ActorClass, ...]
    new_generation: int = 0


Machine = tuple[Transition, ...]

_T = Transition

NAME: Final[Machine] = (
    _T("N1", "absent", "name.reserved", "reserved", ("owner", "system", "support", "admin")),
    _T("N2", "vacant", "name.reserved", "reserved", ("owner", "system", "support", "admin"), new_generation=1),
    _T("N3", "absent", "project.created", "registered", ("owner", "system")),
    _T("N3", "vacant", "project.created", "registered", ("owner", "system"), new_generation=1),
    _T("N4", "reserved", "reservation.converted", "registered", ("owner", "system")),
    _T("N5", "reserved", "reservation.renewed", "reserved", ("owner",)),
    _T("N7", "reserved", "reservation.released", "vacant", ("owner", "moderator", "admin")),
    _T("N8", "reserved", "reservation.expired", "vacant", ("clock",)),
    _T("N10", "absent", "name.prohibited", "prohibited", ("admin",)),
    _T("N10", "vacant", "name.prohibited", "prohibited", ("admin",)),
    _T("N10", "reserved", "name.prohibited", "prohibited", ("admin",)),
    _T("N11", "registered", "name.placeholder_set", "placeholder", ("owner", "system", "support", "admin")),
    _T("N12", "registered", "name.prohibited", "prohibited", ("admin",)),
    _T("N13", "placeholder", "project.restored", "registered", ("owner", "admin")),
    _T("N14", "placeholder", "placeholder.claim_granted", "reserved", ("support", "admin"), new_generation=1),
    _T("N16", "placeholder", "name.prohibited", "prohibited", ("admin",)),
)
"""A name that ever had a release goes back to ``placeholder``, never to ``vacant``: see ``after_reservation``."""

QUARANTINE: Final[Machine] = (
    _T("Q1", "clear", "project.quarantined", "quarantined", ("admin", "moderator", "system")),
    _T("Q2", "quarantined", "project.quarantine_cleared", "clear", ("admin",)),
)

RELEASE: Final[Machine] = (
    _T("R1", "none", "release.published", "published", ("owner", "system")),
    _T("F1", "published", "file.added", "published", ("owner", "system")),
    _T("R2", "published", "release.unpublished", "unpublished", ("owner", "support", "admin")),
    _T("R3", "unpublished", "release.restored", "published", ("owner", "admin")),
)

YANK: Final[Machine] = (
    _T("Y1", "clear", "release.yanked", "owner", ("owner",)),
    _T("Y1", "clear", "release.yanked", "security", ("moderator", "admin")),
    _T("Y1", "clear", "release.yanked", "support", ("support",)),
    _T("Y2", "owner", "release.unyanked", "clear", ("owner", "support", "admin")),
    _T("Y2", "support", "release.unyanked", "clear", ("support", "admin")),
    _T("Y2", "security", "release.unyanked", "clear", ("admin",)),
    _T("Y3", "owner", "release.yank_reason_changed", "owner", ("owner",)),
    _T("Y3", "owner", "release.yank_reason_changed", "security", ("moderator", "admin")),
    _T("Y3", "owner", "release.yank_reason_changed", "support", ("support",)),
    _T("Y3", "support", "release.yank_reason_changed", "support", ("support",)),
    _T("Y3", "support", "release.yank_reason_changed", "security", ("moderator", "admin")),
    _T("Y3", "security", "release.yank_reason_changed", "security", ("moderator", "admin")),
)


def rows(machine: Machine, source: str, event: str) -> Iterator[Transition]:
    """The rows that lead from a state by an event, for whatever actor."""
    return (row for row in machine if row.source == source and row.event == event)


def row_for(machine: Machine, source: str, event: str, actor: ActorClass) -> Transition | None:
    """The one row that this actor may take, if there is one."""
    return next((row for row in rows(machine, source, event) if actor in row.actors), None)


def name_state(state: NameState | None) -> str:
    """Where a name stands in ``NAME``."""
    return "absent" if state is None else state.state


def quarantine_state(state: NameState) -> str:
    """Where a project stands in ``QUARANTINE``: an overlay, so clearing brings back what was before."""
    return "clear" if state.quarantine is None else "quarantined"


def release_state(release: Release | None) -> str:
    """Where a version stands in ``RELEASE``."""
    return "none" if release is None else release.state


def yank_state(release: Release) -> str:
    """Where a release stands in ``YANK``: not yanked, or by which class."""
    return "clear" if release.yank is None else release.yank.kind


def after_reservation(state: NameState) -> str:
    """What a name becomes when its reservation ends: a name that once had releases is never vacant again (I13)."""
    return "placeholder" if state.releases else "vacant"
