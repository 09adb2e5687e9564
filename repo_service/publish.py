"""Pending events become a signed release that everyone can read: finish, assemble, check, commit, finish.

Finishing what a crash left and finishing what was just committed are the same code. Several publishers may run at
once: the commit lets one of them win, the depot never goes back, and everything else can be repeated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Root, Targets

from keys import layout, page
from keys.signing import Sign
from keys.state import NameState
from repo_service import roots
from repo_service.build.assemble import Base, Differences, Release, assemble
from repo_service.build.check import check_release, check_successions
from repo_service.build.due import Lifetimes, due_bins, is_due
from repo_service.build.pages import Layout, Page, Target, page_of, policy_page
from repo_service.domain.clock import check_clock
from repo_service.failpoint import failpoint
from repo_service.storage.depot import Depot
from repo_service.storage.journal import Journal, Overtaken
from repo_service.storage.view import View


@dataclass(frozen=True, slots=True)
class Press:
    """What publishing needs besides the journal's content: where files go, who signs, for how long, in which layout."""

    journal: Journal
    depot: Depot
    sign: Sign
    lifetimes: Lifetimes
    layout: Layout


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one reading of the journal says that the next release must hold."""

    base: Base
    events: tuple[int, ...]
    new: Differences
    root: Root
    bins: Targets
    before: Mapping[str, NameState]


def publish(press: Press, now: datetime, sealed: roots.Sealed | None = None) -> Release | None:
    """Publish what is pending or due, or what a ceremony sealed; None if there was nothing to do.

    Raises WouldBeRefused, ClockWentBack, SignerFailed or Diverged: then no client sees anything of it.
    """
    while True:
        try:
            return _publish_next(press, now, sealed)
        except Overtaken:
            continue  # whoever was first may have left events behind, and the bell for them has been heard


def _publish_next(press: Press, now: datetime, sealed: roots.Sealed | None) -> Release | None:
    finish(press)
    plan = _read(press, now, sealed)
    failpoint("publish.read")
    if plan is None:
        return None
    shape = roots.bins_shape(plan.bins)
    release = assemble(plan.base, plan.new, shape, press.lifetimes, press.sign, now)
    failpoint("publish.signed")
    check_release(release, plan.root, plan.bins)
    check_successions(plan.before, release, now)
    failpoint("publish.before_commit")
    press.journal.commit(release, plan.events, shape, now)
    failpoint("publish.committed")
    finish(press)
    return release


def finish(press: Press) -> None:
    """Copy out every committed release, oldest first: immutable files, the pointer, new roots. Repeatable."""
    with press.journal.reading() as view:
        staged = view.staged()
    for generation in staged:
        with press.journal.reading() as view:
            release = view.stage(generation)
        for path, body in release.files:
            press.depot.add(path, body)
            failpoint("finish.added")
        press.depot.point(release.timestamp)
        failpoint("finish.pointed")
        # A new root last: until it is there clients follow the old one, which accepts these targets too; the other
        # way round they would meet targets that only the new root's holders signed.
        for path, body in release.roots:
            press.depot.add(path, body)
        press.journal.mark_published(generation)
        failpoint("finish.marked")


def _read(press: Press, now: datetime, sealed: roots.Sealed | None) -> _Plan | None:
    with press.journal.reading() as view:
        base = view.base()
        check_clock(view.last_done_at(), now)
        bins = sealed.bins if sealed else roots.parse_targets(view.newest(layout.BINS))
        shape = roots.bins_shape(bins)
        events, touched = view.pending()
        pages = tuple(page_of(state, press.layout) for state in view.states(touched).values())
        policies = tuple(policy_page(published) for published in view.unsigned_policies())
        renewed = due_bins(base.roles.values(), press.lifetimes, now) if base.generation else range(len(shape))
        new = Differences(
            offline=sealed.fresh if sealed else (),
            held=_new_held(view, sealed),
            pages=pages,
            policies=policies,
            bins=_changed_bins(view, shape, (*pages, *policies), renewed),
            snapshot_due=_due(base, layout.SNAPSHOT, press.lifetimes, now),
        )
        if not (sealed or events or new.bins or new.snapshot_due or _due(base, layout.TIMESTAMP, press.lifetimes, now)):
            return None
        root = sealed.trust.root if sealed else roots.parse_root(view.newest(layout.ROOT))
        return _Plan(base, events, new, root, bins, _released_states(view, touched))


def _due(base: Base, role: str, lifetimes: Lifetimes, now: datetime) -> bool:
    return role not in base.roles or is_due(base.roles[role], lifetimes, now)


def _new_held(view: View, sealed: roots.Sealed | None) -> tuple[tuple[str, bytes], ...]:
    return tuple((path, body) for path, body in sealed.pages if view.file(path) is None) if sealed else ()


def _changed_bins(
    view: View, shape: layout.Bins, pages: tuple[Page, ...], renewed: Iterable[int]
) -> dict[int, tuple[Target, ...]]:
    """Every bin that a touched name's targets were in or come into, or that is due, with its whole content."""
    touched = {page.name for page in pages}
    arriving: dict[int, list[Target]] = {}
    for each in pages:
        for target in each.targets:
            arriving.setdefault(shape.number(target.path), []).append(target)
    leaving = {shape.number(target.path) for _, target in view.targets_of(touched)}
    return {
        number: (*arriving.get(number, ()), *(target for name, target in view.bin(number) if name not in touched))
        for number in sorted({*arriving, *leaving, *renewed})
    }


def _released_states(view: View, touched: Iterable[str]) -> dict[str, NameState]:
    """What the newest release says of the names that change, read back from its signed pages."""
    found = {}
    for name, target in view.targets_of(touched):
        if target.path.startswith("simple/"):
            body = view.file(f"targets/{Page(name, b'', (target,)).stored_at}")
            assert body is not None, f"the signed page of {name} is gone from the journal"
            found[name] = page.parse(body)
    return found
