"""Superseded public files go, once nobody can still need them: no timestamp that was ever public, and is good, names
them.

In two steps, a day apart, so that a wrong clock is noticed before anything is gone: a file is marked in the journal,
then dropped from the depot and forgotten. Which files those are the journal says; the depot is never listed. Roots stay
for ever: whoever comes back after years follows them one by one. Several may collect at once and die anywhere: what may
go today may go tomorrow, and to drop a file twice is fine, so there is no lease to take.

A snapshot that deltas still lead from stays, and the deltas to a file go with it (docs/FORMAT.md, "Deltas").

What was uploaded and never published stays. The depot knows no ages, so nothing tells it from an upload that is about
to be published.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from keys import layout
from keys.deltas import is_needed, leading_to
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
_SNAPSHOT_OR_BIN: Final = re.compile(
    rf"metadata/([0-9]+)\.({layout.SNAPSHOT}|{layout.BIN_PREFIX}-[0-9a-f]+)\.json", re.ASCII
)


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
        for group in _groups(_useless(view, view.superseded(_until(view, now), now - keep))):
            with journal.writing() as pen:
                pen.mark_dropped(group, now)
            marked += len(group)
    with journal.writing() as pen:
        pen.forget_nonces(now)
    return Collected(marked, dropped)


def foreseen(journal: Journal, keep: timedelta, now: datetime) -> tuple[list[str], list[str]]:
    """What ``collect`` would mark, and what it would drop. Nothing is written."""
    with journal.inventory() as view:
        until = _until(view, now)
        marked = _useless(view, view.superseded(until, now - keep))
        return [*marked], [*view.marked(until, now - keep, now - GRACE)]


def _dropped(journal: Journal, depot: Depot, keep: timedelta, now: datetime) -> Iterator[list[str]]:
    with journal.inventory() as view:
        for group in _groups(view.marked(_until(view, now), now - keep, now - GRACE)):
            for path in group:
                for delta in _deltas_to(path):
                    depot.drop(delta)
                depot.drop(path)
            failpoint("collect.dropped")
            with journal.writing() as pen:
                pen.forget_files(group)
            yield group


def _until(view: Inventory, now: datetime) -> int:
    """The release at which nobody is any more who would follow what came before it."""
    head = view.head()
    if head is None:
        return 0
    held = view.reachable_from(now - BEYOND)
    staged = min(view.staged(), default=head.generation + 1)
    return min(head.generation - GENERATIONS, staged - 1, head.generation if held is None else held)


def _useless(view: Inventory, paths: Iterable[str]) -> Iterator[str]:
    """Those from which no delta leads any more."""
    head = view.head()
    for path in paths:
        found = _SNAPSHOT_OR_BIN.fullmatch(path)
        needed = head and found and found[2] == layout.SNAPSHOT and is_needed(int(found[1]), head.snapshot.version)
        if not needed:
            yield path


def _deltas_to(path: str) -> Iterator[str]:
    if found := _SNAPSHOT_OR_BIN.fullmatch(path):
        yield from (step.path for step in leading_to(found[2], int(found[1])))


def _groups(paths: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(paths)
    while group := [*islice(remaining, _GROUP)]:
        yield group
