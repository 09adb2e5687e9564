"""What a registry may ask for: one frozen class for each verb, parsed strictly at the door (keys/strict.py)."""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from keys import names
from keys.state import (
    ActorClass,
    Provenance,
    Reason,
    Sha256,
    TakedownKind,
    check_alternative,
    check_digests,
    check_external_ids,
    check_shown,
)
from keys.strict import Form
from keys.times import Instant, moment


@dataclass(frozen=True, slots=True)
class Contact:
    """Whether the registry has verified the account's primary contact, and when it looked. Never published."""

    state: Literal["verified", "unverified", "suppressed"]
    as_of: Instant

    def __post_init__(self) -> None:
        moment(self.as_of)


@dataclass(frozen=True, slots=True)
class Auth:
    """How the registry knows that it is this account: by what, whether a second factor stands behind that, and when the
    account last gave its password or key in this session. Never published.
    """

    method: Literal["session", "token", "trusted_publisher"]
    mfa: bool = False
    reauth_at: str | None = None

    def __post_init__(self) -> None:
        if self.reauth_at is not None:
            moment(self.reauth_at)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a class that becomes public, and the registry's own opaque id, which never does."""

    kind: ActorClass = "owner"
    id: str | None = None
    contact: Contact | None = None
    approver: str | None = None
    org: str | None = None
    """The organisation that the account acts for: the registry's own opaque id, which never becomes public either."""
    auth: Auth | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something only the registry knows, and as of when. Missing or stale, it counts as "no", never as zero."""

    value: Annotated[int, Form(minimum=0)]
    as_of: Instant

    def __post_init__(self) -> None:
        moment(self.as_of)
        if self.value < 0:
            raise ValueError(f"a number of things cannot be {self.value}")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to publish. Its bytes were uploaded before, or lie at the registry's own ``url``."""

    filename: str
    sha256: Sha256
    size: int
    uploaded_at: str | None = None
    requires_python: str | None = None
    core_metadata: Sha256 | None = None
    url: str | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        check_digests(self.sha256, self.core_metadata)


@dataclass(frozen=True, slots=True)
class Publish:
    name: str
    version: str
    files: tuple[NewFile, ...]
    actor: Actor = Actor()
    display: str | None = None

    def __post_init__(self) -> None:
        _check_display(self.name, self.display)


@dataclass(frozen=True, slots=True)
class Yank:
    name: str
    version: str
    reason: Reason | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class YankDue:
    """Asked by the sweeper alone: a yank that the brake held and that nobody cancelled."""

    name: str
    version: str
    actor: Actor = Actor("clock")


@dataclass(frozen=True, slots=True)
class ApproveYank:
    """Two admins (``actor.id`` and ``actor.approver``) bring a held yank into force before its time."""

    name: str
    version: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class Unyank:
    name: str
    version: str
    reason: Reason | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Unpublish:
    """``dependents``, ``downloads`` (in 7 days) and ``owners`` are what a policy may ask (docs/POLICY.md, "Facts")."""

    name: str
    version: str
    reason: Reason
    dependents: Fact | None = None
    actor: Actor = Actor()
    downloads: Fact | None = None
    owners: Fact | None = None


@dataclass(frozen=True, slots=True)
class Restore:
    name: str
    version: str
    reason: Reason
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Reserve:
    """Keep a name for ``actor.id``, or, when the registry itself asks, for the account ``holder_id``.

    ``holder`` is what refusals may show of them; leave it out to show nothing.
    """

    name: str
    actor: Actor
    holder: str | None = None
    display: str | None = None
    holder_id: str | None = None

    def __post_init__(self) -> None:
        _check_display(self.name, self.display)
        if self.holder_id is not None and self.actor.kind == "owner":
            raise ValueError("holder_id is for the registry's own acts; an owner's reservation is for actor.id")

    @property
    def account(self) -> str | None:
        """Who holds the name afterwards."""
        return self.holder_id or self.actor.id


@dataclass(frozen=True, slots=True)
class Renew:
    """Prolong a reservation by what the policy gives; not if it lasts until ``until`` already (asked twice, say)."""

    name: str
    actor: Actor
    until: str | None = None

    def __post_init__(self) -> None:
        if self.until is not None:
            moment(self.until)


@dataclass(frozen=True, slots=True)
class Release:
    """The holder gives a reservation back."""

    name: str
    actor: Actor
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Expire:
    """Asked by the sweeper alone: a reservation whose grace period is over."""

    name: str
    actor: Actor = Actor("clock")


@dataclass(frozen=True, slots=True)
class Quarantine:
    """``observers`` reported the project, ``trusted`` of them known to the registry: needed where no person decides
    but the registry's automatic rule (an actor of the class ``system``), and the policy has one.
    """

    name: str
    reason: Reason
    actor: Actor
    observers: Fact | None = None
    trusted: Fact | None = None


@dataclass(frozen=True, slots=True)
class Clear:
    name: str
    reason: Reason
    actor: Actor


@dataclass(frozen=True, slots=True)
class Claim:
    """Support grants a placeholder's name to a new holder, who starts a new generation."""

    name: str
    case: str
    holder_id: str
    actor: Actor
    holder: str | None = None
    org: str | None = None


@dataclass(frozen=True, slots=True)
class Prohibit:
    name: str
    reason: Reason
    actor: Actor


@dataclass(frozen=True, slots=True)
class Unprohibit:
    name: str
    reason: Reason
    actor: Actor


@dataclass(frozen=True, slots=True)
class Revoke:
    """A moderator ends a reservation: always safe, since nothing is installable."""

    name: str
    reason: Reason
    actor: Actor


@dataclass(frozen=True, slots=True)
class Archive:
    name: str
    reason: Reason | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Unarchive:
    name: str
    reason: Reason | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Deprecate:
    """Advice to move on; ``reason`` is the message that installers show."""

    name: str
    reason: Reason
    alternative: names.Normal | None = None
    actor: Actor = Actor()

    def __post_init__(self) -> None:
        check_alternative(self.alternative)


@dataclass(frozen=True, slots=True)
class Undeprecate:
    name: str
    reason: Reason | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Lock:
    """Halt every act of the owner."""

    name: str
    reason: Reason
    actor: Actor


@dataclass(frozen=True, slots=True)
class Unlock:
    name: str
    reason: Reason
    actor: Actor


@dataclass(frozen=True, slots=True)
class QuarantineRelease:
    name: str
    version: str
    reason: Reason
    actor: Actor


@dataclass(frozen=True, slots=True)
class ClearRelease:
    name: str
    version: str
    reason: Reason
    actor: Actor


@dataclass(frozen=True, slots=True)
class DeprecateRelease:
    name: str
    version: str
    reason: Reason
    alternative: names.Normal | None = None
    actor: Actor = Actor()

    def __post_init__(self) -> None:
        check_alternative(self.alternative)


@dataclass(frozen=True, slots=True)
class UndeprecateRelease:
    name: str
    version: str
    reason: Reason | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class CloseRelease:
    """Take no new files for this version, ever."""

    name: str
    version: str
    reason: Reason | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class PurgeRelease:
    """An unpublished version can never be restored from here on: by the clock after its window, or by a legal order."""

    name: str
    version: str
    reason: Reason | None = None
    actor: Actor = Actor("clock")


@dataclass(frozen=True, slots=True)
class RemoveFile:
    name: str
    version: str
    filename: str
    reason: Reason
    dependents: Fact | None = None
    actor: Actor = Actor()
    downloads: Fact | None = None
    owners: Fact | None = None


@dataclass(frozen=True, slots=True)
class RestoreFile:
    name: str
    version: str
    filename: str
    reason: Reason
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class PurgeFile:
    name: str
    version: str
    filename: str
    reason: Reason | None = None
    actor: Actor = Actor("clock")


@dataclass(frozen=True, slots=True)
class Respell:
    """Show a project's name in another spelling of it, such as ``Foo.Bar`` for ``foo-bar``."""

    name: str
    display: str
    actor: Actor = Actor()

    def __post_init__(self) -> None:
        _check_display(self.name, self.display)


@dataclass(frozen=True, slots=True)
class Assign:
    """The registry says to which organisation a project belongs (None: to no one): never published, but its namespaces
    say whether it is one of theirs.
    """

    name: str
    org: str | None
    actor: Actor


@dataclass(frozen=True, slots=True)
class Grant:
    """The prefix becomes the namespace of an organisation; ``owner`` is what is shown of it."""

    name: str
    org: str
    owner: str
    actor: Actor
    reason: Reason | None = None

    def __post_init__(self) -> None:
        check_shown(self.org, self.owner)


@dataclass(frozen=True, slots=True)
class GrantChild:
    """The owner of a root grant makes a prefix under it a namespace of its own."""

    name: str
    actor: Actor
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """Another organisation may take names in the namespace; ``shown`` is what is shown of it."""

    name: str
    org: str
    shown: str
    actor: Actor
    reason: Reason | None = None

    def __post_init__(self) -> None:
        check_shown(self.org, self.shown)


@dataclass(frozen=True, slots=True)
class Unshare:
    name: str
    org: str
    actor: Actor
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class HandOver:
    """Another organisation owns the namespace; those it is shared with keep it."""

    name: str
    org: str
    owner: str
    actor: Actor
    reason: Reason | None = None

    def __post_init__(self) -> None:
        check_shown(self.org, self.owner)


@dataclass(frozen=True, slots=True)
class EndGrant:
    name: str
    actor: Actor
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What only the registry knows of a whole project (docs/POLICY.md, "Facts")."""

    dependents: Fact | None = None
    downloads: Fact | None = None
    owners: Fact | None = None


@dataclass(frozen=True, slots=True)
class UnpublishProject:
    """Every version at once, and the name is kept empty. ``confirm`` is the name, typed again."""

    name: str
    reason: Reason
    confirm: str | None = None
    facts: Facts = Facts()
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class RestoreProject:
    """What was removed last, all at once."""

    name: str
    reason: Reason
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class RemoveProject:
    """An admin takes a whole project down for good: quarantined, removed, and a confirmed takedown."""

    name: str
    kind: TakedownKind
    reason: Reason
    actor: Actor
    external_ids: tuple[str, ...] = ()
    evidence: str | None = None

    def __post_init__(self) -> None:
        check_external_ids(*self.external_ids)
        _check_evidence(self.evidence)

    @property
    def versions(self) -> None:
        """All of them."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A verdict of a malware pipeline about a project, or about some of its ``versions``.

    ``evidence`` is where its grounds are kept, ``note`` one line that everybody reads.
    """

    name: str
    verdict: Literal["ok", "review", "quarantine", "remove"]
    evidence: str
    actor: Actor
    kind: TakedownKind | None = None
    versions: tuple[str, ...] | None = None
    external_ids: tuple[str, ...] = ()
    note: str | None = None

    def __post_init__(self) -> None:
        check_external_ids(*self.external_ids)
        _check_evidence(self.evidence)
        if self.kind is None and self.verdict in ("quarantine", "remove"):
            raise ValueError(f"say of which kind it is, such as malware; the verdict is {self.verdict}")
        if self.versions == ():
            raise ValueError("versions is empty; leave it out where the whole project is meant")
        Reason("note", self.note)  # one line, as long as a reason's text may be

    @property
    def reason(self) -> Reason:
        """What is signed as the reason of everything that follows."""
        accuses = self.verdict in ("quarantine", "remove")
        return Reason(self.kind if accuses and self.kind else f"verdict_{self.verdict}", self.note)


@dataclass(frozen=True, slots=True)
class CloseDue:
    """Asked by the sweeper alone: the releases of a project that have taken files for long enough, all at once."""

    name: str
    actor: Actor = Actor("clock")


@dataclass(frozen=True, slots=True)
class Recipient:
    """The account that something passes to. Neither its id nor its contact is ever published."""

    id: str
    contact: Contact

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("say which account: your own opaque identifier")


@dataclass(frozen=True, slots=True)
class TransferReservation:
    """Hand a reservation to another account, which has agreed. ``holder`` is what may be shown of it."""

    name: str
    recipient: Recipient
    actor: Actor
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class TransferProject:
    """A project passes to another account, which has accepted it: the last step of the registry's own procedure.

    ``offer_expires_at`` is until when, exclusive, the offer could be accepted; the signer's clock judges.
    """

    name: str
    recipient: Recipient
    actor: Actor
    reason: Reason | None = None
    offer_expires_at: str | None = None

    def __post_init__(self) -> None:
        if self.offer_expires_at is not None:
            moment(self.offer_expires_at)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Keep a name while its first release is uploaded (PEP 694)."""

    name: str
    actor: Actor
    display: str | None = None

    def __post_init__(self) -> None:
        _check_display(self.name, self.display)


@dataclass(frozen=True, slots=True)
class ClaimOpen:
    """Take a placeholder that its policy gives back to everybody. ``holder`` is what refusals may show of the actor."""

    name: str
    actor: Actor
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Why something is so, if the registry says why."""

    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """What a deprecation says."""

    reason: Reason
    alternative: str | None = None


@dataclass(frozen=True, slots=True)
class WantedRelease:
    """A release that is there, with all of its files."""

    version: str
    files: tuple[NewFile, ...]
    yanked: Said | None = None
    deprecated: Advice | None = None

    def __post_init__(self) -> None:
        if not self.files:
            raise ValueError(f"{self.version!r:.80} has no file; leave a release out that is not there")
        if len({file.filename for file in self.files}) < len(self.files):
            raise ValueError(f"{self.version!r:.80} lists a file twice")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A project's full state. ``registry_serial`` is the registry's own, and grows. ``reason`` is said of whatever has
    to be removed or restored, ``dependents`` of what is removed; ``actor`` is who stands behind all of it.
    """

    name: str
    registry_serial: int
    releases: tuple[WantedRelease, ...]
    reason: Reason
    actor: Actor = Actor()
    display: str | None = None
    archived: Said | None = None
    deprecated: Advice | None = None
    dependents: Fact | None = None

    def __post_init__(self) -> None:
        if self.registry_serial < 1:
            raise ValueError(f"registry_serial counts from 1; it is {self.registry_serial}")
        if self.archived is not None and self.deprecated is not None:
            raise ValueError("archived and deprecated at once; one of the two")
        _check_display(self.name, self.display)


OfProject = Archive | Unarchive | Deprecate | Undeprecate | Lock | Unlock | Quarantine | Clear
OfRelease = QuarantineRelease | ClearRelease | DeprecateRelease | UndeprecateRelease | CloseRelease
OfFile = RemoveFile | RestoreFile | PurgeFile
OfNamespace = Grant | GrantChild | Share | Unshare | HandOver | EndGrant
Request = (
    Publish | Yank | YankDue | ApproveYank | Unyank | Unpublish | Restore | PurgeRelease | Reserve | Renew | Release
    | Expire | Revoke
    | Claim | Prohibit | Unprohibit | OfProject | OfRelease | OfFile | Respell | Assign | OfNamespace
    | UnpublishProject | RestoreProject | RemoveProject | Judge
    | TransferReservation | TransferProject | OpenSession | ClaimOpen | CloseDue
)  # fmt: skip

MAX_EVIDENCE: Final = 200


def _check_evidence(evidence: str | None) -> None:
    if evidence is not None and not 0 < len(evidence) <= MAX_EVIDENCE:
        raise ValueError(f"evidence is a case number or an address, 1 to {MAX_EVIDENCE} characters long")


_VERBS: Final = {
    "ClaimOpen": "claim-open",
    "GrantChild": "grant-child",
    "HandOver": "hand-over",
    "Judge": "verdict",
    "OpenSession": "open-session",
    "TransferReservation": "transfer-reservation",
}
"""What the API does not call by the first word of its class's name."""


def verb_of(request: Request) -> str:
    """What the API calls it."""
    return verb_named(type(request).__name__)


def verb_named(kind: str) -> str:
    """What the API calls the requests of a class with this name."""
    return _VERBS.get(kind) or re.sub(r"(?<=.)[A-Z].*", "", kind).lower()


def _check_display(name: str, display: str | None) -> None:
    if display is not None and names.normalise(display) != name:
        raise ValueError(f"{display!r:.80} is not a spelling of {name}, so it cannot be shown for it")
