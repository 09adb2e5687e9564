"""Requests that changed nothing, and why."""

import secrets

from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal
from repo_service.domain.foresight import serial_of
from repo_service.domain.policy import Policy


class TurnedAway(Exception):
    """A request that changed nothing. ``number`` says of several requests which one, counted from 0."""

    number: int | None = None


class Refused(TurnedAway):
    """A request that may not be signed, with all the reasons. Nothing was written but the attempt, under ``id``."""

    def __init__(self, request: r.Request, refusal: Refusal, policy: Policy, serial: int) -> None:
        super().__init__("; ".join(why.sentence for why in refusal.reasons))
        self.request = request
        self.refusal = refusal
        self.policy = policy
        self.serial = serial
        """The name's; 0 if it is not known."""
        self.id = secrets.token_hex(16)


class SerialMoved(TurnedAway):
    """The name has changed since the caller looked at it. Nothing was written."""

    def __init__(self, name: c.Name, expected: int) -> None:
        self.serial = serial_of(name)
        super().__init__(f"{name.name} is at serial {self.serial}, not at {expected}")


class SerialMissing(TurnedAway):
    """Who acts for the registry says what they looked at (RFC 6585, section 3). Nothing was written."""


class PreviewStale(TurnedAway):
    """The request would do something else than what was previewed. Nothing was written."""


class NumberMissing(TurnedAway):
    """The registry numbers its changes of this project, and this one has no number. Nothing was written."""
