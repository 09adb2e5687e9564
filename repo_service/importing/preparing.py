"""Some projects are read and decided, so that only rows are left to write.

All of it is reading and reckoning. It is done on a view of the journal, in whatever process, and is good for as long
as the journal says what it said then: ``look`` sees the same.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keys import names
from keys.skeletons import skeleton
from keys.strict import Malformed
from repo_service.accepting.surroundings import around_all
from repo_service.accepting.writing import dates
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.bringing import Done, asked, bring
from repo_service.domain.case import Accepted, Around, Refusal
from repo_service.domain.foresight import serial_of
from repo_service.domain.policy import Policy
from repo_service.importing.entries import Entry, Problem
from repo_service.storage.pen import Rows, answer_row, event_row, name_row
from repo_service.storage.pendingreading import BULK
from repo_service.storage.requestreading import ChangeRecord
from repo_service.storage.view import View

CLIENT: Final = "import"
_STOPPING: Final = frozenset({"read_only", "new_names_halted", "uploads_halted"})


class Halted(Exception):
    """A flag stops what an import does. What was recorded stays; run it again once the flag is cleared."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What decisions are made on: the entries taken before, the names by their editions, what is around, the policy."""

    known: frozenset[str | None]
    editions: Mapping[str, str]
    around: Mapping[str, Around]
    policy: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Projects that are new or grew, with how many releases and files; and entries that were taken whole before."""

    grown: int = 0
    releases: int = 0
    files: int = 0
    known: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.grown + other.grown, self.releases + other.releases, self.files + other.files, self.known + other.known
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """Some entries, decided. ``brought`` says of each name the SHA-256 of the files that come."""

    seen: Seen
    brought: Mapping[str, frozenset[str]]
    rows: tuple[Rows, ...]
    problems: tuple[Problem, ...]
    counted: Counted

    @property
    def new(self) -> frozenset[str]:
        """The names that nobody has touched yet."""
        return frozenset(self.brought.keys() - self.seen.editions.keys())


@dataclass(frozen=True, slots=True)
class _Asked:
    entry: Entry
    name: str
    requests: tuple[r.Request, ...]


def prepare(view: View, entries: Sequence[Entry], now: datetime) -> Prepared:
    """Decide everything that these entries ask, each after those before it. Raises Halted or ClockWentBack."""
    known = _known(view, entries)
    problems: list[Problem] = []
    wanted = list(_read((entry for entry in entries if entry.key not in known), problems))
    brought = _brought(wanted)
    seen, stand = _looked(view, known, brought, now)
    policy, rows, alike = view.policy(now), [], dict[str, list[str]]()
    counted = Counted(known=sum(entry.key in known for entry in entries))
    for each in wanted:
        before = stand.get(each.name, c.Name(each.name, None, None))
        around = _beside(seen.around[each.name], each.name, alike)
        stand[each.name], done = bring(before, each.requests, policy, now, around)
        refused = [problem for one in done for problem in _refused(each, one)]
        problems += refused
        key = None if refused else each.entry.key
        rows.append(_rows(each.name, key, before, stand[each.name], done, policy, now))
        counted += _counted(done)
    return Prepared(seen, brought, tuple(rows), tuple(problems), counted)


def look(view: View, prepared: Prepared, entries: Sequence[Entry], now: datetime) -> Seen:
    """What ``prepare`` would see now. If it is what it saw then, it would decide the same."""
    return _looked(view, _known(view, entries), prepared.brought, now)[0]


def _known(view: View, entries: Sequence[Entry]) -> frozenset[str | None]:
    return frozenset(view.answered_keys(CLIENT, (entry.key for entry in entries if entry.key)))


def _read(entries: Iterator[Entry], problems: list[Problem]) -> Iterator[_Asked]:
    for entry in entries:
        try:
            project = entry.read()
        except Malformed as error:
            problems.append(Problem(entry.where, str(error)))
        else:
            yield _Asked(entry, names.normalise(project.name), tuple(asked(project)))


def _brought(wanted: Sequence[_Asked]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for each in wanted:
        publishing = (request for request in each.requests if isinstance(request, r.Publish))
        found.setdefault(each.name, set()).update(file.sha256 for request in publishing for file in request.files)
    return {name: frozenset(digests) for name, digests in found.items()}


def _looked(
    view: View, known: frozenset[str | None], brought: Mapping[str, frozenset[str]], now: datetime
) -> tuple[Seen, dict[str, c.Name]]:
    around = around_all(view, brought, now)
    for flag in next(iter(around.values())).flags if around else ():
        if flag.flag in _STOPPING:
            raise Halted(
                f"the registry is halted since {flag.since} ({flag.flag}): {flag.reason.text or flag.reason.code}"
            )
    found = view.named(brought)
    editions = {name: edition for name, (edition, _) in found.items()}
    return Seen(known, editions, around, view.policy(now).id), {name: its for name, (_, its) in found.items()}


def _beside(around: Around, name: str, alike: dict[str, list[str]]) -> Around:
    """What is around a name after those before it in the same breath, which the journal does not hold yet."""
    taken = alike.setdefault(skeleton(name), [])
    before = [each for each in taken if each != name]
    taken.append(name)
    return replace(around, alike=tuple(sorted({*around.alike, *before}))) if before else around


def _rows(
    name: str, key: str | None, before: c.Name, after: c.Name, done: Sequence[Done], policy: Policy, now: datetime
) -> Rows:
    """A project as rows. With a key it was taken whole: it is answered under that, and never asked again."""
    change = secrets.token_hex(16)
    events = [event for one in done for event in one.events]
    if not events and key is None:
        return Rows(name, (), None, None)
    warnings = tuple(warned for one in done if isinstance(one.outcome, Accepted) for warned in one.outcome.warnings)
    record = ChangeRecord(
        change, CLIENT, key or f"#{change}", key or "", name, serial_of(after) or None, len(events),
        tuple(dict.fromkeys(warnings)),
    )  # fmt: skip
    first = serial_of(before) + 1
    rows = tuple(event_row(event, serial, change, BULK) for serial, event in enumerate(events, first))
    return Rows(name, rows, name_row(after, *dates(after, policy, now)) if events else None, answer_row(record))


def _refused(each: _Asked, done: Done) -> Iterator[Problem]:
    if isinstance(done.outcome, Refusal):
        why = "; ".join(why.sentence for why in done.outcome.reasons)
        yield Problem(
            each.entry.where, f"{r.verb_of(done.request)}: {why}", each.name, getattr(done.request, "version", None)
        )


def _counted(done: Sequence[Done]) -> Counted:
    changes = [event.change for one in done for event in one.events]
    releases = [change for change in changes if isinstance(change, c.ReleasePublished)]
    files = sum(len(change.files) for change in releases) + sum(isinstance(change, c.FileAdded) for change in changes)
    return Counted(bool(changes), len(releases), files)
