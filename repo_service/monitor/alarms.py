"""What in the log should frighten somebody: rules from releases, as replayed, to findings. Pure.

A rule sees names with what happened to them, and their states around it; what is counted over time is in tallies.py.
The same log and limits give the same findings, whoever replays it and however often it is broken off.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from packaging.version import InvalidVersion, Version
from tuf.api.metadata import Root

from keys.state import Mark
from keys.state import Release as ReleaseState
from keys.succession import broken_promises
from keys.times import moment, stamp
from keys.tlog.proofs import LOG_FIELD, Policy, Witnessed
from repo_service.domain import changes as c
from repo_service.domain.flags import FlagAct
from repo_service.monitor.findings import Finding, Level
from repo_service.monitor.limits import Limits, doubled
from repo_service.monitor.seen import Announced, SealedFile, WentOn
from repo_service.monitor.tallies import Memory, everywhere
from repo_service.monitor.whole import AWAY, Rooted, Touched, Whole, classes, gone, is_there, there
from repo_service.monitor.words import plural, span

CODES: Final[Mapping[str, tuple[Level, str]]] = {
    # Much at once.
    "withdrawn": ("alarm", "More releases of one project were taken away within the window than the limit says."),
    "all-withdrawn": ("alarm", "Nothing is left to install of a project that had several releases."),
    "withdrawn-everywhere": (
        "alarm",
        "More releases of all projects were taken away within the window than the limit.",
    ),
    "one-class": ("alarm", "One class of actor took something away from more projects than the limit."),
    "quarantines": ("alarm", "More was put into quarantine within the window than the limit says."),
    "takedowns": ("alarm", "More takedowns were said within the window than the limit says."),
    # What must not be, or needs a second look.
    "digest-changed": ("alarm", "A file name or an artifact identity has other bytes than before. This must never be."),
    "taken-over": ("alarm", "Names go on from pages whose events are not in the log."),
    "late-event": ("alarm", "An event came into the log long after its own date."),
    "root-changed": ("alarm", "The key holders sealed a root with other keys or thresholds, or of another log."),
    "cosignatures-stale": ("alarm", "It is too long since a quorum of witnesses cosigned."),
    "split-view": ("alarm", "Another vantage has another tree of the same log: not everyone is shown the same."),
    "unreachable": ("alarm", "The registry has not been in reach for long."),
    "not-trusted": ("alarm", "The root, or what it delegates to, is not signed as it must be."),
    "held-back": ("alarm", "Another vantage has a newer head of the log than is served here, and has had it for long."),
    # Good to know.
    "root-renewed": ("notice", "The key holders sealed a root that changes dates alone."),
    "sealed": ("notice", "The key holders sealed a file of targets, held names or bins, or the first root."),
    "policy": ("notice", "A policy was published."),
    "flag": ("notice", "A flag, which halts a kind of change, was set or cleared."),
    "passed-on": ("notice", "A name, a reservation or a namespace passed to somebody else."),
    "new-generation": ("notice", "A name that somebody else had begins anew."),
    "restored": ("notice", "What was removed came back, as the policy allows."),
    "newest-withdrawn": ("notice", "The newest stable release of a project was taken away, and older ones are left."),
    "yanks-held": ("notice", "Yanks wait, because they would leave little to install."),
    "vantage-away": ("notice", "Another vantage could not be looked at."),
}
"""What these rules and the look at other vantages can find: level, and what it says in general."""
SEVERAL: Final = 3
"""Releases from which on it is an alarm that none is left."""
_PASSES: Final = {
    "transfer.accepted": "with its releases to another holder",
    "reservation.transferred": "as a reservation to another holder",
    "namespace.transferred": "as a namespace to another organisation",
}
_RETURNS: Final = frozenset({"release.restored", "project.restored", "file.restored"})


def of_release(release: Whole, memory: Memory, limits: Limits) -> tuple[list[Finding], Memory]:
    """What is to be said of a release, in the order of leaves, and what to remember for the next one."""
    found = [*_taken_over(release), *_others(release)]
    for touched in release.touched:
        for rule in _OF_A_NAME:
            found += rule(touched, release, limits)
    at = release.leaf.signed_at
    told, after = everywhere(release.touched, at, memory, limits)
    found += [finding(each.code, each.sentence, at, release.index) for each in told]
    return sorted(found, key=lambda each: (each.index or 0, each.code)), after


def finding(code: str, sentence: str, at: str, index: int | None = None, name: str | None = None) -> Finding:
    """A finding of one of these codes."""
    return Finding(code, CODES[code][0], sentence, at, index, name)


# Rules of one name


def _withdrawals(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    """Many releases of one project, counted from the marks in its state: nothing need be remembered."""
    now = gone(touched)
    since = _seconds(release.leaf.signed_at) - limits.window_s
    recent = {
        each.version for each in touched.after.releases
        if not is_there(touched.after, each) and any(_seconds(mark.at) > since for mark in _marks(each))
    }  # fmt: skip
    count, rest = len(now | recent), len(there(touched.after))
    sooner = _loudness(len(recent - now), rest + len(now), limits)
    if now and _loudness(count, rest, limits) > sooner:
        sentence = (
            f"{count} of the {count + rest} releases of {touched.after.name} that could be installed were taken away "
            f"within {span(limits.window_s)}, by {_who(touched)}"
        )
        yield _about(touched, "withdrawn", sentence, AWAY)


def _loudness(count: int, rest: int, limits: Limits) -> int:
    """How often a limit was doubled; 0 within it. It is told again when it grows."""
    share = count >= limits.withdrawn_percent_from and 100 * count > limits.withdrawn_percent * (count + rest)
    return max(doubled(count, limits.withdrawn), int(share))


def _all_withdrawn(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    lost = gone(touched)
    if lost and not there(touched.after) and len(touched.after.releases) >= SEVERAL:
        sentence = (
            f"nothing is left to install of {touched.after.name}, which had {len(touched.after.releases)} releases"
        )
        yield _about(touched, "all-withdrawn", sentence, AWAY)


def _newest_withdrawn(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    lost = gone(touched)
    newest = _newest(there(touched.before)) if lost and touched.before else None
    if newest in lost and there(touched.after):
        yield _about(touched, "newest-withdrawn", f"{touched.after.name} {newest}, its newest, was taken away", AWAY)


def _bytes(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    """The one promise that nothing can ever excuse. Whoever replays asks for all of them (keys/succession.py)."""
    del release, limits
    if touched.before and any(
        isinstance(event.change, c.ReleasePublished | c.FileAdded) for _, event in touched.events
    ):
        for broken in broken_promises(touched.before, touched.after):
            if broken.promise == "bytes":
                yield _about(touched, "digest-changed", f"{touched.after.name}: {broken.sentence}")


def _hands(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    name = touched.after.name
    for index, event in touched.events:
        if how := _PASSES.get(c.type_of(event.change)):
            yield finding("passed-on", f"{name} passed {how}", event.at, index, name)
    if touched.before and touched.after.generation > touched.before.generation:
        yield _about(touched, "new-generation", f"{name} begins anew: this is generation {touched.after.generation}")


def _returns(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    for index, event in touched.events:
        if c.type_of(event.change) in _RETURNS:
            what = " ".join((touched.after.name, getattr(event.change, "version", ""))).strip()
            yield finding("restored", f"{what} came back after it was removed", event.at, index, touched.after.name)


def _held(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    del release, limits
    held = [event.change for _, event in touched.events if isinstance(event.change, c.YankHeld)]
    if held:
        sentence = (
            f"{len(held)} {plural(len(held), 'yank')} of {touched.after.name} {plural(len(held), 'waits', 'wait')} "
            f"until {max(each.effective_at for each in held)}"
        )
        yield _about(touched, "yanks-held", sentence, frozenset({"release.yank_held"}))


def _late(touched: Touched, release: Whole, limits: Limits) -> Iterator[Finding]:
    """A date that is not the truth would let what belongs together be counted apart."""
    signed = _seconds(release.leaf.signed_at)
    late = [(i, event) for i, event in touched.events if signed - _seconds(event.at) > limits.late_s]
    if late:
        (index, event), name = late[0], touched.after.name
        sentence = (
            f"{len(late)} {plural(len(late), 'event')} of {name} of {event.at} came into the log with the release of "
            f"{release.leaf.signed_at}"
        )
        yield finding("late-event", sentence, release.leaf.signed_at, index, name)


Rule = Callable[[Touched, Whole, Limits], Iterator[Finding]]
_OF_A_NAME: Final[tuple[Rule, ...]] = (
    _bytes, _withdrawals, _all_withdrawn, _newest_withdrawn, _hands, _returns, _held, _late,
)  # fmt: skip


# Rules of a whole release


def _taken_over(release: Whole) -> Iterator[Finding]:
    """The first release of a log takes over what was there before it."""
    taken = [each for each in release.others if isinstance(each, WentOn)]
    if taken and release.released.before:
        name, rest = taken[0].leaf.name, len(taken) - 1
        goes_on = (
            f"{name} and {rest} more {plural(rest, 'name')} go on from pages" if rest else f"{name} goes on from a page"
        )
        yield finding("taken-over", f"{goes_on} without events", release.leaf.signed_at, taken[0].index, name)


def _others(release: Whole) -> Iterator[Finding]:
    at = release.leaf.signed_at
    for each in release.others:
        if isinstance(each, Rooted):
            yield from of_root(each, at)
        elif isinstance(each, SealedFile):
            yield finding("sealed", f"{each.leaf.role} {each.leaf.version} was sealed", at, each.index)
        elif isinstance(each, Announced):
            yield _announced(each)


def _announced(seen: Announced) -> Finding:
    said = seen.document
    if isinstance(said, FlagAct):
        return finding("flag", f"{said.by} {said.act} the flag {said.flag} (act {said.number})", said.at, seen.index)
    policy = said.policy
    sentence = f"policy {policy.id} was published; it is in force from {said.effective_from}"
    return finding("policy", sentence, said.published_at, seen.index)


def of_root(rooted: Rooted, at: str) -> Iterator[Finding]:
    """What a root changed of the one before it: who may sign with how many, and which log counts."""
    after, before = rooted.after, rooted.before
    if before is None:
        yield finding("sealed", f"root {after.version} was sealed", at, rooted.index)
        return
    changed = [
        *(f"the keys of {role}" for role in after.roles if _held_by(after, role) != _held_by(before, role)),
        *(f"the threshold of {r}" for r in after.roles if after.roles[r].threshold != before.roles[r].threshold),
        *(["the log, its witnesses or their quorum"] if _log(after) != _log(before) else []),
    ]
    if changed:
        sentence = f"root {after.version} changes {'; '.join(changed)}"
        yield finding("root-changed", sentence, at, rooted.index)
    else:
        yield finding("root-renewed", f"root {after.version} was sealed; keys are as before", at, rooted.index)


def _held_by(root: Root, role: str) -> dict[str, Any]:
    return {keyid: root.keys[keyid].to_dict() for keyid in root.roles[role].keyids}


def _log(root: Root) -> Any:
    return root.unrecognized_fields.get(LOG_FIELD)


# The head, as it is looked at now


def of_head(head: Witnessed, policy: Policy, limits: Limits, now: datetime) -> Iterator[Finding]:
    """How long ago the last of a quorum cosigned. Where there is no quorum, whoever follows says so."""
    times = sorted(head.cosigned.values(), reverse=True)
    if policy.quorum and len(times) >= policy.quorum:
        age = int(now.timestamp()) - times[policy.quorum - 1]
        if age > limits.cosigned_age_s:
            yield finding("cosignatures-stale", f"a quorum of witnesses cosigned last {span(age)} ago", stamp(now))


# What the rules ask


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
    return finding(code, sentence, event.at, index, touched.after.name)


def _who(touched: Touched) -> str:
    return " and ".join(classes(touched)) or "somebody"


def _seconds(at: str) -> int:
    return int(moment(at).timestamp())
