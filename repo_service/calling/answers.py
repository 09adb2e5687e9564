"""What the service answers, for its callers: strict about what is known here, silent about what is not.

A service may be newer than its caller, and then it says more. Members that this version does not know are left out; all
others are read as strictly as anything else (keys/strict.py). docs/API.md shows each answer.
"""

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from keys import strict
from keys.state import Reason
from repo_service.domain.requests import NewFile

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Objection:
    """A reason against a change: what is wrong, what would help (``verbs`` are the API's), and whom to ask."""

    code: str
    detail: str
    help: str
    ask: str
    verbs: tuple[str, ...] = ()
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    item: int | None = None
    """Of a full state: which of the changes that lead to it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem details (RFC 9457): why a request was turned away. A ``status`` of 4xx always means: nothing written."""

    status: int
    code: str
    title: str
    detail: str
    reasons: tuple[Objection, ...] = ()
    alternatives: tuple[str, ...] = ()
    policy: str | None = None
    serial: int | None = None
    missing: str | None = None
    refusal: str | None = None
    item: int | None = None
    """Of a batch: which of its changes, counted from 0."""
    change: str | None = None
    source_seq: int | None = None

    @property
    def is_passing(self) -> bool:
        """Whether the same request may be taken a little later: 429, 5xx, and ``state_conflict``, of which the
        service itself says "send it again".
        """
        return self.status == 429 or self.status >= 500 or self.code == "state_conflict"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The versions of snapshot and timestamp with which a change became visible to every client."""

    snapshot: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Warned:
    """A reason that does not refuse yet, in the words of the refusal that it becomes at ``enforced_from``."""

    code: str
    detail: str
    enforced_from: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a change. ``accepted`` is durable, ``signed`` is in a snapshot that every client can see.

    Of a numbered change also: ``held`` until the number ``waits_for`` has come, or ``refused`` in its turn, for
    ``reasons``. ``changed`` is false where everything was so already.
    """

    change: str
    name: str
    serial: int | None
    changed: bool
    status: Literal["accepted", "signed", "held", "refused"]
    signed_in: SignedIn | None
    warnings: tuple[Warned, ...]
    source_seq: int | None = None
    waits_for: int | None = None
    reasons: tuple[Objection, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipts:
    """The receipts of changes that came together, in their order."""

    items: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one change of a batch whose changes stand for themselves: one of the two is there."""

    receipt: Receipt | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """What became of each change of a batch, in order."""

    items: tuple[Row, ...]
    done: int
    turned_away: int


@dataclass(frozen=True, slots=True)
class StateAfter:
    """Where everything would stand, in one word each."""

    name: str
    project: str | None
    release: str | None


@dataclass(frozen=True, slots=True)
class Would:
    """What would follow from a change."""

    events: tuple[str, ...]
    state_after: StateAfter
    placeholder: bool
    reversible_until: str | None
    notices: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do; ``would`` is None where it is denied. The change can insist on ``preview_digest``."""

    name: str
    serial: int
    policy: str
    outcome: Literal["allow", "deny", "needs_support"]
    reasons: tuple[Objection, ...]
    would: Would | None
    warnings: tuple[Warned, ...]
    alternatives: tuple[str, ...]
    preview_digest: str
    valid_until: str


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """What one change of a batch would do, after those before it: one of the two is there."""

    preview: Preview | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class PreviewRows:
    """What each change of a batch would do, in order."""

    items: tuple[PreviewRow, ...]
    allowed: int
    turned_away: int


@dataclass(frozen=True, slots=True)
class StateReceipt:
    """The receipt of one of the changes that led to a full state."""

    verb: str
    version: str | None
    filename: str | None
    change: str
    serial: int | None
    changed: bool
    status: Literal["accepted", "signed"]
    signed_in: SignedIn | None
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class StateTaken:
    """A full state that was taken: the changes that it took, none if all was so already."""

    name: str
    registry_serial: int
    serial: int
    changed: bool
    items: tuple[StateReceipt, ...]


@dataclass(frozen=True, slots=True)
class WouldChange:
    """One of the changes that would lead to a full state, and the types of its events."""

    verb: str
    version: str | None
    filename: str | None
    events: tuple[str, ...]
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class StatePreview:
    """What a full state would do; ``would`` is None where something is denied: then all is."""

    name: str
    registry_serial: int
    serial: int
    policy: str
    outcome: Literal["allow", "deny"]
    reasons: tuple[Objection, ...]
    would: tuple[WouldChange, ...] | None
    alternatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """The last number of a project that is used or given up."""

    name: str
    last: int


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that is stored and can be published."""

    filename: str
    sha256: str
    size: int
    requires_python: str | None
    core_metadata: str | None

    @property
    def file(self) -> NewFile:
        """It, as a publication lists it."""
        return NewFile(
            self.filename, self.sha256, self.size,
            requires_python=self.requires_python, core_metadata=self.core_metadata,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """The public part of an event; ``change`` holds what its ``type`` says (docs/FORMAT.md).

    ``signed_in`` is the timestamp with which it came into force, None until then.
    """

    seq: int
    name: str
    at: str
    by: str
    type: str
    reason: Reason | None
    policy: str
    change: dict[str, Any]
    signed_in: int | None

    @property
    def cursor(self) -> str:
        """Where the feed goes on after this event. Keep it when the event is done with."""
        assert self.signed_in is not None, "only the feed has cursors, and all that is in it is signed"
        return f"{self.signed_in}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Feed:
    """A piece of the feed of signed events."""

    events: tuple[Event, ...]
    next: str


@dataclass(frozen=True, slots=True)
class History:
    """The events of one name, those that are not signed yet included."""

    name: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Available:
    """Whether a name can be registered now, with one sentence for people; ``proof`` says where that can be checked."""

    name: str
    standing: str
    sentence: str
    until: str | None
    alike: tuple[str, ...]
    proof: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """What to tell whom; from ``deadline`` on it is too late. An id is the same whenever it is asked for."""

    id: str
    name: str
    audience: str
    due_at: str
    deadline: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Notices:
    """What is to be told, the first due first."""

    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What was said of a notice, and when."""

    id: str
    outcome: Literal["sent", "failed"]
    at: str


@dataclass(frozen=True, slots=True)
class Takedown:
    """An entry of the takedown list, signed in the page of its name at this serial."""

    name: str
    serial: int
    id: str
    kind: str
    status: str
    versions: tuple[str, ...]
    sha256s: tuple[str, ...]
    external_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Takedowns:
    """A piece of the takedown list."""

    takedowns: tuple[Takedown, ...]
    next: str


@dataclass(frozen=True, slots=True)
class Halted:
    """Since when a flag is set, until when if that is known, and why."""

    since: str
    until: str | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag that halts kinds of change; ``set`` is None if it is not."""

    flag: str
    set: Halted | None


@dataclass(frozen=True, slots=True)
class Flags:
    """Every flag there is."""

    flags: tuple[FlagRow, ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """A policy that was published, and from when on it judges."""

    id: str
    published_at: str
    effective_from: str
    emergency: str | None
    target: str


@dataclass(frozen=True, slots=True)
class RuleNow:
    """How far a rule has come, and from when on it refuses, if that is settled."""

    code: str
    demands: str
    phase: str
    enforced_from: str | None


@dataclass(frozen=True, slots=True)
class PolicyNow:
    """The policy that judges now, its rules, and the policies to come."""

    in_force: Announced
    rules: tuple[RuleNow, ...]
    coming: tuple[Announced, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """Counts, and the newest versions of timestamp and snapshot. ``pending`` events wait to be signed."""

    names: int
    events: int
    pending: int
    held: int
    timestamp: int
    snapshot: int


def read(kind: type[T], data: bytes) -> T:
    """An answer's bytes as ``kind``. Malformed if they are not."""
    return strict.load(kind, _known(kind, strict.parse(data)))


def _known(kind: Any, value: Any) -> Any:
    """A value without the members that ``kind`` does not have."""
    if isinstance(value, list):
        inner = next((each for each in _within(kind) if typing.get_origin(each) is tuple), None)
        return [_known(typing.get_args(inner)[0], each) for each in value] if inner else value
    shape = next((each for each in _within(kind) if dataclasses.is_dataclass(each)), None)
    if shape is None or not isinstance(value, dict):
        return value
    hints = typing.get_type_hints(shape)
    return {member: _known(hints[member], each) for member, each in value.items() if member in hints}


def _within(kind: Any) -> tuple[Any, ...]:
    """What a value may be: ``X | None`` is X or None; all others are themselves."""
    return (kind,) if typing.get_origin(kind) in (tuple, dict, None) else typing.get_args(kind)
