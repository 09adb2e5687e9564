"""What happened: one frozen class for each type of event, and the envelope that the journal keeps it in.

``TYPES`` names them as docs/FORMAT.md does. A change holds public facts only; the account behind it stays in the
envelope's restricted fields, which are never signed.
"""

from dataclasses import dataclass
from typing import Final, Literal

from keys.state import ActorClass, File, Mark, NameState, Reason, TakedownKind, YankClass


@dataclass(frozen=True, slots=True)
class NameReserved:
    """``alike`` are other names that it looks like (I22)."""

    kind: Literal["user", "grant"]
    holder: str | None
    expires_at: str
    grace_until: str
    display: str
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReservationRenewed:
    """The same holder keeps a reserved name until ``expires_at``, and may renew it again until ``grace_until``."""

    expires_at: str
    grace_until: str


@dataclass(frozen=True, slots=True)
class ReservationReleased:
    """The holder gave a reserved name back."""


@dataclass(frozen=True, slots=True)
class ReservationExpired:
    """A reservation and its days of grace are over."""


@dataclass(frozen=True, slots=True)
class ReservationConverted:
    """The reserved name is a project from now on, spelled ``display``."""

    display: str


@dataclass(frozen=True, slots=True)
class ProjectCreated:
    """``alike`` are other names that it looks like (I22)."""

    display: str
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleasePublished:
    """A version came, with its first files; ``canonical`` is the spelling by which versions are equal."""

    version: str
    canonical: str
    published_at: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class FileAdded:
    """A file came to a version that was there."""

    version: str
    file: File


@dataclass(frozen=True, slots=True)
class ReleaseYanked:
    """Only who asks for exactly this version is still to get it; ``kind`` says why."""

    version: str
    kind: YankClass


@dataclass(frozen=True, slots=True)
class YankHeld:
    """A yank waits until ``effective_at``, so that somebody can look at it; nothing changes for clients."""

    version: str
    kind: YankClass
    effective_at: str


@dataclass(frozen=True, slots=True)
class YankCancelled:
    """A yank that waited does not happen."""

    version: str


@dataclass(frozen=True, slots=True)
class YankReasonChanged:
    """A version stays yanked, for another reason."""

    version: str
    kind: YankClass


@dataclass(frozen=True, slots=True)
class ReleaseUnyanked:
    """A version is as if it had never been yanked."""

    version: str


@dataclass(frozen=True, slots=True)
class ReleaseUnpublished:
    """A version was taken away; it can come back while the policy allows it."""

    version: str


@dataclass(frozen=True, slots=True)
class ReleaseRestored:
    """A version that was unpublished is back, with the same files."""

    version: str


@dataclass(frozen=True, slots=True)
class PlaceholderSet:
    """The project is gone, and a placeholder keeps its name from others."""


@dataclass(frozen=True, slots=True)
class ProjectRestored:
    """A project comes back from its placeholder."""


@dataclass(frozen=True, slots=True)
class ProjectQuarantined:
    """Nothing of the project may be installed until somebody has looked."""


@dataclass(frozen=True, slots=True)
class QuarantineCleared:
    """Who looked found nothing: the project is as it was."""


@dataclass(frozen=True, slots=True)
class ClaimGranted:
    """Support gave a placeholder's name to somebody else, who may reserve it as the next generation; ``case`` is the
    support case.
    """

    case: str
    holder: str | None
    expires_at: str
    grace_until: str


@dataclass(frozen=True, slots=True)
class NameProhibited:
    """Nobody may take the name."""


@dataclass(frozen=True, slots=True)
class ProjectArchived:
    """Its owners maintain it no more; what is there can be installed."""


@dataclass(frozen=True, slots=True)
class ProjectUnarchived:
    """Its owners go on."""


@dataclass(frozen=True, slots=True)
class ProjectDeprecated:
    """Its owners advise against it, for ``alternative`` if they name one."""

    alternative: str | None


@dataclass(frozen=True, slots=True)
class ProjectUndeprecated:
    """They do not advise against it any more."""


@dataclass(frozen=True, slots=True)
class ProjectLocked:
    """Its owners can change nothing until it is unlocked."""


@dataclass(frozen=True, slots=True)
class ProjectUnlocked:
    """Its owners can act again."""


@dataclass(frozen=True, slots=True)
class ReleaseQuarantined:
    """As a project's quarantine, of one version."""

    version: str


@dataclass(frozen=True, slots=True)
class ReleaseQuarantineCleared:
    """Who looked at the version found nothing."""

    version: str


@dataclass(frozen=True, slots=True)
class ReleaseDeprecated:
    """Its owners advise against one version, for ``alternative`` if they name one."""

    version: str
    alternative: str | None


@dataclass(frozen=True, slots=True)
class ReleaseUndeprecated:
    """They do not any more."""

    version: str


@dataclass(frozen=True, slots=True)
class ReleaseClosed:
    """No file can come to the version any more."""

    version: str


@dataclass(frozen=True, slots=True)
class ReleasePurged:
    """A version's bytes go for good; that it was there stays known."""

    version: str


@dataclass(frozen=True, slots=True)
class FileRemoved:
    """A file was taken away; it can come back while the policy allows it."""

    version: str
    filename: str


@dataclass(frozen=True, slots=True)
class FileRestored:
    """A file that was removed is back, with the same bytes."""

    version: str
    filename: str


@dataclass(frozen=True, slots=True)
class FilePurged:
    """A file's bytes go for good; its hash stays taken."""

    version: str
    filename: str


@dataclass(frozen=True, slots=True)
class ReservationRevoked:
    """A moderator ended a reservation."""


@dataclass(frozen=True, slots=True)
class NameUnprohibited:
    """The name can be taken again."""


@dataclass(frozen=True, slots=True)
class DisplayNameChanged:
    """The same name, spelled another way."""

    display: str


@dataclass(frozen=True, slots=True)
class ProjectAssigned:
    """The organisation that the project belongs to is the event's ``org``: restricted, so nothing is said of it."""


@dataclass(frozen=True, slots=True)
class NamespaceGranted:
    """Names below the prefix are ``owner``'s to take from now on."""

    owner: str


@dataclass(frozen=True, slots=True)
class ChildGranted:
    """A part of ``parent``'s namespace has an owner of its own."""

    parent: str
    owner: str


@dataclass(frozen=True, slots=True)
class NamespaceShared:
    """``shared_with`` is the whole list afterwards: what is shown of each organisation."""

    shared_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamespaceUnshared:
    """``shared_with`` is the whole list afterwards."""

    shared_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamespaceTransferred:
    """A namespace has another owner; ``shared_with`` is the whole list afterwards."""

    owner: str
    shared_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReservationTransferred:
    """A reserved name has another holder, on the same terms."""

    holder: str | None


@dataclass(frozen=True, slots=True)
class ProjectTransferred:
    """The project has other owners; who they are is never public."""


@dataclass(frozen=True, slots=True)
class NamespaceEnded:
    """Nobody owns the prefix any more; names that were taken below it stay."""


@dataclass(frozen=True, slots=True)
class Match:
    """A grant that covers a name, and whether the name belongs to one of its organisations."""

    prefix: str
    owned: bool


@dataclass(frozen=True, slots=True)
class NamespacesMatched:
    """All the grants that the name is under from here on, the shortest prefix first."""

    namespaces: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class ProjectRemoved:
    """All at once; ``versions`` are those that were published until then."""

    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakedownListed:
    """``evidence`` is where the registry keeps its grounds: a case number or an address of its own."""

    id: str
    kind: TakedownKind
    versions: tuple[str, ...]
    sha256s: tuple[str, ...]
    external_ids: tuple[str, ...]
    evidence: str | None


@dataclass(frozen=True, slots=True)
class TakedownConfirmed:
    """What was suspected is so; the entry never goes from the list."""

    id: str
    evidence: str | None


@dataclass(frozen=True, slots=True)
class TakedownWithdrawn:
    """It was a mistake; the entry stays in the list and says so."""

    id: str
    evidence: str | None


@dataclass(frozen=True, slots=True)
class TakedownCorrected:
    """``external_ids`` are all that it has from here on."""

    id: str
    external_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """``alike`` are the names that this one looks like."""

    expires_at: str
    display: str
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionCancelled:
    """A new project's first upload was given up, and its name is free."""


@dataclass(frozen=True, slots=True)
class SessionExpired:
    """A new project's first upload was not finished in time."""


@dataclass(frozen=True, slots=True)
class ClaimedOpen:
    """Whoever asked took the name of a placeholder, which the policy leaves open, as the next generation."""

    holder: str | None
    expires_at: str
    grace_until: str


Change = (
    NameReserved | ReservationRenewed | ReservationReleased | ReservationExpired | ReservationConverted
    | ProjectCreated | ReleasePublished | FileAdded | ReleaseYanked | YankReasonChanged | ReleaseUnyanked
    | YankHeld | YankCancelled | ReleaseUnpublished | ReleaseRestored | PlaceholderSet | ProjectRestored
    | ProjectQuarantined | QuarantineCleared | ClaimGranted | NameProhibited | ProjectArchived | ProjectUnarchived
    | ProjectDeprecated | ProjectUndeprecated | ProjectLocked | ProjectUnlocked | ReleaseQuarantined
    | ReleaseQuarantineCleared | ReleaseDeprecated | ReleaseUndeprecated | ReleaseClosed | ReleasePurged
    | FileRemoved | FileRestored | FilePurged | ReservationRevoked | NameUnprohibited | ProjectAssigned
    | DisplayNameChanged
    | NamespaceGranted | ChildGranted | NamespaceShared | NamespaceUnshared | NamespaceTransferred | NamespaceEnded
    | NamespacesMatched
    | ProjectRemoved | TakedownListed | TakedownConfirmed | TakedownWithdrawn | TakedownCorrected
    | ReservationTransferred | ProjectTransferred | SessionOpened | SessionCancelled | SessionExpired | ClaimedOpen
)  # fmt: skip

TYPES: Final[dict[str, type[Change]]] = {
    "name.reserved": NameReserved,
    "reservation.renewed": ReservationRenewed,
    "reservation.released": ReservationReleased,
    "reservation.expired": ReservationExpired,
    "reservation.converted": ReservationConverted,
    "project.created": ProjectCreated,
    "release.published": ReleasePublished,
    "file.added": FileAdded,
    "release.yanked": ReleaseYanked,
    "release.yank_held": YankHeld,
    "release.yank_cancelled": YankCancelled,
    "release.yank_reason_changed": YankReasonChanged,
    "release.unyanked": ReleaseUnyanked,
    "release.unpublished": ReleaseUnpublished,
    "release.restored": ReleaseRestored,
    "name.placeholder_set": PlaceholderSet,
    "project.restored": ProjectRestored,
    "project.quarantined": ProjectQuarantined,
    "project.quarantine_cleared": QuarantineCleared,
    "placeholder.claim_granted": ClaimGranted,
    "name.prohibited": NameProhibited,
    "project.archived": ProjectArchived,
    "project.unarchived": ProjectUnarchived,
    "project.deprecated": ProjectDeprecated,
    "project.undeprecated": ProjectUndeprecated,
    "project.locked": ProjectLocked,
    "project.unlocked": ProjectUnlocked,
    "release.quarantined": ReleaseQuarantined,
    "release.quarantine_cleared": ReleaseQuarantineCleared,
    "release.deprecated": ReleaseDeprecated,
    "release.undeprecated": ReleaseUndeprecated,
    "release.closed": ReleaseClosed,
    "release.purged": ReleasePurged,
    "file.removed": FileRemoved,
    "file.restored": FileRestored,
    "file.purged": FilePurged,
    "reservation.revoked": ReservationRevoked,
    "name.unprohibited": NameUnprohibited,
    "project.assigned": ProjectAssigned,
    "project.display_name_changed": DisplayNameChanged,
    "namespace.granted": NamespaceGranted,
    "namespace.child_granted": ChildGranted,
    "namespace.shared": NamespaceShared,
    "namespace.unshared": NamespaceUnshared,
    "namespace.transferred": NamespaceTransferred,
    "namespace.ended": NamespaceEnded,
    "namespace.matched": NamespacesMatched,
    "project.removed": ProjectRemoved,
    "takedown.listed": TakedownListed,
    "takedown.confirmed": TakedownConfirmed,
    "takedown.withdrawn": TakedownWithdrawn,
    "takedown.corrected": TakedownCorrected,
    "reservation.transferred": ReservationTransferred,
    "transfer.accepted": ProjectTransferred,
    "session.opened": SessionOpened,
    "session.cancelled": SessionCancelled,
    "session.expired": SessionExpired,
    "placeholder.claimed_open": ClaimedOpen,
}
_NAMES: Final = {kind: name for name, kind in TYPES.items()}


def type_of(change: Change) -> str:
    """The event type that ``change`` is recorded as."""
    return _NAMES[type(change)]


@dataclass(frozen=True, slots=True)
class Event:
    """A change as the journal remembers it. ``seq`` is unique in the registry and not contiguous (rolled-back
    transactions leave gaps); ``actor``, ``holder`` and ``approver`` are restricted: the registry's account ids. So is
    ``org``, the organisation that the change is about or that takes the name.
    """

    seq: int
    name: str
    at: str
    by: ActorClass
    reason: Reason | None
    policy: str
    change: Change
    actor: str | None
    holder: str | None
    approver: str | None = None
    org: str | None = None

    @property
    def mark(self) -> Mark:
        """The part of it that a page shows: when, by which class of actor, and why."""
        return Mark(self.at, self.by, self.reason)


@dataclass(frozen=True, slots=True)
class Granted:
    """An active grant as decisions know it: public facts, and the organisations behind it, the owner first."""

    prefix: str
    owner: str
    parent: str | None
    orgs: tuple[str, ...]
    shared_with: tuple[str, ...] = ()

    @property
    def owned_by(self) -> str | None:
        """The organisation that it belongs to; None where that was lost with a database."""
        return self.orgs[0] if self.orgs else None


@dataclass(frozen=True, slots=True)
class Name:
    """A name as the journal knows it: the public state (None: never touched), the account that holds it, the
    organisation whose it is, and those behind the grant of it as a namespace (the owner first).
    """

    name: str
    state: NameState | None
    holder: str | None
    org: str | None = None
    orgs: tuple[str, ...] = ()

    @property
    def granted(self) -> Granted | None:
        """Its grant as a namespace; None where there is none, or it has ended."""
        if self.state is None or (found := self.state.namespace) is None:
            return None
        return Granted(self.name, found.owner, found.parent, self.orgs, found.shared_with)
