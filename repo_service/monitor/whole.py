"""A release with all that was in it, gathered leaf by leaf: what rules and feeds look at, and what it took away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import Root

from keys.state import NameState, is_installable
from keys.state import Release as ReleaseState
from keys.tlog.leaves import Snapshot
from repo_service.domain import changes as c
from repo_service.monitor.seen import Announced, Happened, Released, SealedFile, Seen, WentOn

AWAY: Final = frozenset({
    "release.yanked", "release.unpublished", "release.quarantined", "project.quarantined", "project.removed",
    "name.placeholder_set", "name.prohibited",
})  # fmt: skip
"""Types of events that take something away from who would install it."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A name that a release changed: its events in order, each with the index of its leaf, and its states around them.
    ``before`` is None if the name is new.
    """

    events: tuple[tuple[int, c.Event], ...]
    before: NameState | None
    after: NameState


@dataclass(frozen=True, slots=True)
class Rooted:
    """A root that was sealed, and the one before it (None: the first)."""

    index: int
    before: Root | None
    after: Root


@dataclass(frozen=True, slots=True)
class Whole:
    """A release with all that was in it. ``others`` are its roots, other sealed files, documents and names that were
    taken over.
    """

    released: Released
    touched: Sequence[Touched] = ()
    others: Sequence[Rooted | SealedFile | Announced | WentOn] = ()

    @property
    def leaf(self) -> Snapshot:
        """Its snapshot's."""
        return self.released.leaf

    @property
    def index(self) -> int:
        """Of its snapshot's leaf."""
        return self.released.index


class Gathering:
    """The leaves of a release that is not over yet."""

    def __init__(self) -> None:
        self._touched: dict[str, Touched] = {}
        self._others: list[Rooted | SealedFile | Announced | WentOn] = []

    def add(self, seen: Seen) -> Whole | None:
        """The whole release, if this was its last leaf."""
        if isinstance(seen, Happened):
            self._happened(seen)
        elif isinstance(seen, Released):
            whole = Whole(seen, tuple(self._touched.values()), tuple(self._others))
            self._touched, self._others = {}, []
            return whole
        else:
            self._others.append(seen)
        return None

    def _happened(self, seen: Happened) -> None:
        if seen.after is None:
            return  # no state follows from it; whoever replays says so
        known = self._touched.get(seen.event.name)
        events = (*known.events, (seen.index, seen.event)) if known else ((seen.index, seen.event),)
        self._touched[seen.event.name] = Touched(events, known.before if known else seen.before, seen.after)


def is_there(state: NameState, release: ReleaseState) -> bool:
    """Whether a resolver would take it without being asked for exactly this version."""
    return is_installable(state, release) and release.yank is None


def there(state: NameState | None) -> set[str]:
    """Versions that resolvers would take."""
    return {each.version for each in state.releases if is_there(state, each)} if state else set()


def gone(touched: Touched) -> set[str]:
    """Versions that resolvers would have taken, and no longer do."""
    return there(touched.before) - there(touched.after) if touched.before else set()


def classes(touched: Touched) -> list[str]:
    """The classes of actor that took something away, in order."""
    return sorted({event.by for _, event in touched.events if c.type_of(event.change) in AWAY})
