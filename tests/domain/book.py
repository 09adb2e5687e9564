"""The domain alone: names by decide and evolve, without a database, and the time they live at."""

from datetime import datetime, timedelta
from typing import Final

from keys.state import NameState
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Around, Refusal
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve
from repo_service.domain.notices import last_reminder
from repo_service.domain.policy import Policy, preset
from repo_service.wiring import presets
from tests.world import BEGIN

POLICY: Final = preset("standard", presets())


class Book:
    """What a journal would remember, in memory."""

    def __init__(self) -> None:
        self.now: datetime = BEGIN
        self.names: dict[str, c.Name] = {}
        self.events: list[c.Event] = []
        self.held: set[str] = set()
        self.policy: Policy = POLICY

    def tick(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def decide(self, request: r.Request) -> Accepted | Refusal:
        name = self.names.get(request.name, c.Name(request.name, None, None))
        return decide(name, request, self.policy, self.now, self.around(request))

    def around(self, request: r.Request) -> Around:
        """What intake reads of the rest of the registry."""
        return Around(
            held=request.name in self.held,
            last_holder=self._last_holder(request.name),
            reminded_at=self._reminded_at(request.name),
        )

    def codes(self, request: r.Request) -> list[str]:
        """Why it is refused; nothing if it is not."""
        decision = self.decide(request)
        return [why.code for why in decision.reasons] if isinstance(decision, Refusal) else []

    def do(self, *requests: r.Request) -> list[str]:
        """Send requests that are accepted; the types of the events that the last one makes."""
        made: list[str] = []
        for request in requests:
            decision = self.decide(request)
            assert isinstance(decision, Accepted), decision
            made = [self._append(request, change, decision.holder) for change in decision.changes]
        return made

    def state(self, name: str) -> NameState:
        found = self.names[name].state
        assert found is not None
        return found

    def _reminded_at(self, name: str) -> datetime | None:
        """As if every reminder were sent on its day."""
        state = self.names[name].state if name in self.names else None
        held = state.reservation if state else None
        due_at = last_reminder(held, self.policy) if held else None
        return due_at if due_at is not None and due_at <= self.now else None

    def _last_holder(self, name: str) -> str | None:
        acted = [
            event
            for event in self.events
            if event.name == name and (event.holder or (event.by == "owner" and event.actor))
        ]
        return next((event.holder or event.actor for event in reversed(acted)), None)

    def _append(self, request: r.Request, change: c.Change, holder: str | None) -> str:
        event = c.Event(
            len(self.events) + 1, request.name, self.now.strftime("%Y-%m-%dT%H:%M:%SZ"), request.actor.kind,
            getattr(request, "reason", None), self.policy.id, change, request.actor.id, holder, request.actor.approver,
        )  # fmt: skip
        self.events.append(event)
        self.names[request.name] = evolve(self.names.get(request.name, c.Name(request.name, None, None)), event)
        return c.type_of(change)
