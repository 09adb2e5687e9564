"""What is counted over time, of all names together: too much of it within the window of the limits is told. Pure.

It is counted by the dates of releases, in ``Memory``, whose size the limits bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from keys.times import moment
from repo_service.domain import changes as c
from repo_service.monitor.limits import Limits, doubled
from repo_service.monitor.whole import Touched, classes, gone
from repo_service.monitor.words import span

_QUARANTINES: Final = frozenset({"release.quarantined", "project.quarantined"})
_TAKEDOWNS: Final = frozenset({"takedown.listed", "takedown.confirmed"})


@dataclass(frozen=True, slots=True)
class Minute:
    """How many there were in a minute; ``at`` is its first second."""

    at: int
    count: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Something that is counted: what and of whom, how much of it in which minute, and how loud it was told."""

    what: str
    minutes: tuple[Minute, ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """A project from which a class of actor took something away, and in which minute last."""

    by: str
    name: str
    minute: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered between releases: the counts of the running window."""

    tallies: tuple[Tally, ...] = ()
    seen: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """That a limit was passed, or passed by twice as much as before: which one, in a sentence."""

    code: str
    sentence: str


class _Added:
    """What a release adds to the counts."""

    def __init__(self, touched: Sequence[Touched]) -> None:
        self.counts = dict.fromkeys(_COUNTED, 0)
        self.projects: list[tuple[str, str]] = []
        for each in touched:
            self._add(each)

    def _add(self, touched: Touched) -> None:
        lost, types = gone(touched), [c.type_of(event.change) for _, event in touched.events]
        self.counts["withdrawn-everywhere"] += len(lost)
        self.counts["quarantines"] += sum(each in _QUARANTINES for each in types)
        self.counts["takedowns"] += sum(each in _TAKEDOWNS for each in types)
        if lost:
            self.projects += [(by, touched.after.name) for by in classes(touched)]


_COUNTED: Final[dict[str, tuple[Callable[[Limits], int], str]]] = {
    "withdrawn-everywhere": (lambda limits: limits.withdrawn_everywhere, "{} releases were taken away within {}"),
    "quarantines": (lambda limits: limits.quarantines, "{} projects and releases were quarantined within {}"),
    "takedowns": (lambda limits: limits.takedowns, "{} takedowns were listed or confirmed within {}"),
}
"""What is counted of all names together: which limit it has, and how it is told."""
_ONE_CLASS: Final = "one-class"


def everywhere(touched: Sequence[Touched], at: str, memory: Memory, limits: Limits) -> tuple[list[Told], Memory]:
    """What is to be told once a release of this date is counted too, and what to remember for the next one."""
    counted = _Added(touched)
    minute = int(moment(at).timestamp()) // 60
    first = minute - -(-limits.window_s // 60) + 1
    old = {each.what: each for each in memory.tallies}
    found, tallies = list[Told](), list[Tally]()

    def tell(code: str, after: Tally, total: int, limit: int, sentence: str) -> None:
        before = old.get(after.what, Tally(after.what)).level
        loud = doubled(total, limit)
        if loud > before:
            found.append(Told(code, sentence))
        # It is told again once it was quiet: within half of the limit.
        tallies.append(Tally(after.what, after.minutes, max(before, loud) if total > limit // 2 else 0))

    for code, (limit_of, said) in _COUNTED.items():
        tally = _counted_on(old.get(code, Tally(code)), minute, first, counted.counts[code])
        total = sum(each.count for each in tally.minutes)
        tell(code, tally, total, limit_of(limits), said.format(total, span(limits.window_s)))
    seen = _seen(memory.seen, counted.projects, minute, first, 8 * limits.projects_of_one_class)
    for by in sorted({each.by for each in seen}):
        total = sum(each.by == by for each in seen)
        sentence = f"{by}: something was taken away from {total} projects within {span(limits.window_s)}"
        tell(_ONE_CLASS, Tally(f"{_ONE_CLASS}/{by}"), total, limits.projects_of_one_class, sentence)
    return found, Memory(tuple(tallies), seen)


def _counted_on(tally: Tally, minute: int, first: int, count: int) -> Tally:
    """With ``count`` more in this minute, without what is before the window."""
    kept = {each.at: each.count for each in tally.minutes if first <= each.at}
    if count:
        kept[minute] = kept.get(minute, 0) + count
    return Tally(tally.what, tuple(Minute(at, number) for at, number in sorted(kept.items())), tally.level)


def _seen(
    before: Sequence[Loss], more: Sequence[tuple[str, str]], minute: int, first: int, most: int
) -> tuple[Loss, ...]:
    """Which projects within the window, at most so many of a class: how far the limit was passed is not counted on."""
    kept = {(each.by, each.name): each.minute for each in before if first <= each.minute}
    room = {by: most - sum(each == by for each, _ in kept) for by, _ in more}
    for by, name in sorted(set(more)):
        if (by, name) not in kept:
            room[by] -= 1
        if (by, name) in kept or room[by] >= 0:
            kept[by, name] = minute
    return tuple(Loss(by, name, at) for (by, name), at in sorted(kept.items()))
