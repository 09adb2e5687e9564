"""What in the log should frighten somebody: rules from releases, as replayed, to findings. Pure.

A rule sees names with what happened to them, and their states around it. What is counted over time is counted by the
dates of releases, in ``Memory``, whose size the limits bound. The same log and limits give the same findings, whoever
replays it and however often it is broken off.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from packaging.version import InvalidVersion, Version
from tuf.api.metadata import Root

from keys.state import Mark, NameState, is_installable
from keys.state import Release as ReleaseState
from keys.succession import broken_promises
from keys.times import moment, stamp
from keys.tlog.leaves import Snapshot
from keys.tlog.proofs import LOG_FIELD, Policy, Witnessed
from repo_service.domain import changes as c
from repo_service.domain.flags import FlagAct
from repo_service.monitor.codes import CODES
from repo_service.monitor.findings import Finding
from repo_service.monitor.limits import Limits
from repo_service.monitor.seen import Announced, Released, SealedFile, WentOn

SEVERAL: Final = 3
"""Releases from which on it is an alarm that none is left."""
_AWAY: Final = frozenset({
    "release.yanked", "release.unpublished", "release.quarantined", "project.quarantined", "project.removed",
    "name.placeholder_set", "name.prohibited",
})  # fmt: skip
_QUARANTINES: Final = frozenset({"release.quarantined", "project.quarantined"})
_TAKEDOWNS: Final = frozenset({"takedown.listed", "takedown.confirmed"})
_PASSES: Final = {
    "transfer.accepted": "with its releases to another holder",
    "reservation.transferred": "as a reservation to another holder",
    "namespace.transferred": "as a namespace to another organisation",
}
_RETURNS: Final = frozenset({"release.restored", "project.restored", "file.restored"})


@dataclass(frozen=True, slots=True)
class Touched:
    """A name that a release changed: its events in order, each with the index of its leaf, and its states around them.
    ``before`` is None if the name is new.
    """

    events: tuple[tuple[int, c.Event], ...]
    before: NameState | None
    after: NameState


@dataclass(frozen=True, slots=True)
class Rooted:
    """A root that was sealed, and the one before it (None: the first)."""

    index: int
    before: Root | None
    after: Root


@dataclass(frozen=True, slots=True)
class Whole:
    """A release with all that was in it. ``others`` are its roots, other sealed files, documents and names that were
    taken over.
    """

    released: Released
    touched: Sequence[Touched] = ()
    others: Sequence[Rooted | SealedFile | Announced | WentOn] = ()

    @property
    def leaf(self) -> Snapshot:
        return self.released.leaf

    @property
    def index(self) -> int:
        """Of its snapshot's leaf."""
        return self.released.index


@dataclass(frozen=True, slots=True)
class Tally:
    """Something that is counted: what and of whom, how much of it in which minute, and how loud it was told."""

    what: str
    minutes: tuple[tuple[int, int], ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A project from which a class of actor took something away, and in which minute last."""

    by: str
    name: str
    minute: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered between releases: the counts of the running window."""

    tallies: tuple[Tally, ...] = ()
    seen: tuple[Seen, ...] = ()


def of_release(release: Whole, memory: Memory, limits: Limits) -> tuple[list[Finding], Memory]:
    """What is to be said of a release, in the order of leaves, and what to remember for the next one."""
    found = [*_gaps(release), *_taken_over(release), *_others(release)]
    counted = _Counted()
    for touched in release.touched:
        for rule in _OF_A_NAME:
            found += rule(touched, release, limits)
        counted.add(touched)
    told, after = _everywhere(release, memory, counted, limits)
    return sorted([*found, *told], key=lambda each: (each.index or 0, each.code)), after


def _finding(code: str, sentence: str, at: str, index: int | None = None, name: str | None = None) -> Finding:
    return Finding(code, CODES[code].level, sentence, at, index, name)


# Rules of one name


def _withdrawals(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    """Many releases of one project, counted from the marks in its state: nothing need be remembered."""
    now = _gone(touched)
    since = _seconds(release.leaf.signed_at) - limits.window_s
    recent = {
        each.version for each in touched.after.releases
        if not _is_there(touched.after, each) and any(_seconds(mark.at) > since for mark in _marks(each))
    }  # fmt: skip
    count, rest = len(now | recent), len(_there(touched.after))
    sooner = _loudness(len(recent - now), rest + len(now), limits)
    if now and _loudness(count, rest, limits) > sooner:
        sentence = (
            f"{count} of the {count + rest} releases of {touched.after.name} that could be installed were taken away "
            f"within {_span(limits.window_s)}, by {_who(touched)}"
        )
        yield _about(touched, "withdrawn", sentence, _AWAY)


def _loudness(count: int, rest: int, limits: Limits) -> int:
    """How often a limit was doubled; 0 within it. It is told again when it grows."""
    share = count >= limits.withdrawn_percent_from and 100 * count > limits.withdrawn_percent * (count + rest)
    return max(_doubled(count, limits.withdrawn), int(share))


def _all_withdrawn(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    gone = _gone(touched)
    if gone and not _there(touched.after) and len(touched.after.releases) >= SEVERAL:
        sentence = (
            f"nothing is left to install of {touched.after.name}, which had {len(touched.after.releases)} releases"
        )
        yield _about(touched, "all-withdrawn", sentence, _AWAY)


def _newest_withdrawn(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    gone = _gone(touched)
    newest = _newest(_there(touched.before)) if gone and touched.before else None
    if newest in gone and _there(touched.after):
        yield _about(touched, "newest-withdrawn", f"{touched.after.name} {newest}, its newest, was taken away", _AWAY)


def _promises(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    """What may follow what is one function for everyone (keys/succession.py)."""
    del release, limits
    for broken in broken_promises(touched.before, touched.after) if touched.before else ():
        code = "digest-changed" if broken.promise == "bytes" else "promise-broken"
        yield _about(touched, code, f"{touched.after.name}: {broken.sentence}")


def _hands(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    name = touched.after.name
    for index, event in touched.events:
        if how := _PASSES.get(c.type_of(event.change)):
            yield _finding("passed-on", f"{name} passed {how}", event.at, index, name)
    if touched.before and touched.after.generation > touched.before.generation:
        yield _about(touched, "new-generation", f"{name} begins anew: this is generation {touched.after.generation}")


def _returns(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    for index, event in touched.events:
        if c.type_of(event.change) in _RETURNS:
            what = " ".join((touched.after.name, getattr(event.change, "version", ""))).strip()
            yield _finding("restored", f"{what} came back after it was removed", event.at, index, touched.after.name)


def _held(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    held = [event.change for _, event in touched.events if isinstance(event.change, c.YankHeld)]
    if held:
        sentence = (
            f"{len(held)} {_plural(len(held), 'yank')} of {touched.after.name} {_plural(len(held), 'wait', 'waits')} "
            f"until {max(each.effective_at for each in held)}"
        )
        yield _about(touched, "yanks-held", sentence, frozenset({"release.yank_held"}))


def _late(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    """A date that is not the truth would let what belongs together be counted apart."""
    signed = _seconds(release.leaf.signed_at)
    late = [(i, event) for i, event in touched.events if not 0 <= signed - _seconds(event.at) <= limits.late_s]
    if late:
        (index, event), name = late[0], touched.after.name
        sentence = (
            f"{len(late)} {_plural(len(late), 'event')} of {name} of {event.at} came into the log with the release of "
            f"{release.leaf.signed_at}"
        )
        yield _finding("late-event", sentence, release.leaf.signed_at, index, name)


Rule = Callable[[Touched, Whole, Limits], Iterator[Finding]]
_OF_A_NAME: Final[tuple[Rule, ...]] = (
    _promises, _withdrawals, _all_withdrawn, _newest_withdrawn, _hands, _returns, _held, _late,
)  # fmt: skip


# Rules of a whole release


def _gaps(release: Whole) -> Iterator[Finding]:
    leaf, before = release.leaf, release.released.before
    if before is None:
        return
    if leaf.generation != before.generation + 1:
        sentence = f"release {leaf.generation} follows release {before.generation} in the log"
        yield _finding("version-gap", sentence, leaf.signed_at, release.index)
    if leaf.version not in (before.version, before.version + 1):
        sentence = f"snapshot {leaf.version} follows snapshot {before.version} in the log"
        yield _finding("version-gap", sentence, leaf.signed_at, release.index)


def _taken_over(release: Whole) -> Iterator[Finding]:
    """The first release of a log takes over what was there before it."""
    taken = [each for each in release.others if isinstance(each, WentOn)]
    if taken and release.released.before:
        name, rest = taken[0].leaf.name, len(taken) - 1
        goes_on = (
            f"{name} and {rest} more {_plural(rest, 'name')} go on from pages"
            if rest
            else f"{name} goes on from a page"
        )
        yield _finding("taken-over", f"{goes_on} without events", release.leaf.signed_at, taken[0].index, name)


def _others(release: Whole) -> Iterator[Finding]:
    at = release.leaf.signed_at
    for each in release.others:
        if isinstance(each, Rooted):
            yield from of_root(each, at)
        elif isinstance(each, SealedFile):
            yield _finding("sealed", f"{each.leaf.role} {each.leaf.version} was sealed", at, each.index)
        elif isinstance(each, Announced):
            yield _announced(each)


def _announced(seen: Announced) -> Finding:
    said = seen.document
    if isinstance(said, FlagAct):
        return _finding("flag", f"{said.by} {said.act} the flag {said.flag} (act {said.number})", said.at, seen.index)
    policy = said.policy
    sentence = f"policy {policy.id} was published; it is in force from {said.effective_from}"
    return _finding("policy", sentence, said.published_at, seen.index)


def of_root(rooted: Rooted, at: str) -> Iterator[Finding]:
    """What a root changed of the one before it: who may sign with how many, and which log counts."""
    after, before = rooted.after, rooted.before
    if before is None:
        yield _finding("sealed", f"root {after.version} was sealed", at, rooted.index)
        return
    changed = [
        *(f"the keys of {role}" for role in after.roles if _held_by(after, role) != _held_by(before, role)),
        *(f"the threshold of {r}" for r in after.roles if after.roles[r].threshold != before.roles[r].threshold),
        *(["the log, its witnesses or their quorum"] if _log(after) != _log(before) else []),
    ]
    if changed:
        sentence = f"root {after.version} changes {'; '.join(changed)}"
        yield _finding("root-changed", sentence, at, rooted.index)
    else:
        yield _finding("root-renewed", f"root {after.version} was sealed; keys are as before", at, rooted.index)


def _held_by(root: Root, role: str) -> dict[str, Any]:
    return {keyid: root.keys[keyid].to_dict() for keyid in root.roles[role].keyids}


def _log(root: Root) -> Any:
    return root.unrecognized_fields.get(LOG_FIELD)


# What is counted over time


class _Counted:
    """What a release adds to the counts."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(_COUNTED, 0)
        self.projects: list[tuple[str, str]] = []

    def add(self, touched: Touched) -> None:
        gone, types = _gone(touched), [c.type_of(event.change) for _, event in touched.events]
        self.counts["withdrawn-everywhere"] += len(gone)
        self.counts["quarantines"] += sum(each in _QUARANTINES for each in types)
        self.counts["takedowns"] += sum(each in _TAKEDOWNS for each in types)
        if gone:
            self.projects += [(by, touched.after.name) for by in _classes(touched)]


_COUNTED: Final[dict[str, tuple[Callable[[Limits], int], str]]] = {
    "withdrawn-everywhere": (lambda limits: limits.withdrawn_everywhere, "{} releases were taken away within {}"),
    "quarantines": (lambda limits: limits.quarantines, "{} projects and releases were quarantined within {}"),
    "takedowns": (lambda limits: limits.takedowns, "{} takedowns were listed or confirmed within {}"),
}
"""What is counted of all names together: which limit it has, and how it is told."""
_ONE_CLASS: Final = "one-class"


def _everywhere(release: Whole, memory: Memory, counted: _Counted, limits: Limits) -> tuple[list[Finding], Memory]:
    minute = _seconds(release.leaf.signed_at) // 60
    first = minute - -(-limits.window_s // 60) + 1
    old = {each.what: each for each in memory.tallies}
    found, tallies = list[Finding](), list[Tally]()

    def tell(code: str, after: Tally, total: int, limit: int, sentence: str) -> None:
        before = old.get(after.what, Tally(after.what)).level
        loud = _doubled(total, limit)
        if loud > before:
            found.append(_finding(code, sentence, release.leaf.signed_at, release.index))
        # It is told again once it was quiet: within half of the limit.
        tallies.append(Tally(after.what, after.minutes, max(before, loud) if total > limit // 2 else 0))

    for code, (limit_of, said) in _COUNTED.items():
        tally = _counted_on(old.get(code, Tally(code)), minute, first, counted.counts[code])
        total = sum(number for _, number in tally.minutes)
        tell(code, tally, total, limit_of(limits), said.format(total, _span(limits.window_s)))
    seen = _seen(memory.seen, counted.projects, minute, first, 8 * limits.projects_of_one_class)
    for by in sorted({each.by for each in seen}):
        total = sum(each.by == by for each in seen)
        sentence = f"{by}: something was taken away from {total} projects within {_span(limits.window_s)}"
        tell(_ONE_CLASS, Tally(f"{_ONE_CLASS}/{by}"), total, limits.projects_of_one_class, sentence)
    return found, Memory(tuple(tallies), seen)


def _counted_on(tally: Tally, minute: int, first: int, count: int) -> Tally:
    """With ``count`` more in this minute, without what is before the window."""
    kept = {at: number for at, number in tally.minutes if first <= at}
    if count:
        kept[minute] = kept.get(minute, 0) + count
    return Tally(tally.what, tuple(sorted(kept.items())), tally.level)


def _seen(
    before: Sequence[Seen], more: Sequence[tuple[str, str]], minute: int, first: int, most: int
) -> tuple[Seen, ...]:
    """Which projects within the window, at most so many of a class: how far the limit was passed is not counted on."""
    kept = {(each.by, each.name): each.minute for each in before if first <= each.minute}
    room = {by: most - sum(each == by for each, _ in kept) for by, _ in more}
    for by, name in sorted(set(more)):
        if (by, name) not in kept:
            room[by] -= 1
        if (by, name) in kept or room[by] >= 0:
            kept[by, name] = minute
    return tuple(Seen(by, name, at) for (by, name), at in sorted(kept.items()))


# The head, as it is looked at now


def of_head(
    head: Witnessed, policy: Policy, newest: Snapshot, limits: Limits, now: datetime, index: int | None = None
) -> Iterator[Finding]:
    """What is to be said of the newest checkpoint and release at this moment."""
    at = stamp(now)
    age = _seconds(at) - _seconds(newest.signed_at)
    if age > limits.release_age_s:
        yield _finding(
            "stale-release", f"the newest release was signed {_span(age)} ago ({newest.signed_at})", at, index
        )
    elif at > newest.timestamp_expires:
        yield _finding("stale-release", f"the newest timestamp expired {newest.timestamp_expires}", at, index)
    times = sorted(head.cosigned.values(), reverse=True)
    if len(times) < policy.quorum:
        sentence = (
            f"{len(times)} of {len(policy.witnesses)} witnesses cosigned the checkpoint of {head.checkpoint.size} "
            f"leaves; the root asks for {policy.quorum}"
        )
        yield _finding("few-witnesses", sentence, at)
    elif policy.quorum and (old := _seconds(at) - times[policy.quorum - 1]) > limits.cosigned_age_s:
        yield _finding("stale-cosignatures", f"a quorum of witnesses cosigned last {_span(old)} ago", at)


# What the rules ask


def _is_there(state: NameState, release: ReleaseState) -> bool:
    return is_installable(state, release) and release.yank is None


def _there(state: NameState | None) -> set[str]:
    """Versions that resolvers would take."""
    return {each.version for each in state.releases if _is_there(state, each)} if state else set()


def _gone(touched: Touched) -> set[str]:
    """Versions that resolvers would have taken, and no longer do."""
    return _there(touched.before) - _there(touched.after) if touched.before else set()


def _marks(release: ReleaseState) -> tuple[Mark, ...]:
    """Since when it is not there."""
    yank = release.yank.mark if release.yank else None
    return tuple(mark for mark in (yank, release.removed, release.quarantine) if mark)


def _newest(versions: set[str]) -> str | None:
    """The newest that is no pre-release; of versions that nobody can order there is none."""
    ordered = []
    for each in versions:
        try:
            version = Version(each)
        except InvalidVersion:
            continue
        if not version.is_prerelease:
            ordered.append((version, each))
    return max(ordered)[1] if ordered else None


def _about(touched: Touched, code: str, sentence: str, types: frozenset[str] = frozenset()) -> Finding:
    """With the leaf of the last event of these types, or of any."""
    of_types = [each for each in touched.events if c.type_of(each[1].change) in types]
    index, event = (of_types or touched.events)[-1]
    return _finding(code, sentence, event.at, index, touched.after.name)


def _classes(touched: Touched) -> list[str]:
    return sorted({event.by for _, event in touched.events if c.type_of(event.change) in _AWAY})


def _who(touched: Touched) -> str:
    return " and ".join(_classes(touched)) or "somebody"


def _doubled(count: int, limit: int) -> int:
    """0 up to the limit, 1 up to twice of it, 2 up to four times of it, and so on."""
    return ((count - 1) // limit).bit_length() if count else 0


def _seconds(at: str) -> int:
    return int(moment(at).timestamp())


def _plural(count: int, one: str, many: str = "") -> str:
    return one if count == 1 else many or f"{one}s"


def _span(seconds: int) -> str:
    """So long, for people."""
    for name, unit in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * unit or seconds == unit:
            return f"{seconds // unit} {_plural(seconds // unit, name)}"
    return f"{seconds} seconds"
