"""The domain alone: names by decide and evolve, without a database, and the time they live at."""

from datetime import datetime, timedelta
from typing import Final

from keys.names import is_under
from keys.skeletons import skeleton
from keys.state import NameState
from repo_service.domain import changes as c
from repo_service.domain import flags, limits
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Around, Lately, Refusal, TakenDown
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve
from repo_service.domain.namespaces import followed
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
        self.acts: list[flags.FlagAct] = []
        self.policy: Policy = POLICY

    def tick(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def set_flag(self, asked: flags.SetFlag) -> None:
        self.acts += filter(None, [flags.set_flag(self.acts, asked, self.now)])

    def clear_flag(self, asked: flags.ClearFlag) -> None:
        self.acts += filter(None, [flags.clear_flag(self.acts, asked, self.now)])

    def decide(self, request: r.Request) -> Accepted | Refusal:
        name = self.names.get(request.name, c.Name(request.name, None, None))
        return decide(name, request, self.policy, self.now, self.around(request))

    def around(self, request: r.Request) -> Around:
        """What intake reads of the rest of the registry."""
        states = [name.state for name in self.names.values() if name.state]
        listed = tuple(
            TakenDown(digest, entry.id, entry.status)
            for state in states
            for entry in state.takedowns
            for digest in entry.sha256s
        )
        all_grants = sorted((n.granted for n in self.names.values() if n.granted), key=lambda each: each.prefix)
        over = tuple(each for each in all_grants if is_under(request.name, each.prefix))
        below = tuple(each for each in all_grants if is_under(each.prefix, request.name) and each not in over)
        look = skeleton(request.name)
        known = [each.name for each in self.names.values() if each.state and each.state.state != "vacant"]
        alike = sorted(each for each in {*known, *self.held} - {request.name} if skeleton(each) == look)
        return Around(
            held=request.name in self.held,
            grants=over,
            below=below,
            alike=tuple(alike),
            lately=self._lately(request.actor.id),
            taken_down=listed,
            flags=flags.standing(self.acts),
            pauses=flags.pauses(self.acts, self.now),
            last_holder=self._last_holder(request.name),
            reminded_at=self._reminded_at(request.name),
        )

    def _lately(self, account: str | None) -> Lately:
        def times(types: tuple[str, ...]) -> tuple[str, ...]:
            mine = [event for event in self.events if account and event.actor == account]
            return tuple(reversed([event.at for event in mine if c.type_of(event.change) in types]))

        holds = sum(name.holder == account for name in self.names.values() if account)
        return Lately(times(limits.NEW_NAMES), times(limits.RESERVATIONS), times(limits.YANKS), holds)

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
            made = [self._append(request, request.name, change, decision) for change in decision.changes]
            if isinstance(request, r.OfNamespace):
                self._follow(request)
        return made

    def _follow(self, request: r.Request) -> None:
        """As intake does: every name under a prefix follows its grant."""
        grants = [name.granted for name in self.names.values() if name.granted]
        for name in sorted(self.names):
            if is_under(name, request.name):
                for change in followed(self.names[name], self.names[name].org, grants):
                    self._append(request, name, change, Accepted(()))

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

    def _append(self, request: r.Request, name: str, change: c.Change, decision: Accepted) -> str:
        event = c.Event(
            len(self.events) + 1, name, self.now.strftime("%Y-%m-%dT%H:%M:%SZ"), request.actor.kind,
            getattr(request, "reason", None), self.policy.id, change, request.actor.id, decision.holder,
            request.actor.approver, decision.org,
        )  # fmt: skip
        self.events.append(event)
        self.names[name] = evolve(self.names.get(name, c.Name(name, None, None)), event)
        return c.type_of(change)
