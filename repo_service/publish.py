"""Pending events become a signed release that everyone can read: finish, assemble, check, commit, finish.

Finishing what a crash left and finishing what was just committed are the same code. Several publishers may run at
once: the commit lets one of them win, the depot never goes back, and everything else can be repeated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Root, Targets

from keys import layout, names, page
from keys.signing import Sign
from keys.state import NameState, purged
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
        press.depot.add(release.files)
        failpoint("finish.added")
        press.depot.point(release.timestamp)
        failpoint("finish.pointed")
        # A new root last: until it is there clients follow the old one, which accepts these targets too; the other
        # way round they would meet targets that only the new root's holders signed.
        press.depot.add(release.roots)
        _drop_purged(press, generation)
        press.journal.mark_published(generation)
        failpoint("finish.marked")


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
        base = view.base()
        check_clock(view.last_done_at(), now)
        bins = sealed.bins if sealed else roots.parse_targets(view.newest(layout.BINS))
        shape = roots.bins_shape(bins)
        events, touched = view.pending()
        pages = tuple(page_of(state, press.layout) for state in view.states(touched).values())
        policies = (*map(policy_page, view.unsigned_policies()), *map(policy_page, view.unsigned_flags()))
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
    """Every bin in which a target of a touched name comes, changes or goes, or that is due, with its whole content."""
    after = {target.path: target for page in pages for target in page.targets}
    before = {target.path: target for _, target in view.targets_of({page.name for page in pages})}
    moved = {path for path in (*before, *after) if before.get(path) != after.get(path)}
    arriving: dict[int, list[Target]] = {}
    for path in moved:
        arriving.setdefault(shape.number(path), []).extend([after[path]] if path in after else ())
    return {
        number: (*arriving.get(number, ()), *(target for _, target in view.bin(number) if target.path not in moved))
        for number in sorted({*arriving, *renewed})
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
