"""Pending events become a signed release that everyone can read: finish, assemble, check, commit, finish.

Finishing what a crash left and finishing what was just committed are the same code. Several publishers may run at
once: a lease lets them work in turn, the commit lets one of them win whatever happens to the lease, the depot never
goes back, and everything else can be repeated.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from tuf.api.metadata import Root, Targets

from keys import layout, names, page
from keys.signing import Signer
from keys.state import NameState, purged
from repo_service import roots
from repo_service.build.assemble import Base, Differences, Placed, Release, assemble
from repo_service.build.check import check_for_old_root, check_release, check_successions
from repo_service.build.due import Lifetimes, next_renewals
from repo_service.build.listing import Listing
from repo_service.build.metadata import Role, metadata_path
from repo_service.build.pages import Layout, Page, Target, page_of, policy_page
from repo_service.clocks import Source, check_clocks
from repo_service.domain.clock import check_clock
from repo_service.failpoint import failpoint
from repo_service.metrics import FORGETFUL, Metrics
from repo_service.storage.depot import Behind, Depot, version_of
from repo_service.storage.journal import Journal, Overtaken
from repo_service.storage.view import Head, View

DUAL_SIGNED: Final = 1024
"""Bins that one release signs again because a key that is held has not signed them; releases follow until all are."""
BULK: Final = 2_000
BULK_ALONE: Final = 100_000
"""Events of the slow lane that one release takes, about, when nothing waits in the fast one: many only where none of
the last releases held anything of the fast one. A release of 100,000 signs every bin and takes half a minute, which an
import into a registry that is not used yet saves many times over, and nobody is kept waiting.
"""
_ASK_S: Final = 0.02
_LONG: Final = 60
"""How often longer a lease is where a ceremony's files are taken in: these may have every bin signed."""


class LeaseHeld(Exception):
    """Another publisher is at work and does not come to an end. Nothing was written; what is pending stays so."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a publisher remembers of the release that it made last, so as not to read it anew. Good for that one."""

    generation: int
    listing: Listing
    snapshot: bytes


class Memory:
    """A place for it. Whoever finds another generation in the journal reads everything from there."""

    def __init__(self) -> None:
        self.known: Known | None = None

    def of(self, generation: int) -> Known | None:
        return self.known if self.known and self.known.generation == generation else None


@dataclass(frozen=True, slots=True)
class Turn:
    """How publishers on one journal take turns: who asks (a text for people), whether a holder is known to be dead, and
    for how many seconds a lease is good if its holder says nothing more.
    """

    holder: Callable[[], str]
    is_dead: Callable[[str], bool]
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Press:
    """What publishing needs besides the journal's content: where files go, who signs, for how long, in which layout."""

    journal: Journal
    depot: Depot
    sign: Signer
    lifetimes: Lifetimes
    layout: Layout
    turn: Turn
    memory: Memory = field(default_factory=Memory)
    clocks: Sequence[Source] = ()
    draw: Callable[[Sequence[Role]], object] = len
    metrics: Metrics = FORGETFUL


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one reading of the journal says that the next release must hold."""

    base: Base
    events: tuple[int, ...]
    new: Differences
    root: Root
    old_root: Root | None
    bins: Targets
    before: Mapping[str, NameState]
    snapshot: bytes | None


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
    while True:
        try:
            with _leased(press, press.turn.seconds * (_LONG if sealed else 1)) as epoch:
                release = _publish_next(press, now, sealed, epoch)
        except Overtaken:
            press.metrics.lease_lost()
            continue  # whoever was first may have left events behind, and the bell for them has been heard
        press.draw(release.roles if release else ())
        return release


def _has_work(press: Press, now: datetime) -> bool:
    with press.journal.reading() as view:
        if view.has_pending() or view.is_due(now):
            return True
    return _lacking(press)


def _lacking(press: Press) -> bool:
    """Whether a new online key is held that has not signed everything yet. With one key nobody needs to ask."""
    if len(press.sign.keyids) == 1:
        return False
    with press.journal.reading() as view:
        return bool(view.lacking(press.sign.keyids, 1))


@contextmanager
def _leased(press: Press, seconds: float) -> Iterator[int]:
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
    with timed("read"):
        plan = _read(press, now, sealed)
    failpoint("publish.read")
    if plan is None:
        return None
    check_clocks(now, press.clocks)
    with timed("sign"):
        shape = roots.bins_shape(plan.bins)
        release = assemble(plan.base, plan.new, shape, press.lifetimes, press.sign, now)
    failpoint("publish.signed")
    with timed("check"):
        check_release(release, plan.root, plan.bins, plan.snapshot)
        if plan.old_root:
            check_for_old_root(release, plan.old_root)
        check_successions(plan.before, release, now)
    failpoint("publish.before_commit")
    with timed("commit"):
        press.journal.commit(release, plan.events, press.lifetimes, now, epoch)
    failpoint("publish.committed")
    press.memory.known = _known(release, plan)
    with timed("copy"):
        finish(press)
    press.metrics.published(_accepted(press, release))
    return release


def _accepted(press: Press, release: Release) -> list[datetime]:
    """When what somebody may wait for was accepted."""
    with press.journal.reading() as view:
        return view.accepted(release.generation)


def finish(press: Press) -> None:
    """Copy out every committed release, oldest first: immutable files, the pointer, new roots. Repeatable."""
    with press.journal.reading() as view:
        staged = view.staged()
    for generation in staged:
        failpoint("finish.staged")
        with press.journal.reading() as view:
            release = view.stage(generation)
            press.depot.add(release.files)
        failpoint("finish.added")
        moved = press.depot.point(release.timestamp)
        failpoint("finish.pointed")
        if not moved and generation == staged[-1]:
            check_not_behind(press)
        # A new root last: until it is there clients follow the old one, which accepts these targets too; the other
        # way round they would meet targets that only the new root's holders signed.
        press.depot.add(release.roots)
        _drop_purged(press, generation)
        press.journal.mark_published(generation)
        failpoint("finish.marked")


def check_not_behind(press: Press) -> None:
    """Behind if the depot's timestamp is newer than the journal's newest release: an old database was restored, and
    what it would publish now was published before, with other content.

    The journal is asked after the depot: a release is committed before it is pointed to, so one that another publisher
    makes meanwhile is no alarm.
    """
    pointed = press.depot.pointer()
    with press.journal.reading() as view:
        head = view.head()
    if pointed is not None and head and (version := version_of(pointed)) > head.generation:
        raise Behind(
            f"the depot's timestamp is version {version}, and this journal's newest release is {head.generation}: an "
            "older database was restored, or another service writes to this depot. Nothing was written; see "
            "docs/OPERATIONS.md, Restore"
        )


def _drop_purged(press: Press, generation: int) -> None:
    """What a release purges is no longer named by anything that clients can fetch; its bytes go (I25).

    Before the release is marked, so that whoever dies here is followed by somebody who does it again.
    """
    with press.journal.reading() as view:
        states = _released_states(view, view.names_purged(generation))
    for state in states.values():
        for file in purged(state):
            stored = f"targets/{names.hashed(names.file_path(state.name, file.filename), file.sha256)}"
            press.depot.drop(stored)
            press.depot.drop(f"{stored}.metadata")


def _read(press: Press, now: datetime, sealed: roots.Sealed | None) -> _Plan | None:
    with press.journal.reading() as view:
        head = view.head()
        check_clock(view.last_done_at(), now)
        if head and press.memory.of(head.generation) is None:
            check_not_behind(press)
        bins = sealed.bins if sealed else _bins(view)
        shape = roots.bins_shape(bins)
        events, touched = view.pending(BULK if view.in_use(head) else BULK_ALONE)
        rebinned = shape if head and sealed and shape != roots.bins_shape(_bins(view)) else None
        due = _due(view, press, shape, now) if head and not rebinned else [*shape.roles(), *layout.ONLINE]
        if sealed and (problems := roots.unsigned_problems(sealed, view.signed_by())):
            raise roots.NotTakenIn(problems)
        pages = tuple(page_of(state, press.layout) for state in view.states(touched).values())
        policies = (*map(policy_page, view.unsigned_policies()), *map(policy_page, view.unsigned_flags()))
        if not (sealed or events or policies or due):
            return None
        new = _differences(view, shape, pages, policies, due, sealed, rebinned)
        old_root = roots.parse_root(view.newest(layout.ROOT)) if head and sealed else None
        root = sealed.trust.root if sealed else roots.parse_root(view.newest(layout.ROOT))
        base, snapshot = _base(press.memory, view, head, [] if rebinned else [shape.role(each) for each in new.bins])
        if rebinned:
            base = replace(base, highest=view.highest_bin())
        return _Plan(base, events, new, root, old_root, bins, _released_states(view, touched), snapshot)


def _bins(view: View) -> Targets:
    return roots.parse_targets(view.newest(layout.BINS))


def _due(view: View, press: Press, shape: layout.Bins, now: datetime) -> list[str]:
    """Which roles the next release signs again, although nothing changes in them."""
    due = view.due_roles(now)
    bins = [each for each in due if each.role not in layout.ONLINE]
    renewed = next_renewals(bins, len(shape), press.lifetimes, now)
    roles = [*(each.role for each in due if each.role in layout.ONLINE), *(each.role for each in renewed)]
    lacking = view.lacking(press.sign.keyids, DUAL_SIGNED) if len(press.sign.keyids) > 1 else []
    return [*roles, *lacking]


def _base(memory: Memory, view: View, head: Head | None, changing: Iterable[str]) -> tuple[Base, bytes | None]:
    """What the next release stands on, and the newest snapshot's file."""
    if head is None:
        return Base(0, None, Listing.of({})), None
    known = memory.of(head.generation)
    if known is None:
        snapshot = view.file(metadata_path(layout.SNAPSHOT, head.snapshot.version))
        assert snapshot is not None, "a release without its snapshot"
        known = Known(head.generation, view.listing(), snapshot)
    return Base(head.generation, head.snapshot, known.listing, view.versions(changing)), known.snapshot


def _known(release: Release, plan: _Plan) -> Known:
    made = [role.body for role in release.roles if role.name == layout.SNAPSHOT]
    snapshot = made[0] if made else plan.snapshot
    assert snapshot is not None, "a release without a snapshot"
    return Known(release.generation, release.listing, snapshot)


def _differences(
    view: View, shape: layout.Bins, pages: tuple[Page, ...], policies: tuple[Page, ...], due: Iterable[str],
    sealed: roots.Sealed | None, rebinned: layout.Bins | None,
) -> Differences:  # fmt: skip
    """What comes, changes and goes, and every bin in which something does, or that is due, with its whole content."""
    after = {target.path: (each.name, target) for each in (*pages, *policies) for target in each.targets}
    before = {target.path: target for _, target in view.targets_of({each.name for each in (*pages, *policies)})}
    placed = tuple(
        Placed(shape.number(path), name, target) for path, (name, target) in after.items() if before.get(path) != target
    )
    gone = tuple(path for path in before if path not in after)
    renewed = {layout.bin_number(role) for role in due if role.startswith(f"{layout.BIN_PREFIX}-")}
    touched = renewed.union((each.bin for each in placed), map(shape.number, gone))
    bins = _split(view, shape) if rebinned else {number: view.bin(number) for number in sorted(touched)}
    for path in gone:
        del bins[shape.number(path)][path]
    for each in placed:
        bins[each.bin][each.target.path] = each.target.entry
    replaced = (before[each.target.path] for each in placed if each.target.path in before)
    return Differences(
        offline=sealed.fresh if sealed else (),
        held=_new_held(view, sealed),
        pages=pages,
        policies=policies,
        placed=placed,
        gone=gone,
        superseded=tuple(_stored(target) for target in replaced if target.path.startswith("simple/")),
        bins=bins,
        snapshot_due=layout.SNAPSHOT in due,
        rebinned=rebinned,
    )


def _split(view: View, shape: layout.Bins) -> dict[int, dict[str, str]]:
    """Every target in the bin that another number of bins gives it."""
    bins: dict[int, dict[str, str]] = {number: {} for number in range(len(shape))}
    for path, entry in view.targets():
        bins[shape.number(path)][path] = entry
    return bins


def _new_held(view: View, sealed: roots.Sealed | None) -> tuple[tuple[str, bytes], ...]:
    return tuple((path, body) for path, body in sealed.pages if not view.has_file(path)) if sealed else ()


def _stored(target: Target) -> str:
    return f"targets/{names.hashed(target.path, target.sha256)}"


def _released_states(view: View, touched: Iterable[str]) -> dict[str, NameState]:
    """What the newest release says of the names that change, read back from its signed pages."""
    found = {}
    for name, target in view.targets_of(touched):
        if target.path.startswith("simple/"):
            body = view.file(_stored(target))
            assert body is not None, f"the signed page of {name} is gone from the journal"
            found[name] = page.parse(body)
    return found
