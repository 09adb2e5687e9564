"""Pending events become a signed release that everyone can read: finish, assemble, check, commit, finish.

Finishing what a crash left and finishing what was just committed are the same code. Several publishers may run at
once: a lease lets them work in turn, the commit lets one of them win whatever happens to the lease, the depot never
goes back, and everything else can be repeated.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Lock
from typing import Final

from keys import names, trust
from keys.signing import SignerOvertaken
from keys.state import purged
from keys.tlog import merkle, notes, tiles
from repo_service.build.assemble import Release, assemble
from repo_service.build.check import check_for_old_root, check_release, check_successions
from repo_service.build.growth import LOG
from repo_service.build.metadata import Role
from repo_service.build.pages import stored_at
from repo_service.failpoint import failpoint
from repo_service.publishing import roots
from repo_service.publishing.clocks import check_clocks
from repo_service.publishing.planning import GivenUp, is_unwitnessed, known_after, plan_next, released_state
from repo_service.publishing.press import Press
from repo_service.publishing.recording import record
from repo_service.storage.committing import Overtaken
from repo_service.storage.depot import CHECKPOINT, Behind, Diverged, size_of, version_of
from repo_service.storage.journal import Journal
from repo_service.storage.logreading import LoggedRelease
from repo_service.storage.releasereading import FILES
from repo_service.storage.spool import Spool
from repo_service.storage.view import View

MANY: Final = 1024
"""Of more bins than this the signed files wait for their commit on the disk, not in memory."""
PATIENCE: Final = 10
"""How often a signer may say that somebody else was first."""
_ASK_S: Final = 0.02
_LONG: Final = 60
"""How often longer a lease is where a ceremony's files are taken in: these may have every bin signed."""


class LeaseHeld(Exception):
    """Another publisher is at work and does not come to an end. Nothing was written; what is pending stays so."""


def publish(press: Press, now: datetime, sealed: roots.Sealed | None = None) -> Release | None:
    """Publish what is pending or due, or what a ceremony sealed; None if there was nothing to do.

    Raises WouldBeRefused, ClockWentBack, SignerFailed, Behind or Diverged: then no client sees anything of it.
    LeaseHeld if another publisher neither ends nor dies.
    """
    if sealed is None and not _has_work(press, now):
        return None
    release = _publish_once(press, now, sealed)
    while release and _lacking(press):
        release = _publish_once(press, now, None)
    return release


def _publish_once(press: Press, now: datetime, sealed: roots.Sealed | None) -> Release | None:
    refused = 0
    while True:
        try:
            with leased(press, press.turn.seconds * (_LONG if sealed else 1)) as epoch:
                release = _publish_next(press, now, sealed, epoch)
        except Overtaken:
            press.metrics.lease_lost()
            continue  # whoever was first may have left events behind, and the bell for them has been heard
        except SignerOvertaken:
            press.metrics.lease_lost()
            refused += 1
            if refused == PATIENCE:
                raise
            continue
        except GivenUp:
            continue  # those who wait come first; what was given up comes again, in smaller pieces
        press.draw(release.roles if release else ())
        return release


def _has_work(press: Press, now: datetime) -> bool:
    with press.journal.reading() as view:
        if view.has_work(now) or is_unwitnessed(press, view, now):
            return True
    return _lacking(press)


def _lacking(press: Press) -> bool:
    """Whether a new online key is held that has not signed everything yet. With one key nobody needs to ask."""
    if len(press.sign.keyids) == 1:
        return False
    with press.journal.reading() as view:
        return bool(view.lacking(press.sign.keyids, 1))


@contextmanager
def leased(press: Press, seconds: float) -> Iterator[int]:
    """One publisher at a time, so that no two sign the same: worth time, not safety."""
    journal, turn = press.journal, press.turn
    holder, until = turn.holder(), time.monotonic() + 3 * turn.seconds
    while (epoch := journal.take_lease(holder, seconds)) is None:
        with journal.reading() as view:
            lease = view.lease()
        if lease and lease.holder and turn.is_dead(lease.holder):
            journal.break_lease(lease.holder)
        elif time.monotonic() > until:
            raise LeaseHeld(f"{lease.holder if lease else 'somebody'} has been publishing for {3 * turn.seconds:.0f} s")
        else:
            time.sleep(_ASK_S)
    try:
        yield epoch
    finally:
        journal.give_back(epoch)


def _publish_next(press: Press, now: datetime, sealed: roots.Sealed | None, epoch: int) -> Release | None:
    timed = press.metrics.stage
    finish(press)
    with press.journal.reading() as view:  # open until all is signed and checked: bins are read when their turn comes
        with timed("read"):
            plan = plan_next(press, view, now, sealed, epoch)
            if plan and plan.is_first_here:
                check_not_behind(press)
        failpoint("publish.read")
        if plan is None:
            return None
        check_clocks(now, press.clocks)
        with timed("sign"):
            shape = trust.bins_shape(plan.bins)
            roles = Spool[Role]() if len(plan.new.bins) > MANY else None
            if sealed:
                press.sign.take_in(sealed.trust.files())
            release = assemble(
                plan.base, plan.new, shape, press.lifetimes, press.sign, now, roles, plan.each, plan.shown
            )
        failpoint("publish.signed")
        with timed("check"):
            check_release(release, plan.root, plan.bins, plan.snapshot, plan.each)
            if plan.old_root:
                check_for_old_root(release, plan.old_root)
            check_successions(plan.before, release, now, plan.each)
        with timed("log"):
            entered = record(press, view, plan, release, now)
    failpoint("publish.before_commit")
    with timed("commit"):
        press.journal.commit(release, entered, plan.events, press.lifetimes, now, epoch)
    failpoint("publish.committed")
    press.memory.known = known_after(release, plan, entered.log if entered else plan.log)
    with timed("copy"):
        finish(press, epoch)
    press.metrics.published(plan.accepted)
    return release


def finish(press: Press, ending: int | None = None) -> None:
    """Copy out every committed release, oldest first: immutable files, the pointer, new roots. Repeatable. ``ending``
    is the lease that is over with the last of them.
    """
    with press.journal.reading() as view:
        staged = [(view.stage(generation), view.names_purged(generation)) for generation in view.staged()]
    for release, purging in staged:
        failpoint("finish.staged")
        checkpoint = cosigned(press, release.generation)
        press.depot.add(staged_files(press.journal, release.generation))
        failpoint("finish.added")
        if checkpoint:  # what anybody can come to is in the log by now
            grown = press.depot.point_log(checkpoint)
            failpoint("finish.log_pointed")
            if not grown and release is staged[-1][0]:
                check_log_not_behind(press)
        moved = press.depot.point(release.timestamp)
        failpoint("finish.pointed")
        if not moved and release is staged[-1][0]:
            check_not_behind(press)
        # A new root last: until it is there clients follow the old one, which accepts these targets too; the other
        # way round they would meet targets that only the new root's holders signed.
        press.depot.add(release.roots)
        if purging:
            _drop_purged(press, purging)
        press.journal.mark_published(release.generation, ending if release is staged[-1][0] else None)
        failpoint("finish.marked")


def cosigned(press: Press, generation: int) -> bytes | None:
    """A release's checkpoint with what witnesses say of it; None where there is no log. That is kept, and the proof
    made, before any of it is public: they are asked once, whoever dies.
    """
    with press.journal.reading() as view:
        if (logged := view.logged(generation)) is None:
            return None
        if logged.cosigned is None:
            with press.metrics.stage("witness"):
                said = press.cosign(notes.read_note(logged.checkpoint.encode()), _nodes(view, logged))
    if logged.cosigned is None:
        failpoint("finish.cosigned")
        logged = press.journal.keep_cosigned(logged, "".join(map(str, said)))
    return f"{logged.checkpoint}{logged.cosigned}".encode()


def _nodes(view: View, logged: LoggedRelease) -> merkle.Nodes:
    """The nodes of a release's tree, read when a witness is behind. One at a time: a view is no thread's alone."""
    tree, alone = tiles.Tree(logged.size, logged.root, lambda path: view.log_file(LOG + path)), Lock()

    def nodes(height: int, number: int) -> bytes:
        with alone:
            return tree.nodes(height, number)

    return nodes


def staged_files(journal: Journal, generation: int) -> Iterator[tuple[str, bytes]]:
    """The immutable files of a release. No transaction is open while a file is on its way: a depot may be slow."""
    after, more = -1, True
    while more:
        with journal.reading() as view:
            rows = view.staged_files(generation, after)
        yield from ((path, body) for _, path, body in rows)
        more = len(rows) == FILES
        after = rows[-1][0] if rows else after


def check_not_behind(press: Press) -> None:
    """Behind if the depot's timestamp is newer than the journal's newest release: an old database was restored, and
    what it would publish now was published before, with other content.

    The journal is asked after the depot: a release is committed before it is pointed to, so one that another publisher
    makes meanwhile is no alarm.
    """
    pointed = press.depot.pointer()
    with press.journal.reading() as view:
        head = view.head()
    newest = head.generation if head else 0
    if pointed is not None and (version := version_of(pointed)) > newest:
        raise Behind(
            f"the depot's timestamp is version {version}, and this journal's newest release is {newest}: an older "
            "database was restored, another service writes to this depot, or the online key was stolen. Nothing was "
            "written. If it is an older database, restore a newer backup or say `tallystick-service recover DIR`; if "
            "not, do not say that: see docs/OPERATIONS.md, When the online key was stolen"
        )
    check_log_not_behind(press)


def check_log_not_behind(press: Press) -> None:
    """Behind if the public log holds more than this journal ever logged: what it holds stays in it, so nothing may be
    appended beside that. Asked in the same order, for the same reason.
    """
    public = press.depot.read(CHECKPOINT)
    with press.journal.reading() as view:
        newest = view.newest_logged()
    known = newest.size if newest else 0
    try:
        size = size_of(public) if public is not None else 0
    except (ValueError, IndexError):
        raise Diverged(f"{CHECKPOINT} holds something else than it should; nothing was overwritten") from None
    if size > known:
        raise Behind(
            f"the public log has {size} leaves, and this journal logged {known}: an older database was restored, "
            "another service writes to this depot, or the log's key was stolen. Nothing was written. If it is an older "
            "database, restore a newer backup or say `tallystick-service recover DIR`; if not, do not say that: see "
            "docs/OPERATIONS.md, When the online key was stolen"
        )


def _drop_purged(press: Press, touched: list[str]) -> None:
    """What a release purges is no longer named by anything that clients can fetch; its bytes go (I25).

    Before the release is marked, so that whoever dies here is followed by somebody who does it again.
    """
    with press.journal.reading() as view:
        states = [state for name in dict.fromkeys(touched) if (state := released_state(view, name))]
    for state in states:
        for file in purged(state):
            stored = stored_at(names.file_path(state.name, file.filename), file.sha256)
            press.depot.drop(stored, f"{stored}.metadata")
