"""After a theft of the online key: the public metadata is what this journal committed, and nobody else's.

A thief who could write to the depot left files there that clients follow: a timestamp, perhaps with an enormous
version, and numbered files under names that ours will have. A depot never gives a name away twice, which is right as
long as whoever wrote the first file may have been us. A root that does not name the stolen key settles it: what this
journal does not hold, and not enough keys of that root have signed, no client that has the root ever takes again. It
is nobody's file: it may go, and its name may be given to ours (docs/adr/0027).
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from tuf.api.exceptions import RepositoryError

from keys import counting, layout
from keys.counting import Delegator
from keys.times import stamp
from repo_service.mending import reclaiming_log
from repo_service.publishing import roots
from repo_service.publishing.press import Press
from repo_service.publishing.publish import check_not_behind, leased
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP
from repo_service.storage.inventory import Inventory

Keep = Callable[[str, bytes], None]
"""Hears the path and the bytes of a file that is about to go: it is evidence."""
_FILE: Final = re.compile(r"metadata/(?:[0-9]+\.)?([a-z0-9-]+)\.json", re.ASCII)
_LONG: Final = 3600.0


def reclaim(press: Press, sealed: roots.Sealed, last_good: int, keep: Keep) -> list[str]:
    """Take out of the public metadata what was somebody else's, and put back what it stood for; the paths.

    ``last_good`` is the newest release of this journal, as whoever runs this knows it: NotTakenIn if it is another, for
    an old backup looks just like a theft. Can be repeated. Nothing else may publish meanwhile.
    """
    with leased(press, _LONG), press.journal.inventory() as view:
        if view.newest(layout.ROOT) != sealed.trust.roots[-1].data:  # else this is said again, and was checked
            _check_last_good(view, last_good)
        pointer = press.depot.pointer()
        if pointer and _is_signed(_delegators(sealed), layout.TIMESTAMP, pointer):
            check_not_behind(press)  # nobody but us has the new key: an older database was restored
        reclaiming_log.check_not_forged(press, view, sealed)
        pointed = view.pointed()
        assert pointed is not None, "a service that was begun has a public timestamp"
        taken = []
        for path, found, ours in chain(_aliens(press, view, sealed), reclaiming_log.aliens(press, view)):
            keep(path, found)
            press.depot.drop(path)
            press.depot.add([(path, body) for body in ours if path not in (TIMESTAMP, CHECKPOINT)])
            taken.append(path)
        if logged := view.log_pointed():
            press.depot.point_log(f"{logged.checkpoint}{logged.cosigned}".encode())
        press.depot.point(pointed[1])
    return taken


def _check_last_good(view: Inventory, last_good: int) -> None:
    head = view.head()
    if head is None or head.generation != last_good:
        is_it = f"{head.generation}, signed {stamp(head.signed_at)}" if head else "none"
        raise roots.NotTakenIn([
            f"you say that release {last_good} was the last good one, and the newest in this database is {is_it}. If "
            "the database is an older one that was restored, what was signed since would be lost: find a newer backup. "
            "The service's log says what it published last. Nothing was written."
        ])  # fmt: skip


def _aliens(press: Press, view: Inventory, sealed: roots.Sealed) -> Iterator[tuple[str, bytes, list[bytes]]]:
    """Public metadata that is neither ours nor signed for the new root, with what ours would be, if there is any.

    The depot is listed, since nothing else knows what a thief wrote.
    """
    delegators = _delegators(sealed)
    for path in press.depot.paths("metadata"):
        match = _FILE.fullmatch(path)
        if match is None:
            continue  # a delta: whoever uses one compares what it leads to
        ours = _ours(view, path)
        if not ours and view.has_file(path):
            continue  # replaced long ago, its bytes are not kept, and nothing names it
        found = press.depot.read(path)
        if found is not None and found not in ours and not _is_signed(delegators, match[1], found):
            yield path, found, ours


def _ours(view: Inventory, path: str) -> list[bytes]:
    """What this journal committed under a name; of the timestamp what is public or about to be."""
    if path != TIMESTAMP:
        return [body] if (body := view.file(path)) is not None else []
    head, pointed = view.head(), view.pointed()
    return [each for each in (head and head.timestamp, pointed and pointed[1]) if each]


def _delegators(sealed: roots.Sealed) -> tuple[Delegator, ...]:
    newest = sealed.trust.newest
    return tuple(newest[role].body for role in (layout.ROOT, layout.TARGETS, layout.BINS))


def _is_signed(delegators: tuple[Delegator, ...], role: str, data: bytes) -> bool:
    """Whether enough keys signed a file for whoever of these delegates to its role."""
    for delegator in delegators:
        try:
            if counting.count_file(delegator, role, data).met:
                return True
        except (RepositoryError, ValueError):
            continue  # no metadata at all, or not a role of this delegator's
    return False
