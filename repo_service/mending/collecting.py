"""Superseded public files go, once nobody can still need them: no timestamp that was ever public, and is good, names
them.

In two steps, a day apart, so that a wrong clock is noticed before anything is gone: a file is marked in the journal,
then dropped from the depot and forgotten. Which files those are the journal says; the depot is never listed. Roots stay
for ever: whoever comes back after years follows them one by one. Several may collect at once and die anywhere: what may
go today may go tomorrow, and to drop a file twice is fine, so there is no lease to take.

What was uploaded and never published stays. The depot knows no ages, so nothing tells it from an upload that is about
to be published.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from keys import deltas
from keys.tlog import tiles
from repo_service.failpoint import failpoint
from repo_service.storage.depot import Depot
from repo_service.storage.inventory import Inventory
from repo_service.storage.journal import Journal

GENERATIONS: Final = 10
"""A file stays for so many releases after it was replaced, however old these are."""
BEYOND: Final = timedelta(hours=1, minutes=5)
"""How long after its date a timestamp may still be used: by a clock that is behind, from a cache."""
GRACE: Final = timedelta(days=1)
"""Between the mark and the end."""
_GROUP: Final = 200


@dataclass(frozen=True, slots=True)
class Collected:
    """How many files were marked to go, and how many that had been marked before are gone."""

    marked: int
    dropped: int


def collect(journal: Journal, depot: Depot, keep: timedelta, now: datetime) -> Collected:
    """Mark what may go and drop what was marked a day ago. ``keep`` is how long what was replaced stays at least."""
    dropped = sum(map(len, _dropped(journal, depot, keep, now)))
    with journal.inventory() as view:
        marked = 0
        for group in _groups(_superseded(view, keep, now)):
            with journal.writing() as pen:
                pen.mark_dropped(group, now)
            marked += len(group)
    with journal.writing() as pen:
        pen.forget_nonces(now)
    return Collected(marked, dropped)


def foreseen(journal: Journal, keep: timedelta, now: datetime) -> tuple[list[str], list[str]]:
    """What ``collect`` would mark, and what it would drop. Nothing is written."""
    with journal.inventory() as view:
        return [*_superseded(view, keep, now)], [*view.marked(_until(view, now), now - keep, now - GRACE)]


def _dropped(journal: Journal, depot: Depot, keep: timedelta, now: datetime) -> Iterator[list[str]]:
    with journal.inventory() as view:
        for group in _groups(view.marked(_until(view, now), now - keep, now - GRACE)):
            depot.drop(*(each for path in group for each in (path, *deltas.beside(path))))
            failpoint("collect.dropped")
            with journal.writing() as pen:
                pen.forget_files(group)
            yield group


def _superseded(view: Inventory, keep: timedelta, now: datetime) -> Iterator[str]:
    """What may go, but for the anchor that deltas to the newest snapshots lead from, and for partial tiles of the log
    in whose place there is no full one yet (C2SP tlog-tiles, "Partial Tiles").
    """
    head, logged = view.head(), view.newest_logged()
    leaves = logged.size if logged else 0
    for path in view.superseded(_until(view, now), now - keep):
        if head and deltas.is_needed(path, head.snapshot.version):
            continue
        if (tiles.full_at(path) or 0) <= leaves:
            yield path


def _until(view: Inventory, now: datetime) -> int:
    """The release at which nobody is any more who would follow what came before it."""
    head = view.head()
    if head is None:
        return 0
    held = view.reachable_from(now - BEYOND)
    staged = min(view.staged(), default=head.generation + 1)
    before = view.generation_before(head.generation, GENERATIONS)
    return min(before, staged - 1, head.generation if held is None else held)


def _groups(paths: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(paths)
    while group := [*islice(remaining, _GROUP)]:
        yield group
