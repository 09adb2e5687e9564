"""Do the database, the public files and a verifying client agree? Every signature, every invariant, and no trust in
what wrote them: all is read back from bytes, by python-tuf's client and by keys/, as a stranger would.

It reads one moment of the journal, so it can run beside a service that goes on publishing. Nothing is ever written.
Memory holds some bins and one name (and the versions of all roles), whatever the size of the repository.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from keys import layout
from keys.encoding import sha256
from keys.tlog.proofs import policy_of
from repo_service.build.metadata import metadata_path
from repo_service.mending import clientcheck, logcheck, namecheck, rolecheck
from repo_service.mending.damage import (
    MOVE_AWAY,
    PUBLISH,
    REBUILD,
    RECOVER,
    RESTORE,
    UPLOAD,
    Problem,
    artifacts,
)
from repo_service.mending.look import Look, Repository, named
from repo_service.storage.depot import version_of
from repo_service.storage.journal import Journal


def examine(its: Repository) -> Iterator[Problem]:
    """Every problem there is."""
    return _examine(its, (*_QUICK, namecheck.histories, _leaves, _artifacts))


def examine_quickly(its: Repository) -> Iterator[Problem]:
    """As ``examine``, without replaying the events of each name and without looking for artifacts."""
    return _examine(its, _QUICK)


def _examine(its: Repository, checks: Iterable[Callable[[Look], Iterator[Problem]]]) -> Iterator[Problem]:
    with its.journal.inventory() as view:
        look = Look(its, view, view.every_role(), frozenset(view.staged()))
        trusted, problems = rolecheck.offline(look)
        yield from problems
        for check in checks:
            yield from check(replace(look, trusted=trusted))


# The releases and the pointer.


def _pointer(look: Look) -> Iterator[Problem]:
    """The public timestamp is the newest release's that was copied out."""
    newest, public = look.view.pointed(), look.its.depot.pointer()
    if newest is None:
        return
    generation, timestamp = newest
    where = metadata_path(layout.TIMESTAMP, generation)
    if public is None:
        yield Problem(where, f"is missing; clients should see timestamp {generation}", REBUILD)
        return
    try:
        version = version_of(public)
    except (ValueError, KeyError, TypeError):
        yield Problem(where, "is no timestamp", MOVE_AWAY)
        return
    if version > generation and not _is_known(look.its.journal, version):
        yield Problem(where, f"is version {version}; the newest release of the journal is {generation}", RECOVER)
    elif version < generation:
        yield Problem(where, f"is version {version}; {generation} was published", REBUILD)
    elif version == generation and public != timestamp:
        yield Problem(where, f"is of version {version} and not as it was signed", MOVE_AWAY)


def _is_known(journal: Journal, generation: int) -> bool:
    """Whether publishing just went on, since this look began."""
    with journal.reading() as view:
        head = view.head()
    return head is not None and head.generation >= generation


def _log(look: Look) -> Iterator[Problem]:
    """The public checkpoint, and the proof that goes with the public timestamp."""
    with look.its.journal.reading() as view:  # publishing may have gone on since this look began
        newest = view.newest_logged()
    yield from logcheck.pointed_wrong(look.view, look.its.depot, newest.size if newest else 0)
    if look.trusted is not None:
        yield from logcheck.unproven(look.view, look.its.depot, policy_of(look.trusted.root))


def _leaves(look: Look) -> Iterator[Problem]:
    """The log itself, leaf by leaf."""
    return logcheck.leaves_wrong(look.view, look.its.depot, look.its.progress)


def _staged(look: Look) -> Iterator[Problem]:
    """Every release is copied out. What is being copied at this moment is given a moment."""
    if look.staged:
        time.sleep(1)
        with look.its.journal.reading() as view:
            still = look.staged.intersection(view.staged())
        for generation in sorted(still):
            yield Problem(f"release {generation}", "is signed and not copied out", PUBLISH)
    for generation in look.view.lost_releases():
        yield Problem(f"release {generation}", "is named by events and does not exist", RESTORE)


# The files.


def _files(look: Look) -> Iterator[Problem]:
    """Every file of the current state is in the journal and in the depot, to the byte."""
    total, _ = look.view.counted()
    for number, file in enumerate(look.view.current_files(), 1):
        look.its.progress("files", number, total)
        if file.body is None:
            yield Problem(file.path, "is of the current state, and the journal has no copy of it", RESTORE)
        elif (len(file.body), sha256(file.body)) != (file.length, file.sha256):
            yield Problem(file.path, "the journal's own copy is not what was signed", RESTORE)
        if file.release in look.staged:
            continue
        found = look.its.depot.read(file.path)
        if found is None:
            yield Problem(file.path, "is missing in the depot", REBUILD)
        elif (len(found), sha256(found)) != (file.length, file.sha256):
            yield Problem(file.path, "has other bytes in the depot than were signed", MOVE_AWAY)


# Artifacts.


def _artifacts(look: Look) -> Iterator[Problem]:
    """The files of an embedded registry lie where their targets point."""
    for name in named(look, "artifacts"):
        assert name.state is not None, "a row of names has a state"
        for path, size in artifacts(name.state):
            if (found := look.its.depot.size(path)) is None:
                yield Problem(path, "is missing in the depot", UPLOAD)
            elif size is not None and found != size:
                yield Problem(path, f"has {found} bytes in the depot, not {size}", MOVE_AWAY)


_QUICK: Final = (_pointer, _log, _files, rolecheck.online, namecheck.pages, clientcheck.client, _staged)
