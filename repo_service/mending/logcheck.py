"""Is the log whole, and does it say what the journal does? Its tree is read back from the depot, unbelieved."""

from collections.abc import Iterator
from typing import Final

from keys.tlog import leaves, notes, proofs
from keys.tlog.leaves import BadLeaf
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote
from repo_service.build.growth import LOG
from repo_service.build.logbook import Said
from repo_service.domain import changes as c
from repo_service.domain import logged
from repo_service.domain.logged import Logged
from repo_service.mending.damage import MOVE_AWAY, REBUILD, RECOVER, RESTORE, Problem, Progress
from repo_service.mending.logwalk import LoggedRows, releases_in
from repo_service.storage.depot import CHECKPOINT, Depot, size_of
from repo_service.storage.inventory import Inventory
from repo_service.storage.logreading import LoggedRelease

LISTED: Final = "what is wrong with its files is listed with them"
_WHERE: Final = "the log"


def pointed_wrong(view: Inventory, depot: Depot, known: int) -> Iterator[Problem]:
    """The public checkpoint is the one of the newest release that was copied out, or of one that is being copied.
    ``known`` is how many leaves the journal has logged by now.
    """
    newest, public = view.log_pointed(), depot.read(CHECKPOINT)
    try:
        size = size_of(public) if public is not None else 0
    except (ValueError, IndexError):
        yield Problem(CHECKPOINT, "is no checkpoint", MOVE_AWAY)
        return
    if size > known:
        yield Problem(CHECKPOINT, f"is of {size} leaves; the journal has logged {known}", RECOVER)
    elif newest and size < newest.size:
        yield Problem(CHECKPOINT, f"is {f'of {size} leaves' if size else 'missing'}; {newest.size} are logged", REBUILD)
    elif newest and size == newest.size and public != f"{newest.checkpoint}{newest.cosigned}".encode():
        yield Problem(CHECKPOINT, f"is of {size} leaves and not as it was signed", MOVE_AWAY)


def unproven(view: Inventory, depot: Depot, policy: proofs.Policy | None) -> Iterator[Problem]:
    """The newest release that was copied out is logged, and its proof proves that to whom the root says the log's key.
    What a quorum of witnesses makes of it is another question: they may have been away.
    """
    newest, pointed = view.log_pointed(), view.pointed()
    if newest is None or pointed is None:
        return
    path = LOG + proofs.proof_path(newest.generation)
    if newest.generation != pointed[0]:
        yield Problem(f"release {pointed[0]}", "is public and not logged", RESTORE)
    if policy is None or (data := depot.read(path)) is None:
        return  # what is missing is listed with the files
    try:
        proven = proofs.check(proofs.read(data), policy)
        head = proofs.check_head(notes.read_note(newest.checkpoint.encode()), policy).checkpoint
        if (head.size, head.root) != (newest.size, newest.root) or proven.head.checkpoint != head:
            raise NotProven("its checkpoint is not the journal's")
    except (NotProven, BadNote) as error:
        yield Problem(path, f"does not prove that release {newest.generation} is logged: {error}", RESTORE)


def leaves_wrong(view: Inventory, depot: Depot, progress: Progress) -> Iterator[Problem]:
    """The tree that the newest checkpoint names lies in the depot, each release's was the beginning of it, and every
    event that is signed stands in it once, among the leaves of its release.
    """
    if (newest := view.log_pointed()) is None:
        return
    rows, after = view.every_logged(newest.generation), 0
    try:
        for found in releases_in(depot, newest.size, newest.root):
            progress(_WHERE, found.size, newest.size)
            if (row := next(rows, None)) is None:
                yield Problem(_WHERE, f"goes on behind release {newest.generation}", RESTORE)
                return
            yield from _release_wrong(view, row, found, after)
            after = row.generation
    except (NotProven, BadLeaf) as error:
        yield Problem(_WHERE, str(error), LISTED)
        return
    for row in rows:
        yield Problem(f"release {row.generation}", "is logged in the journal, and the log ends before it", RESTORE)


def _release_wrong(view: Inventory, row: LoggedRelease, found: LoggedRows, after: int) -> Iterator[Problem]:
    where = f"release {row.generation}"
    if (row.generation, row.size, row.root) != (found.snapshot.generation, found.size, found.root):
        yield Problem(where, "is another in the log than the journal says", RESTORE)
    told = {each.seq: each for each in map(logged.read, filter(_is_event, found.raw))}
    for said_here in view.signed_between(after, row.generation):
        leaf = told.pop(said_here.event.seq, None)
        if leaf is None or _of(leaf) != _said(said_here):
            what = "is in the log otherwise" if leaf else "is not in the log"
            yield Problem(said_here.event.name, f"event {said_here.serial}, signed in {where}, {what}", RESTORE)
    for leaf in told.values():
        if view.begun_from(leaf.name) is None:
            yield Problem(leaf.name, f"event {leaf.serial} is logged with {where}, and not in the journal", RESTORE)


def _is_event(leaf: bytes) -> bool:
    return leaves.kind_of(leaf) == leaves.EVENT


def _of(leaf: Logged) -> tuple[object, ...]:
    return leaf.name, leaf.serial, leaf.at, leaf.by, leaf.type


def _said(said: Said) -> tuple[object, ...]:
    event = said.event
    return event.name, said.serial, event.at, event.by, c.type_of(event.change)
