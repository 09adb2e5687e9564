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
    _T("N9", "reserved", "reservation.revoked", "vacant", ("moderator", "admin")),
    _T("N17", "prohibited", "name.unprohibited", "vacant", ("admin",)),
    _T("N20", "registered", "project.assigned", "registered", ("support", "admin", "system")),
    _T("N21", "registered", "project.display_name_changed", "registered", ("owner", "support", "admin", "system")),
    _T("N6", "reserved", "reservation.transferred", "reserved", ("owner",), new_generation=1),
    _T("N15", "placeholder", "placeholder.claimed_open", "reserved", ("owner",), new_generation=1),
    _T("S1", "absent", "session.opened", "reserved", ("owner", "system")),
    _T("S1", "vacant", "session.opened", "reserved", ("owner", "system"), new_generation=1),
    _T("S2", "reserved", "session.cancelled", "vacant", ("owner", "system", "moderator", "admin")),
    _T("S3", "reserved", "session.expired", "vacant", ("clock",)),
)
"""A name that ever had a release goes back to ``placeholder``, never to ``vacant``: see ``when_given_up``."""

HOLDING: Final[Machine] = (_T("X2", "held", "transfer.accepted", "held", ("owner", "support", "admin")),)
"""Who holds a project is the registry's to know; that it passed on is signed. Offers are no signed state."""

QUARANTINE: Final[Machine] = (
    _T("Q1", "clear", "project.quarantined", "quarantined", ("admin", "moderator", "system")),
    _T("Q2", "quarantined", "project.quarantine_cleared", "clear", ("admin",)),
    _T("Q3", "quarantined", "project.removed", "removed", ("admin",)),
    _T("Q3", "clear", "project.removed", "clear", ("owner", "support", "admin")),
    _T("Q4", "removed", "project.restored", "quarantined", ("admin",)),
    _T("Q4", "clear", "project.restored", "clear", ("owner", "admin")),
)
"""What is removed out of quarantine comes back quarantined: it takes a second, explicit step to install again."""

STATUS: Final[Machine] = (
    _T("P1", "active", "project.archived", "archived", ("owner", "system")),
    _T("P2", "archived", "project.unarchived", "active", ("owner",)),
    _T("P3", "active", "project.deprecated", "deprecated", ("owner", "support", "system")),
    _T("P3", "archived", "project.deprecated", "deprecated", ("owner", "support", "system")),
    _T("P4", "deprecated", "project.undeprecated", "active", ("owner", "support")),
)

LOCK: Final[Machine] = (
    _T("L1", "unlocked", "project.locked", "locked", ("admin", "moderator", "system")),
    _T("L2", "locked", "project.unlocked", "unlocked", ("admin",)),
)

RELEASE: Final[Machine] = (
    _T("R1", "none", "release.published", "published", ("owner", "system")),
    _T("F1", "published", "file.added", "published", ("owner", "system")),
    _T("R2", "published", "release.unpublished", "unpublished", ("owner", "support", "admin")),
    _T("R3", "unpublished", "release.restored", "published", ("owner", "admin")),
    _T("R4", "unpublished", "release.purged", "purged", ("clock", "admin")),
)

RELEASE_QUARANTINE: Final[Machine] = (
    _T("RQ1", "clear", "release.quarantined", "quarantined", ("admin", "moderator", "system")),
    _T("RQ2", "quarantined", "release.quarantine_cleared", "clear", ("admin",)),
)

DEPRECATION: Final[Machine] = (
    _T("D1", "current", "release.deprecated", "deprecated", ("owner", "support")),
    _T("D2", "deprecated", "release.undeprecated", "current", ("owner", "support")),
)

WINDOW: Final[Machine] = (_T("C1", "open", "release.closed", "closed", ("clock", "owner")),)

FILE: Final[Machine] = (
    _T("F2", "published", "file.removed", "removed", ("owner", "admin", "support")),
    _T("F3", "removed", "file.restored", "published", ("owner", "admin")),
    _T("F4", "removed", "file.purged", "purged", ("clock", "admin")),
)

YANK: Final[Machine] = (
    _T("Y1", "clear", "release.yanked", "owner", ("owner", "system")),
    _T("Y1", "clear", "release.yanked", "security", ("moderator", "admin")),
    _T("Y1", "clear", "release.yanked", "support", ("support",)),
    _T("Y4", "clear", "release.yank_held", "held", ("owner", "support", "system")),
    _T("Y5", "held", "release.yank_cancelled", "clear", ("owner", "support", "admin")),
    _T("Y6", "held", "release.yanked", "owner", ("owner", "clock")),
    _T("Y6", "held", "release.yanked", "support", ("support",)),
    _T("Y6", "held", "release.yanked", "security", ("moderator", "admin")),
    _T("Y2", "owner", "release.unyanked", "clear", ("owner", "support", "admin")),
    _T("Y2", "support", "release.unyanked", "clear", ("support", "admin")),
    _T("Y2", "security", "release.unyanked", "clear", ("admin",)),
    _T("Y3", "owner", "release.yank_reason_changed", "owner", ("owner", "system")),
    _T("Y3", "owner", "release.yank_reason_changed", "security", ("moderator", "admin")),
    _T("Y3", "owner", "release.yank_reason_changed", "support", ("support",)),
    _T("Y3", "support", "release.yank_reason_changed", "support", ("support",)),
    _T("Y3", "support", "release.yank_reason_changed", "security", ("moderator", "admin")),
    _T("Y3", "security", "release.yank_reason_changed", "security", ("moderator", "admin")),
)

NAMESPACE: Final[Machine] = (
    _T("G2", "none", "namespace.granted", "active", ("owner", "support", "admin")),
    _T("G4", "none", "namespace.child_granted", "active", ("owner",)),
    _T("G5", "active", "namespace.shared", "active", ("owner",)),
    _T("G6", "active", "namespace.unshared", "active", ("owner",)),
    _T("G7", "active", "namespace.transferred", "active", ("owner", "support", "admin")),
    _T("G8", "active", "namespace.ended", "none", ("owner", "support", "admin")),
)
"""Applications and their review are the registry's own (G1, G3). Only what is granted is signed."""


NOBODYS: Final = ("absent", "vacant")
"""Where ``NAME`` stands while nobody has the name: whoever takes it takes a new name."""


TAKEDOWN: Final[Machine] = (
    _T("TD1", "none", "takedown.listed", "suspected", ("system", "moderator", "admin")),
    _T("TD2", "suspected", "takedown.confirmed", "confirmed", ("admin",)),
    _T("TD2", "withdrawn", "takedown.confirmed", "confirmed", ("admin",)),
    _T("TD3", "suspected", "takedown.withdrawn", "withdrawn", ("admin",)),
    _T("TD3", "confirmed", "takedown.withdrawn", "withdrawn", ("admin",)),
    _T("TD4", "suspected", "takedown.corrected", "suspected", ("system", "moderator", "admin")),
    _T("TD4", "confirmed", "takedown.corrected", "confirmed", ("system", "moderator", "admin")),
)
"""An entry of the takedown list. A correction only adds external ids, which others give later than we list."""


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
    if state.quarantine is None:
        return "clear"
    return "quarantined" if state.state == "registered" else "removed"


def status_state(state: NameState) -> str:
    """Where a project stands in ``STATUS``: what its owner says of it."""
    return "deprecated" if state.deprecated else "archived" if state.archived else "active"


def lock_state(state: NameState) -> str:
    """Where a project stands in ``LOCK``."""
    return "unlocked" if state.locked is None else "locked"


def release_quarantine_state(release: Release) -> str:
    """Where a release stands in ``RELEASE_QUARANTINE``."""
    return "clear" if release.quarantine is None else "quarantined"


def deprecation_state(release: Release) -> str:
    """Where a release stands in ``DEPRECATION``."""
    return "current" if release.deprecated is None else "deprecated"


def window_state(release: Release) -> str:
    """Where a release stands in ``WINDOW``: whether it takes new files."""
    return "open" if release.closed is None else "closed"


def file_state(release: Release, filename: str) -> str:
    """Where a file of a release stands in ``FILE``."""
    return next((each.state for each in release.removals if each.filename == filename), "published")


def yank_state(release: Release) -> str:
    """Where a release stands in ``YANK``: not yanked, waiting to be, or yanked by which class."""
    if release.held_yank is not None:
        return "held"
    return "clear" if release.yank is None else release.yank.kind


def namespace_state(state: NameState | None) -> str:
    """Where a name, as a prefix, stands in ``NAMESPACE``."""
    return "none" if state is None or state.namespace is None else "active"


def when_given_up(state: NameState) -> str:
    """What a name becomes when nobody has it any more: a name that once had releases is never vacant again (I13)."""
    return "placeholder" if state.releases else "vacant"
