"""How a service does, in words: what is signed, what waits, what is due, who publishes, and what to do.

Pure: made of what the journal and the depot say and of ``now``. 80 columns.
"""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from keys.times import stamp
from repo_service.build.due import Signed, warnings
from repo_service.storage.overview import Lease, Overview, SignedRole

WIDTH: Final = 80
STALE: Final = timedelta(minutes=2)
"""What waits for longer than this in the first lane, or is not copied out, waits for somebody to look."""
LATE: Final = timedelta(minutes=30)
"""So long after it was due a role has been missed; of bins a few at a time are signed, so they may take longer."""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one moment. ``pointer`` is the version of the depot's timestamp, None where it cannot be read;
    ``notes`` is what else is to be said.
    """

    now: datetime
    its: Overview
    counts: Mapping[str, int]
    pointer: int | None
    notes: tuple[str, ...] = ()

    def roles(self) -> tuple[SignedRole, ...]:
        """Every role but the bins, and the bin that expires first."""
        return (*self.its.roles, *([self.its.soonest_bin] if self.its.soonest_bin else []))

    def advice(self) -> Iterator[str]:
        """What is not well, and what to do."""
        its = self.its
        if self.pointer is None:
            yield "The depot has no timestamp that can be read: nobody can install. Is it there, and may we read it?"
        elif self.pointer > its.generation:
            yield (
                f"The depot is at {self.pointer} and the journal at {its.generation}: the database is older than what "
                "is public. Publish nothing; restore a newer backup or `recover` (docs/OPERATIONS.md, An old database)."
            )
        elif its.staged:
            yield (
                f"{its.staged} of the releases are committed and not copied out. A publisher does it by itself; if "
                "this stays, its log says why: `tallystick-service publish` shows it here."
            )
        first = its.lanes[0]
        if first.oldest is not None and self.now - first.oldest > STALE:
            yield (
                f"An event has waited for {span(self.now - first.oldest)}. Does a publisher run (`serve`, or `worker` "
                "where redis is set)? `tallystick-service publish` does one round by hand."
            )
        for role in self.roles():
            yield from self._of(role)
        yield from warnings((Signed(role.role, role.version, role.expires) for role in self.its.roles), self.now)

    def _of(self, role: SignedRole) -> Iterator[str]:
        if role.due is None:
            return
        if role.expires <= self.now:
            yield f"{role.role} has expired: every client refuses. {_PUBLISH}"
        elif self.now - role.due > LATE:
            yield f"{role.role} was due {span(self.now - role.due)} ago. {_PUBLISH}"

    def data(self) -> dict[str, Any]:
        """For programs."""
        its = self.its
        return {
            "now": stamp(self.now),
            "generation": its.generation,
            "snapshot": its.snapshot,
            "storage_generation": self.pointer,
            "staged": its.staged,
            **self.counts,
            "lanes": {
                lane.name: {"pending": lane.pending, "oldest": _stamp(lane.oldest)} for lane in its.lanes
            },
            "log": (
                {"origin": its.log.origin, "size": its.log.size, "cosigned": [*its.log.cosigned]} if its.log else None
            ),
            "bins": its.bins,
            "due": its.due,
            "roles": {
                role.role: {
                    "version": role.version, "expires": stamp(role.expires), "signed": _stamp(role.signed),
                    "due": _stamp(role.due),
                }
                for role in self.roles()
            },
            "lease": _lease(its.lease) if its.lease else None,
            "notes": [*self.notes],
            "advice": [*self.advice()],
        }  # fmt: skip

    def text(self) -> str:
        """For people."""
        lines = [*self._counts(), "", *self._signed(), "", *self._publishing()]
        if advice := [*self.advice()]:
            lines.extend(["", "What to do:"])
            for each in advice:
                lines.append(textwrap.fill(each, WIDTH, initial_indent="  ! ", subsequent_indent="    "))
        else:
            lines.extend(["", "All is well."])
        return "\n".join(lines)

    def _counts(self) -> Iterator[str]:
        its, counts = self.its, self.counts
        yield f"{counts['names']} names, {counts['events']} events, {counts['pending']} of them not signed yet"
        for lane in its.lanes:
            if lane.oldest is not None:
                yield f"  lane {lane.name}: {lane.pending}, the oldest for {span(self.now - lane.oldest)}"
        yield f"snapshot {its.snapshot or '-'}, timestamp {its.generation}, {its.staged} to copy out"

    def _signed(self) -> Iterator[str]:
        for role in self.roles():
            left, due = role.expires - self.now, role.due
            ends = f"expires {stamp(role.expires)}, in {span(left)}" if left > timedelta(0) else "HAS EXPIRED"
            yield f"  {role.role:10} {role.version:<10} {ends}"
            notes = [f"(the first of {self.its.bins} bins)"] if role is self.its.soonest_bin else []
            if due is not None:
                notes.append(f"signed again {stamp(due)}" if due > self.now else "to be signed again now")
            if notes:
                yield f"{'':13}{' '.join(notes)}"

    def _publishing(self) -> Iterator[str]:
        its = self.its
        if its.due:
            yield f"{its.due} roles are due to be signed again, bins a few at a time"
        for note in self.notes:
            yield textwrap.fill(note, WIDTH, subsequent_indent="  ")
        if its.log is not None:
            seen = ", ".join(its.log.cosigned) or "no witness"
            yield textwrap.fill(
                f"log {its.log.origin}: {its.log.size} leaves, cosigned by {seen}", WIDTH, subsequent_indent="  "
            )
        yield "public: " + ("no timestamp" if self.pointer is None else f"timestamp {self.pointer}")
        if its.lease is not None:
            left = timedelta(seconds=its.lease.until - self.now.timestamp())
            held = f"held by {its.lease.holder}, for {span(left)}" if left > timedelta(0) else "free"
            yield textwrap.shorten(f"lease: {held}; taken {its.lease.epoch} times", WIDTH, placeholder=" …")


_PUBLISH: Final = "Does a publisher run, and does its clock go right? Its log says why."


def span(length: timedelta) -> str:
    """A length of time as people say it."""
    for unit, seconds in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if length.total_seconds() >= 2 * seconds:
            return f"{length.total_seconds() // seconds:.0f} {unit}"
    return f"{length.total_seconds():.0f} seconds"


def _lease(lease: Lease) -> dict[str, Any]:
    return {"holder": lease.holder, "epoch": lease.epoch, "until": lease.until}


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)
