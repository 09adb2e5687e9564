"""The public files made again from the journal: into an empty depot, or a damaged one. Nothing is ever overwritten."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from repo_service.mending.damage import MOVE_AWAY, UPLOAD, Problem, Progress, artifacts
from repo_service.publishing.press import Press
from repo_service.publishing.publish import check_not_behind, cosigned, finish
from repo_service.storage.depot import CHECKPOINT, Depot, Diverged
from repo_service.storage.inventory import Inventory

_GROUP: Final = 200


def rebuild(press: Press, progress: Progress) -> Iterator[Problem]:
    """Add every file of the current state and point the timestamp, in the order of every publication; then every file
    that is in the depot with other bytes, and every artifact that is not there, for the journal has none of these.

    Raises Behind, before anything was written, if the depot holds a newer state than the journal. Can be repeated.
    """
    check_not_behind(press)
    checkpoint = _cosigned(press)
    with press.journal.inventory() as view:
        if (head := view.head()) is None:
            return
        diverged = [*_added(press.depot, _files(view, progress)), *_log_pointed(press.depot, checkpoint)]
        yield from diverged
        if not diverged:  # else whoever follows the pointer would meet a file that is not as it was signed
            press.depot.point(head.timestamp)
            yield from _added(press.depot, _roots(view))
        yield from _missing(press.depot, view, progress)
    if not diverged:
        finish(press)


def _cosigned(press: Press) -> bytes | None:
    """The newest checkpoint. What was committed and not copied out is shown to witnesses first, as ``finish`` does."""
    with press.journal.reading() as view:
        staged, newest = view.staged(), view.newest_logged()
    for generation in staged:
        cosigned(press, generation)
    return cosigned(press, newest.generation) if newest else None


def _log_pointed(depot: Depot, checkpoint: bytes | None) -> Iterator[Problem]:
    """Before the timestamp: who follows that must find in the log what it leads to."""
    try:
        if checkpoint is not None:
            depot.point_log(checkpoint)
    except Diverged:
        yield Problem(CHECKPOINT, "has other bytes in the depot than were signed, and was left", MOVE_AWAY)


def _files(view: Inventory, progress: Progress) -> Iterator[tuple[str, bytes]]:
    total, _ = view.counted()
    for number, file in enumerate(view.current_files(), 1):
        progress("files", number, total)
        if file.body is not None and not _is_root(file.path):
            yield file.path, file.body


def _roots(view: Inventory) -> Iterator[tuple[str, bytes]]:
    """Last, as ``finish`` does it: a new root may not accept what the pointer before named."""
    for file in view.current_files():
        if file.body is not None and _is_root(file.path):
            yield file.path, file.body


def _is_root(path: str) -> bool:
    return path.endswith(".root.json")


def _added(depot: Depot, files: Iterable[tuple[str, bytes]]) -> Iterator[Problem]:
    remaining = iter(files)
    while group := [*islice(remaining, _GROUP)]:
        try:
            depot.add(group)
        except Diverged:
            yield from _added_each(depot, group)


def _added_each(depot: Depot, files: Iterable[tuple[str, bytes]]) -> Iterator[Problem]:
    for path, body in files:
        try:
            depot.add([(path, body)])
        except Diverged:
            yield Problem(path, "has other bytes in the depot than were signed, and was left", MOVE_AWAY)


def _missing(depot: Depot, view: Inventory, progress: Progress) -> Iterator[Problem]:
    _, total = view.counted()
    for number, name in enumerate(view.all_names(), 1):
        progress("artifacts", number, total)
        assert name.state is not None, "a row of names has a state"
        for path, _ in artifacts(name.state):
            if depot.size(path) is None:
                yield Problem(path, "is missing in the depot, and the journal holds no artifacts", UPLOAD)
