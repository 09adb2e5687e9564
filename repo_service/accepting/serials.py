"""What senders say that they saw of a name before they changed it, alone or in a batch."""

from dataclasses import dataclass, field
from typing import Final

from keys.state import ActorClass
from repo_service.accepting.turned_away import SerialMissing, SerialMoved
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.foresight import serial_of

_ALWAYS_LOOK: Final[frozenset[ActorClass]] = frozenset({"moderator", "admin"})
_LOOK_AT_NAMES: Final[frozenset[ActorClass]] = frozenset({"support"})
"""Classes that act for the registry, several people on one name: each says what they saw, always or if it exists."""


@dataclass
class Serials:
    """Names that earlier items of one batch changed: their serial before the first of these, and after the last."""

    _moved: dict[str, tuple[int, int]] = field(default_factory=dict)

    def check(self, name: c.Name, actor: r.Actor, expected: int | None) -> None:
        """SerialMoved or SerialMissing, unless the name is as its sender saw it, or as this batch left it."""
        serial = serial_of(name)
        before, left = self._moved.get(name.name, (serial, serial))
        if expected is None:
            if actor.kind in _ALWAYS_LOOK or (actor.kind in _LOOK_AT_NAMES and serial):
                raise SerialMissing(f"an act by {actor.kind} on {name.name} says the serial that they looked at")
        elif (before, left) != (expected, serial):
            raise SerialMoved(name, expected)

    def moved(self, name: str, before: int, after: int) -> None:
        """Note what was done to a name, now or when it was sent before."""
        first, _ = self._moved.get(name, (before, before))
        self._moved[name] = first, after

    def copy(self) -> "Serials":
        """The same, for a transaction that may have to begin again."""
        return Serials(dict(self._moved))

    def become(self, other: "Serials") -> None:
        """What a transaction noted is true, once it is committed."""
        self._moved = other._moved
