"""What the next release must hold, by one reading of the journal: events, pages, targets and bins, and on what base."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from tuf.api.metadata import Root, Targets

from keys import layout, names, page, trust
from keys.encoding import sha256
from keys.state import NameState
from keys.tlog import notes
from repo_service.build.assemble import (
    Base,
    Differences,
    Each,
    Few,
    Item,
    Made,
    Placed,
    Release,
    Shown,
    replacing_nothing,
)
from repo_service.build.due import next_renewals
from repo_service.build.listing import Listing
from repo_service.build.logbook import Log
from repo_service.build.metadata import metadata_path
from repo_service.build.pages import Layout, Page, Target, page_of, policy_page
from repo_service.domain.clock import check_clock
from repo_service.domain.logged import PageSum
from repo_service.publishing import roots
from repo_service.publishing.press import Known, Press
from repo_service.publishing.rebinning import Contents, Rebinned
from repo_service.publishing.replaced import Replaced
from repo_service.storage.pendingreading import Pending
from repo_service.storage.releasereading import Head
from repo_service.storage.spool import Spool, SpooledTargets
from repo_service.storage.view import View

DUAL_SIGNED: Final = 1024
"""Bins that one release signs again because a key that is held has not signed them; releases follow until all are."""
BULK: Final = 1_000
BULK_ALONE: Final = 50_000
"""Events of the slow lane that one release takes, about, when nothing waits in the fast one (docs/adr/0022): as many as
are signed in a second, and many only where none of the last releases held anything of the fast one. A release of
50,000 signs every bin, which an import into a registry that is not used yet saves many times over; it is given up
when somebody comes who waits.
"""


TOGETHER: Final = 50
"""Names whose states and targets are in memory at once: some of them have thousands of files."""
ASK_S: Final = 0.05
"""How often one asks, while a release of the slow lane is made, whether somebody waits for one of the fast lane."""


class GivenUp(Exception):
    """Somebody waits for a change, and what was being made can wait. Nothing was written of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one reading of the journal says that the next release must hold: ``events`` by their numbers, and when those
    that somebody may wait for were ``accepted``; the delegators that its files are signed for, with the root of before
    where there is a new one; what clients have verified of the names that change (``before``); the newest snapshot's
    file. ``is_first_here`` if the release before was not made by this publisher. ``each`` is how to go through what
    there may be much of, and ``shown`` what a signer that judges wants to see of a bin. ``log`` is the log as it was,
    and ``pages`` are the names that change, with the number of the last event that their page shows.
    """

    base: Base
    events: tuple[int, ...]
    accepted: tuple[datetime, ...]
    new: Differences
    root: Root
    old_root: Root | None
    bins: Targets
    before: Callable[[str], NameState | None]
    snapshot: bytes | None
    is_first_here: bool
    each: Each
    shown: Shown
    log: Log
    pages: Mapping[str, tuple[int, PageSum]]


def plan_next(press: Press, view: View, now: datetime, sealed: roots.Sealed | None, epoch: int) -> Plan | None:
    """The plan as of ``now``, with what a ceremony sealed, under the lease of this epoch; None if nothing is to be
    published.
    """
    head, known = view.head(), None
    check_clock(view.last_done_at(), now)
    if head:
        known = press.memory.of(head.generation) or _read_known(view, head)
    bins = sealed.bins if sealed else _known(known).bins
    shape = trust.bins_shape(bins)
    rebinned = shape if known and shape != trust.bins_shape(known.bins) else None
    if sealed and (problems := roots.unsigned_problems(sealed, view.signed_by())):
        raise roots.NotTakenIn(problems)
    spent = press.sign.highest((), head.snapshot.version if head else 0)
    lost = spent.get(layout.SNAPSHOT, 0) > (head.snapshot.version if head else 0)
    pending, each = (view.pending_all(2 * BULK_ALONE), map) if lost else _pending(press, view, head, epoch)
    every = head is None or rebinned is not None or (sealed is not None and sealed.anew)
    due = [*shape.roles(), *layout.ONLINE] if every else _due(view, press, shape, now)
    if is_unwitnessed(press, view, now):
        due = [*due, layout.TIMESTAMP]
    if lost:
        due = [*due, layout.SNAPSHOT, *_lost(view, press, shape)]
    policies = (*map(policy_page, view.unsigned_policies()), *map(policy_page, view.unsigned_flags()))
    if not (sealed or pending.events or policies or due):
        return None
    moved = _moved(press, view, shape, pending, each)
    moved.take(view, shape, policies)
    new = Differences(
        sealed.fresh if sealed else (), _new_held(view, sealed), moved.pages, policies, moved.placed,
        tuple(moved.gone), tuple(moved.superseded), snapshot_due=layout.SNAPSHOT in due,
    )  # fmt: skip
    if known and every:
        new = replace(new, bins=Rebinned(view, trust.bins_shape(known.bins), shape, new), rebinned=rebinned)
    else:
        new = replace(new, bins=_contents(view, shape, new, due))
    base = _base(view, head, known, new, shape, {**press.sign.highest(map(shape.role, new.bins), 0), **spent})
    return Plan(
        base, pending.events, pending.accepted, new,
        sealed.trust.root if sealed else _known(known).root,
        known.root if known and sealed and not sealed.anew else None,
        bins, partial(released_state, view),
        known.snapshot if known else None,
        head is not None and press.memory.of(head.generation) is None,
        each,
        Replaced(view, new, trust.bins_shape(known.bins), shape) if known else replacing_nothing,
        (known.log if known else None) or Log(),
        moved.sums,
    )  # fmt: skip


def is_unwitnessed(press: Press, view: View, now: datetime) -> bool:
    """Whether too few witnesses cosigned the newest release, some time ago: another timestamp asks them again, so that
    clients that require the log need not wait until one is due.
    """
    if not press.quorum or (newest := view.newest_logged()) is None or (head := view.head()) is None:
        return False
    if now - head.signed_at < press.lifetimes.refresh:
        return False
    note = notes.read_note(f"{newest.checkpoint}{newest.cosigned or ''}".encode())
    return len(notes.cosigned_at(note, press.counted)) < press.quorum


def known_after(release: Release, plan: Plan, log: Log) -> Known:
    """What the next plan needs of a release that was made by this one."""
    made = [role.body for role in release.roles if role.name == layout.SNAPSHOT]
    snapshot = made[0] if made else plan.snapshot
    assert snapshot is not None, "a release without a snapshot"
    return Known(release.generation, release.listing, snapshot, plan.root, plan.bins, log)


def released_state(view: View, name: str) -> NameState | None:
    """What the newest release says of a name, read back from its page; None if it has none."""
    if (target := view.target(names.page_path(name))) is None:
        return None
    body = view.file(target.stored_at)
    assert body is not None, f"the signed page of {name} is gone from the journal"
    assert sha256(body) == target.sha256, f"the page of {name} in the journal is not what was signed"
    return page.state_of(body)


def _known(known: Known | None) -> Known:
    assert known is not None, "before genesis there is nothing to sign but what a ceremony sealed"
    return known


def _read_known(view: View, head: Head) -> Known:
    snapshot = view.file(metadata_path(layout.SNAPSHOT, head.snapshot.version))
    assert snapshot is not None, "a release without its snapshot"
    root, bins = roots.parse_root(view.newest(layout.ROOT)), roots.parse_targets(view.newest(layout.BINS))
    return Known(head.generation, view.listing(), snapshot, root, bins, view.log(trust.bins_shape(bins)))


def _pending(press: Press, view: View, head: Head | None, epoch: int) -> tuple[Pending, Each]:
    """All that came in the fast lane or, where nothing did, some of the slow one, and how to go through it.

    Little of the slow lane is never given up: where somebody waits all the time an import would never end.
    """
    if (found := view.pending()).events:
        return found, map
    if view.in_use(head):
        return view.pending_bulk(BULK), map
    return view.pending_bulk(BULK_ALONE), _giving_way(press, epoch)


def _giving_way(press: Press, epoch: int) -> Each:
    """A ``map`` that raises GivenUp when somebody waits. It asks by a view of its own, for ours sees one moment.
    And it keeps the lease, or of two publishers each would begin again what the other has not ended yet, for ever.
    """

    def each(act: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
        asked = kept = time.monotonic()
        for item in items:
            if time.monotonic() - kept > press.turn.seconds / 3:
                press.journal.keep_lease(epoch, press.turn.seconds)
                kept = time.monotonic()
            if time.monotonic() - asked > ASK_S:
                with press.journal.reading() as view:
                    if view.somebody_waits():
                        raise GivenUp
                asked = time.monotonic()
            yield act(item)

    return each


def _base(
    view: View, head: Head | None, known: Known | None, new: Differences, shape: layout.Bins, spent: Mapping[str, int]
) -> Base:
    """What the next release stands on, with the versions that a signer has ``spent``."""
    tops = {role: spent[role] for role in layout.ONLINE if role in spent}
    bins = {role: version for role, version in spent.items() if role not in tops}
    if head is None or known is None:
        return Base(0, None, Listing.of({}), {}, max(bins.values(), default=0), tops)
    if new.rebinned:
        highest = max(view.highest_bin(), *bins.values(), 0)
        return Base(head.generation, head.snapshot, known.listing, {}, highest, tops)
    versions = view.versions([shape.role(number) for number in new.bins])
    versions |= {role: max(version, versions.get(role, 0)) for role, version in bins.items()}
    return Base(head.generation, head.snapshot, known.listing, versions, 0, tops)


def _lost(view: View, press: Press, shape: layout.Bins) -> list[str]:
    """Bins of a snapshot that was signed and never committed: whoever made it died, or came second. They are signed
    again, above the versions that are spent, for no snapshot may list less than that one.
    """
    spent, known = press.sign.highest(shape.roles(), 0), view.versions(shape.roles())
    return [role for role in shape.roles() if spent.get(role, 0) > known.get(role, 0)]


def _due(view: View, press: Press, shape: layout.Bins, now: datetime) -> list[str]:
    """Which roles the next release signs again, although nothing changes in them."""
    due = view.due_roles(now)
    bins = [each for each in due if each.role not in layout.ONLINE]
    renewed = next_renewals(bins, len(shape), press.lifetimes, now)
    roles = [*(each.role for each in due if each.role in layout.ONLINE), *(each.role for each in renewed)]
    lacking = view.lacking(press.sign.keyids, DUAL_SIGNED) if len(press.sign.keyids) > 1 else []
    return [*roles, *lacking]


@dataclass(slots=True)
class _Moved:
    """What comes, changes and goes, gathered while names are gone through."""

    pages: list[Page] | Spool[Page]
    placed: Few | SpooledTargets
    gone: list[str]
    superseded: list[str]
    sums: dict[str, tuple[int, PageSum]] = field(default_factory=dict)

    def page_of(self, state: NameState, targets: Layout) -> Page:
        page = page_of(state, targets)
        self.sums[state.name] = state.event, PageSum(len(page.body), page.targets[0].sha256)
        return page

    def take(self, view: View, shape: layout.Bins, pages: Iterable[Page]) -> None:
        """The targets of these, which are all that their names have, beside those that are signed."""
        pages = tuple(pages)
        before = view.entries_of({each.name for each in pages})
        for name, target in ((each.name, target) for each in pages for target in each.targets):
            known = before.pop(target.path, None)
            if known != target.entry:
                self.placed.append(Placed(shape.number(target.path), name, target))
                if known and target.path.startswith("simple/"):
                    self.superseded.append(Target.said(target.path, known).stored_at)
        self.gone += before


def _moved(press: Press, view: View, shape: layout.Bins, pending: Pending, each: Each) -> _Moved:
    """The names of what is pending, as they are now. Of many, what there is of them waits on the disk."""
    many = len(pending.events) > BULK
    moved = _Moved(Spool[Page](), SpooledTargets(), [], []) if many else _Moved([], Few(), [], [])
    for start in range(0, len(pending.names), TOGETHER):
        wanted = pending.names[start : start + TOGETHER]
        states = view.states_once(wanted) if many else view.states(wanted).values()
        pages = tuple(each(lambda state: moved.page_of(state, press.layout), states))
        moved.take(view, shape, pages)
        moved.pages.extend(replace(page, targets=page.targets[:1]) for page in pages)
    return moved


def _contents(view: View, shape: layout.Bins, new: Differences, due: Iterable[str]) -> Contents:
    """Every bin in which something comes, changes or goes, or that is due, with its whole content."""
    renewed = {layout.bin_number(role) for role in due if role.startswith(f"{layout.BIN_PREFIX}-")}
    touched = renewed.union(new.placed.bins(), map(shape.number, new.gone))
    return Contents(view, sorted(touched), shape, new)


def _new_held(view: View, sealed: roots.Sealed | None) -> tuple[tuple[str, bytes], ...]:
    return tuple((path, body) for path, body in sealed.pages if not view.has_file(path)) if sealed else ()
