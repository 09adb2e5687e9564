"""What the API answers: one frozen class for each form, written with ``keys.strict.dump``. See openapi.py."""

from dataclasses import dataclass
from typing import Any, Literal

from keys.state import ActorClass, Mark, Reason, TakedownKind, TakedownStatus
from repo_service.domain.availability import Standing
from repo_service.domain.changes import Change
from repo_service.domain.flags import Flag
from repo_service.domain.flags import Standing as Halted
from repo_service.domain.foresight import Outcome, Would
from repo_service.domain.notices import Notice
from repo_service.domain.policy import Phase, Step, Warned
from repo_service.domain.remedies import Whom
from repo_service.storage.deliveries import Gap


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
class Alive:
    """This process answers."""

    alive: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """``parts`` are database, schema, depot, timestamp and publisher: ``ok``, or what is wrong with each."""

    ready: bool
    parts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Objection:
    """A reason against a change: what is wrong, what would help (``verbs`` are ours), and whom to ask."""

    code: str
    detail: str
    params: dict[str, str | int]
    help: str
    verbs: tuple[str, ...]
    ask: Whom


@dataclass(frozen=True, slots=True)
class Waiting:
    """A numbered change that waits until every number before it has come."""

    change: str
    name: str
    serial: None
    changed: Literal[False]
    status: Literal["held"]
    source_seq: int
    signed_in: None
    warnings: tuple[Warned, ...]
    waits_for: int


@dataclass(frozen=True, slots=True)
class RefusedInTurn:
    """A numbered change that was refused when its turn came. Its number is used."""

    change: str
    name: str
    serial: int
    changed: Literal[False]
    status: Literal["refused"]
    source_seq: int
    signed_in: None
    warnings: tuple[Warned, ...]
    reasons: tuple[Objection, ...]
    alternatives: tuple[str, ...]
    policy: str
    refusal: str


@dataclass(frozen=True, slots=True)
class Receipts:
    """The receipts of a batch, in the order of its changes."""

    items: tuple[Receipt | Waiting, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A change of a batch that was done."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class NotDone:
    """A change of a batch that was turned away, or would be: problem details."""

    problem: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """What became of each change of a batch whose changes stand for themselves, in order."""

    items: tuple[Done | NotDone, ...]
    done: int
    turned_away: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do; ``would`` is null where it is denied. ``serial`` is the name's now.

    The commit can insist on ``preview_digest`` with If-Preview-Match.
    """

    name: str
    serial: int
    policy: str
    outcome: Outcome
    reasons: tuple[Objection, ...]
    would: Would | None
    warnings: tuple[Warned, ...]
    alternatives: tuple[str, ...]
    preview_digest: str
    valid_until: str


@dataclass(frozen=True, slots=True)
class Previewed:
    """What a change of a batch would do, after those before it."""

    preview: Preview


@dataclass(frozen=True, slots=True)
class Previews:
    """What each change of a batch would do, in order."""

    items: tuple[Previewed | NotDone, ...]
    allowed: int
    turned_away: int


@dataclass(frozen=True, slots=True)
class StateReceipt:
    """The receipt of one of the changes that led to a full state."""

    verb: str
    version: str | None
    filename: str | None
    change: str
    name: str
    serial: int | None
    changed: bool
    status: Literal["accepted", "signed"]
    signed_in: SignedIn | None
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class StateTaken:
    """A full state that was taken: the changes that it took."""

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
class StateObjection:
    """A reason against one of the changes that lead to a full state; ``item`` is its place among them."""

    code: str
    detail: str
    params: dict[str, str | int]
    help: str
    verbs: tuple[str, ...]
    ask: Whom
    item: int
    verb: str
    version: str | None
    filename: str | None


@dataclass(frozen=True, slots=True)
class StatePreview:
    """What a full state would do, change by change; ``would`` is null where something is denied: then all is."""

    name: str
    registry_serial: int
    serial: int
    policy: str
    outcome: Outcome
    reasons: tuple[StateObjection, ...]
    would: tuple[WouldChange, ...] | None
    alternatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """The last number of a project that is used or given up."""

    name: str
    last: int


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag, and since when it is set; null if it is not."""

    flag: Flag
    set: Halted | None


@dataclass(frozen=True, slots=True)
class FlagsDocument:
    """The document that says so, and whether a snapshot has it already."""

    number: int
    target: str
    signed: bool


@dataclass(frozen=True, slots=True)
class Flags:
    """Every flag there is. ``document`` is null where none was ever set."""

    flags: tuple[FlagRow, ...]
    document: FlagsDocument | None


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    """Every flag there is, after one was set or cleared, or was so already."""

    flags: tuple[FlagRow, ...]
    document: FlagsDocument | None
    changed: bool


@dataclass(frozen=True, slots=True)
class ListedTakedown:
    """An entry of the takedown list, signed in the page of its name at this serial."""

    name: str
    serial: int
    id: str
    kind: TakedownKind
    status: TakedownStatus
    versions: tuple[str, ...]
    sha256s: tuple[str, ...]
    listed: Mark
    mark: Mark
    external_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Takedowns:
    """The takedown list. Ask again with ``after`` = ``next``."""

    takedowns: tuple[ListedTakedown, ...]
    next: str


@dataclass(frozen=True, slots=True)
class RefusedAttempt:
    """A request that was refused: who sent what, as which class of actor, and every reason."""

    refusal: str
    at: str
    client: str
    verb: str
    name: str
    version: str | None
    by: ActorClass
    reasons: tuple[Objection, ...]
    policy: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refused attempts, the newest first. Ask again with ``after`` = ``next``, until that is null."""

    refusals: tuple[RefusedAttempt, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Announced:
    """A policy that was published, from when on it judges, and where it is signed."""

    id: str
    published_at: str
    effective_from: str
    emergency: str | None
    target: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A parameter of a policy by its dotted path, as it is and as it will be."""

    parameter: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Coming:
    """A policy that will judge, and what it changes."""

    id: str
    published_at: str
    effective_from: str
    emergency: str | None
    target: str
    differences: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class RuleNow:
    """How far a rule has come, and from when on it refuses, if that is settled."""

    code: str
    demands: str
    phase: Phase
    enforced_from: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PolicyNow:
    """The policy that judges now, its rules, and the policies to come."""

    in_force: Announced
    rules: tuple[RuleNow, ...]
    coming: tuple[Coming, ...]


@dataclass(frozen=True, slots=True)
class NamespaceName:
    """A prefix that is granted (PEP 752)."""

    name: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace (PEP 752): the next one above it, and those directly below. Unsigned; the grant is signed."""

    name: str
    parent: str | None
    children: tuple[str, ...]
    owner: str


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
    """Counts of names, events, events not signed yet and numbered changes that wait, with the project that has waited
    longest; the newest versions of timestamp and snapshot.
    """

    names: int
    events: int
    pending: int
    held: int
    oldest_held: Gap | None
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
class PageProof:
    """Where the newest release lists a name's page; ``sha256`` null is its absence, which one bin proves."""

    target: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Where to check an answer: the target of the name's page in this snapshot; ``sha256`` null is its absence. So for
    the names that it looks like and for every prefix that it is under.
    """

    target: str
    sha256: str | None
    alike: tuple[PageProof, ...]
    skeleton: str
    snapshot: int | None
    timestamp: int
    namespaces: tuple[PageProof, ...]


@dataclass(frozen=True, slots=True)
class Available:
    """Whether a name can be registered now by somebody who holds nothing, with one sentence for people."""

    name: str
    standing: Standing
    sentence: str
    until: str | None
    alike: tuple[str, ...]
    proof: Proof


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the registry said of a notice, and when."""

    id: str
    outcome: Literal["sent", "failed"]
    at: str


@dataclass(frozen=True, slots=True)
class Notices:
    """What the registry should tell whom, the first due first. An id is the same whenever it is asked for."""

    notices: tuple[Notice, ...]
