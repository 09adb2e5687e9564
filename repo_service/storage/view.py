"""What can be read of the journal, at one moment: plain values, never rows."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import func, select, tuple_

from keys import strict
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published, in_force
from repo_service.domain.flags import FlagAct
from repo_service.domain.policy import Policy
from repo_service.storage import flow, overview
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.logreading import LogReading
from repo_service.storage.namereading import NameReading
from repo_service.storage.overview import Lease
from repo_service.storage.pendingreading import PendingReading
from repo_service.storage.reading import BATCH
from repo_service.storage.requestreading import RequestReading
from repo_service.storage.rows import event_of


class View(PendingReading, NameReading, RequestReading, LogReading):
    """Everything that is only read. Names of methods say what comes back."""

    def lease(self) -> Lease | None:
        """Who published last, or does now."""
        row = self._one(select(t.lease))
        return Lease(row["holder"], row["epoch"], row["until"]) if row else None

    def policies(self) -> tuple[Published, ...]:
        """Every policy that was ever published, in order."""

        def read() -> tuple[Published, ...]:
            return tuple(map(_policy, self._direct.scalars(s.POLICIES)))

        return self._states.added("policies", self._standing.policies, read)

    def policy(self, now: datetime) -> Policy:
        """The policy that judges at ``now``."""
        return in_force(self.policies(), now)

    def unsigned_policies(self) -> tuple[Published, ...]:
        """Policies that no release holds yet."""
        return tuple(map(_policy, self._direct.scalars(s.UNSIGNED_POLICIES)))

    def flags(self) -> tuple[FlagAct, ...]:
        """Every act that set or cleared a flag, in order."""

        def read() -> tuple[FlagAct, ...]:
            return tuple(map(_flag_act, self._direct.scalars(s.FLAGS)))

        return self._states.added("flags", self._standing.flags, read)

    def unsigned_flags(self) -> tuple[FlagAct, ...]:
        """Acts that no release holds yet."""
        return tuple(map(_flag_act, self._direct.scalars(s.UNSIGNED_FLAGS)))

    def events(self, name: str | None = None, after: int = 0, limit: int = 1000) -> list[c.Event]:
        """Events in order of their number, of one name or of all."""
        query = select(t.events).where(t.events.c.seq > after).order_by(t.events.c.seq).limit(limit)
        if name is not None:
            query = query.where(t.events.c.name == name)
        return [event_of(row) for row in self._connection.execute(query).mappings()]

    def signing(self, events: Iterable[int]) -> dict[int, int]:
        """Event numbers to the generation that signs them; events that no release holds yet are left out."""
        wanted, found = list(events), {}
        for start in range(0, len(wanted), BATCH):
            query = select(t.events.c.seq, t.events.c.release).where(t.events.c.seq.in_(wanted[start : start + BATCH]))
            found.update({row.seq: row.release for row in self._connection.execute(query) if row.release is not None})
        return found

    def signed_events(self, after: tuple[int, int], limit: int) -> list[tuple[int, c.Event]]:
        """Signed events with their generation, in order of both, after a generation and number.

        Numbers alone are no cursor (they commit out of order), but a release becomes true with all of its events.
        """
        place = tuple_(t.events.c.release, t.events.c.seq)
        query = (
            select(t.events).where(t.events.c.release.is_not(None), place > after).order_by(*place.clauses).limit(limit)
        )
        return [(row["release"], event_of(row)) for row in self._connection.execute(query).mappings()]

    def counts(self) -> dict[str, int]:
        """How many names, events and pending events there are."""
        pending = select(func.count()).select_from(t.events).where(t.events.c.release.is_(None))
        return {
            "names": self._connection.scalar(select(func.count()).select_from(t.names)) or 0,
            "events": self._connection.scalar(select(func.count()).select_from(t.events)) or 0,
            "pending": self._connection.scalar(pending) or 0,
        }

    def overview(self, now: datetime) -> overview.Overview:
        """How the repository does: what is signed until when, what waits, who publishes."""
        return overview.overview(self._connection, self.lease(), now)

    def accepted(self, begin: datetime, step: timedelta, count: int) -> list[flow.Stretch]:
        """How many events were accepted in each of ``count`` stretches of time from ``begin`` on."""
        return flow.accepted(self._direct, begin, step, count)

    def waited(self, stretches: Iterable[flow.Stretch]) -> list[flow.Stretch]:
        """These stretches, with how long events waited until they were signed."""
        return [flow.waited(self._direct, stretch) for stretch in stretches]

    def last_event(self) -> int:
        """The number of the newest event: about how many there are."""
        return self._direct.scalar(s.LAST_EVENT) or 0


@lru_cache(maxsize=128)  # a policy never changes, and every request is judged by one
def _policy(body: str) -> Published:
    return strict.load(Published, json.loads(body), "policies")


@lru_cache(maxsize=1024)  # as a policy
def _flag_act(body: str) -> FlagAct:
    return strict.load(FlagAct, json.loads(body), "flags")
