"""What the API answers: one frozen class for each form, written with ``keys.strict.dump``. See openapi.py."""

from dataclasses import dataclass
from typing import Literal

from keys.state import ActorClass, Reason
from repo_service.domain.availability import Standing
from repo_service.domain.changes import Change
from repo_service.domain.notices import Notice
from repo_service.domain.policy import Warned


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The versions of snapshot and timestamp with which a change became visible to every client."""

    snapshot: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a change: ``accepted`` is durable, ``signed`` is in a snapshot that every client can see.

    ``serial`` is the name's afterwards. ``changed`` is false where everything was so already. ``warnings`` are what a
    later policy would refuse the same request for.
    """

    change: str
    name: str
    serial: int | None
    changed: bool
    status: Literal["accepted", "signed"]
    signed_in: SignedIn | None
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class Receipts:
    """The receipts of a batch, in the order of its changes."""

    items: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do: the types of its events, none if nothing would change. ``serial`` is the name's now."""

    name: str
    serial: int
    would: tuple[str, ...]
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that is stored and can be published: what this holds is what ``files`` of a publication takes."""

    filename: str
    sha256: str
    size: int
    requires_python: str | None
    core_metadata: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of names, events and events not signed yet; the newest versions of timestamp and snapshot."""

    names: int
    events: int
    pending: int
    timestamp: int
    snapshot: int


@dataclass(frozen=True, slots=True)
class Event:
    """The public part of an event. ``signed_in`` is the timestamp with which it came into force, null until then."""

    seq: int
    name: str
    at: str
    by: ActorClass
    type: str
    reason: Reason | None
    policy: str
    change: Change
    signed_in: int | None


@dataclass(frozen=True, slots=True)
class Feed:
    """Signed events in the order in which they came into force. Ask again with ``after`` = ``next``."""

    events: tuple[Event, ...]
    next: str


@dataclass(frozen=True, slots=True)
class History:
    """The events of one name, those that are not signed yet included."""

    name: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """Where to check an answer: the target of the name's page in this snapshot; ``sha256`` null is its absence."""

    target: str
    sha256: str | None
    snapshot: int | None
    timestamp: int


@dataclass(frozen=True, slots=True)
class Available:
    """Whether a name can be registered now by somebody who holds nothing, with one sentence for people."""

    name: str
    standing: Standing
    sentence: str
    until: str | None
    proof: Proof


@dataclass(frozen=True, slots=True)
class Notices:
    """What the registry should tell whom, the first due first. An id is the same whenever it is asked for."""

    notices: tuple[Notice, ...]
