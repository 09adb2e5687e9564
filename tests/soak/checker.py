"""Proves from a soak's history that nothing was lost, doubled, reordered or shown half. Pure: what happened comes in.

Every acknowledged change is in the signed state exactly once and in order; no client ever refused or went back; what a
verifying client is shown in the end is what a model says that knows nothing but the answers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from tests.soak.history import Answer, End, Entry, Look, Page, Shown, Sight, Signed, Struck, Turned

_CREATED: Final = "project.created"
_STROKES: Final = ("kill", "stop", "fall", "restart", "reset")
_TYPES: Final = {"publish": "release.published", "yank": "release.yanked", "unyank": "release.unyanked"}


@dataclass(frozen=True, slots=True)
class History:
    """Everything that happened, by kind."""

    answers: Sequence[Answer]
    turned: Sequence[Turned]
    looks: Sequence[Look]
    sights: Sequence[Sight]
    shown: Sequence[Shown]
    struck: Sequence[Struck]
    events: Sequence[Signed]
    pages: Mapping[str, Page]
    end: End


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, as sentences, by what it is; and the figures of the run."""

    lost: Sequence[str]
    doubled: Sequence[str]
    disordered: Sequence[str]
    failures: Sequence[str]
    others: Sequence[str]
    figures: Mapping[str, Any]

    @property
    def violations(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.disordered, *self.failures, *self.others]


def sorted_by_kind(entries: Iterable[Entry]) -> History:
    """The history that these entries tell."""
    kinds: dict[type[Any], list[Any]] = defaultdict(list)
    for entry in entries:
        kinds[type(entry)].append(entry)
    assert len(kinds[End]) == 1, "a history that has not ended cannot be judged"
    return History(
        kinds[Answer], kinds[Turned], kinds[Look], kinds[Sight], sorted(kinds[Shown], key=lambda each: each.at),
        kinds[Struck], kinds[Signed], {page.name: page for page in kinds[Page]}, kinds[End][0],
    )  # fmt: skip


def check(history: History) -> Verdict:
    """Compare what was answered and what was seen with what is signed in the end."""
    made: dict[str, list[Signed]] = defaultdict(list)
    for event in history.events:
        made[event.change].append(event)
    asked = _asked(history.answers)
    lost, doubled = [*_lost(asked, made, history.pages)], [*_doubled(history, asked, made)]
    disordered, failures = [*_disordered(asked, made)], [*_failures(history)]
    others = [*history.end.wrong, *(f"turned away: {each}" for each in history.turned), *_equivocations(history)]
    figures = {
        "acked": len(asked),
        "answers": len(history.answers),
        "lost": len(lost),
        "doubled": len(doubled),
        "disordered": len(disordered),
        "refreshes": sum(not look.failure for look in history.looks),
        "failures": len(failures),
        "network_errors": sum(look.network for look in history.looks),
        **{f"{how}s": sum(each.how == how for each in history.struck) for how in _STROKES},
        "generations": history.end.generations,
        "events_per_generation": round(len(history.events) / max(history.end.generations, 1), 1),
        **_delays(history, asked, made),
    }
    return Verdict(lost, doubled, disordered, failures, others, figures)


def _asked(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """Every acknowledged change by its key, each with all its answers in order of time."""
    found: dict[str, list[Answer]] = defaultdict(list)
    for answer in sorted(answers, key=lambda each: each.at):
        found[answer.key].append(answer)
    return found


def _expected(answer: Answer, made: Sequence[Signed]) -> list[str]:
    """The events that a change must make: its own, and the project's creation if it was the first."""
    created = [_CREATED] if made and made[0].serial == 1 else []
    return [*created, _TYPES[answer.verb]]


def _lost(
    asked: Mapping[str, list[Answer]], made: Mapping[str, list[Signed]], pages: Mapping[str, Page]
) -> Iterator[str]:
    for answers in asked.values():
        first = answers[0]
        what = f"{first.verb} {first.name} {first.version} (change {first.change})"
        events = made.get(first.change, [])
        if not events:
            yield f"lost: {what} was acknowledged as {first.status}, and the journal has no event of it"
        elif any(event.release is None for event in events):
            yield f"lost: {what} is in no release"
        elif first.name not in pages or pages[first.name].serial < events[-1].serial:
            yield f"lost: {what} is signed, and clients are not shown it"
    for name, page in pages.items():
        told = _model(name, asked, made)
        if told != page.releases:
            wrong = {version for version in {*told, *page.releases} if told.get(version) != page.releases.get(version)}
            yield f"lost: clients see {name} other than it was acknowledged, at {sorted(wrong)}"


def _model(name: str, asked: Mapping[str, list[Answer]], made: Mapping[str, list[Signed]]) -> dict[str, bool]:
    """What the answers alone say of a name: its releases, and which are yanked."""
    told: dict[str, bool] = {}
    mine = [answers[0] for answers in asked.values() if answers[0].name == name and made.get(answers[0].change)]
    for answer in sorted(mine, key=lambda each: made[each.change][-1].serial):
        told[answer.version] = answer.verb == "yank"
    return told


def _doubled(history: History, asked: Mapping[str, list[Answer]], made: Mapping[str, list[Signed]]) -> Iterator[str]:
    for key, answers in asked.items():
        if len({answer.change for answer in answers}) > 1:
            yield f"doubled: {key} was answered as {sorted({answer.change for answer in answers})}"
        types = [event.type for event in made.get(answers[0].change, [])]
        if types and types != _expected(answers[0], made[answers[0].change]):
            yield f"doubled: {answers[0].verb} {answers[0].name} {answers[0].version} made {types}"
    known = {answer.change for answer in history.answers}
    for change in made.keys() - known:
        yield f"doubled: nobody asked for {made[change][0].type} of {made[change][0].name} (change {change})"


def _disordered(asked: Mapping[str, list[Answer]], made: Mapping[str, list[Signed]]) -> Iterator[str]:
    lanes: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answers in asked.values():
        lanes[answers[0].lane, answers[0].name].append(answers[0])
    for (lane, name), answers in lanes.items():
        placed = [each for each in sorted(answers, key=lambda each: each.place) if made.get(each.change)]
        for before, after in pairwise(placed):
            earlier, later = made[before.change][-1], made[after.change][-1]
            if earlier.serial >= later.serial or (earlier.release or 0) > (later.release or earlier.release or 0):
                yield f"order: {name} has {after.key} before {before.key}, which {lane} asked for first"
    for answers in asked.values():
        for answer in answers:
            events = made.get(answer.change)
            if events and answer.serial is not None and answer.serial != events[-1].serial:
                yield f"order: {answer.key} was answered with serial {answer.serial} and has {events[-1].serial}"


def _failures(history: History) -> Iterator[str]:
    for look in history.looks:
        if look.failure and not look.network:
            yield f"client {look.client} refused: {look.failure}"
    good = [look for look in history.looks if not look.failure]
    # In real time: whoever began to look after somebody else had seen a state must see that one or a later one, and
    # whoever looked after a receipt said "signed" must see that snapshot.
    ended = sorted(
        [(each.ended, each.timestamp) for each in good] + [(a.at, a.timestamp or 0) for a in history.answers]
    )
    seen, position = 0, 0
    for look in sorted(good, key=lambda each: each.begun):
        while position < len(ended) and ended[position][0] < look.begun:
            seen, position = max(seen, ended[position][1]), position + 1
        if look.timestamp < seen:
            yield f"client {look.client} saw timestamp {look.timestamp} after {seen} was public"
    for before, after in pairwise(history.shown):
        if after.timestamp < before.timestamp:
            yield f"the pointer went back from {before.timestamp} to {after.timestamp}"
    yield from _pages_going_back(good)


def _pages_going_back(looks: Iterable[Look]) -> Iterator[str]:
    newest: dict[tuple[str, str], int] = {}
    for look in sorted(looks, key=lambda each: each.begun):
        for name, serial in look.serials.items():
            if serial < newest.get((look.client, name), 0):
                yield f"client {look.client} saw {name} go back to serial {serial}"
            newest[look.client, name] = serial


def _equivocations(history: History) -> Iterator[str]:
    digests: dict[str, set[str]] = defaultdict(set)
    for sight in history.sights:
        digests[sight.path].add(sight.sha256)
    for path, found in digests.items():
        if len(found) > 1:
            yield f"equivocation: {path} was seen with {len(found)} contents"


def _delays(
    history: History, asked: Mapping[str, list[Answer]], made: Mapping[str, list[Signed]]
) -> dict[str, float | None]:
    """From the first answer until a client could see it, in milliseconds."""
    public: dict[int, float] = {}
    newest = 0
    for shown in history.shown:
        for timestamp in range(newest + 1, shown.timestamp + 1):
            public[timestamp] = shown.at
        newest = max(newest, shown.timestamp)
    delays = sorted(
        max(public[release] - answers[0].at, 0.0)
        for answers in asked.values()
        for release in [max((event.release or 0 for event in made.get(answers[0].change, [])), default=0)]
        if release in public
    )
    if not delays:
        return {"visible_ms_p50": None, "visible_ms_p99": None}
    return {
        "visible_ms_p50": round(1000 * delays[len(delays) // 2], 1),
        "visible_ms_p99": round(1000 * delays[len(delays) * 99 // 100], 1),
    }
