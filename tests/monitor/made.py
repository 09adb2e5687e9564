"""Releases made by hand, of events that the domain folds: what rules, feeds and telling look at."""

import hashlib
from datetime import timedelta
from typing import Any

from keys.state import File, NameState
from keys.times import stamp
from keys.tlog.leaves import Snapshot
from repo_service.domain import changes as c
from repo_service.domain.evolve import evolve
from repo_service.monitor.alarms import of_release
from repo_service.monitor.findings import Finding
from repo_service.monitor.limits import Limits
from repo_service.monitor.seen import Happened, Released, Seen
from repo_service.monitor.tallies import Memory
from repo_service.monitor.whole import Gathering, Whole
from tests.world import BEGIN

DIGEST = hashlib.sha256(b"").hexdigest()


class Tale:
    """What happened in a registry, leaf by leaf. ``seen`` is everything that a watch is handed, in order."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.seen: list[Seen] = []
        self._names: dict[str, c.Name] = {}
        self._last: Snapshot | None = None
        self._leaf = 0

    def tick(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def state(self, name: str) -> NameState | None:
        return self._names[name].state if name in self._names else None

    def event(self, name: str, change: c.Change, by: Any = "owner", ago: float = 0) -> None:
        """Something happens to a name, ``ago`` seconds before the present moment."""
        before = self._names.get(name, c.Name(name, None, None))
        at = stamp(self.now - timedelta(seconds=ago))
        event = c.Event(self._next() + 1, name, at, by, None, "standard/1", change, None, None)
        after = evolve(before, event)
        assert after.state is not None
        self._names[name] = after
        self.seen.append(Happened(event.seq - 1, event, after.state.serial, before.state, after.state))

    def publish(self, name: str, *versions: str, content: bytes = b"x") -> None:
        if name not in self._names:
            self.event(name, c.ProjectCreated(name))
        for version in versions:
            file = made_file(f"{name}-{version}.tar.gz", content)
            self.event(name, c.ReleasePublished(version, version, stamp(self.now), (file,)))

    def yank(self, name: str, *versions: str, by: Any = "owner", ago: float = 0) -> None:
        for version in versions:
            self.event(name, c.ReleaseYanked(version, "owner"), by, ago)

    def also(self, seen: Seen) -> None:
        self._next()
        self.seen.append(seen)

    def release(self) -> None:
        generation = self._last.generation + 1 if self._last else 1
        at, later = stamp(self.now), stamp(self.now + timedelta(days=3))
        leaf = Snapshot(generation, generation, 1, DIGEST, DIGEST, later, at, later, 4, DIGEST, "full")
        self.seen.append(Released(self._next(), leaf, self._last, 0, 0))
        self._last = leaf

    def wholes(self) -> list[Whole]:
        gathering = Gathering()
        return [whole for each in self.seen if (whole := gathering.add(each))]

    def found(self, limits: Limits | None = None) -> list[Finding]:
        """What the rules say of the whole tale."""
        memory, findings = Memory(), list[Finding]()
        for whole in self.wholes():
            found, memory = of_release(whole, memory, limits or Limits())
            findings += found
        return findings

    def codes(self, limits: Limits | None = None) -> list[str]:
        return [each.code for each in self.found(limits)]

    def _next(self) -> int:
        self._leaf += 1
        return self._leaf - 1


def made_file(filename: str, content: bytes = b"x", identity: str = "sdist") -> File:
    return File(filename, identity, hashlib.sha256(content).hexdigest(), len(content), stamp(BEGIN))


def versions(count: int, first: int = 0) -> list[str]:
    return [f"{number}.0" for number in range(first, first + count)]
