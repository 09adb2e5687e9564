"""What happened: one frozen class for each type of event, and the envelope that the journal keeps it in.

``TYPES`` names them as docs/FORMAT.md does. A change holds public facts only; the account behind it stays in the
envelope's restricted fields, which are never signed.
"""

from dataclasses import dataclass
from typing import Final, Literal

from keys.state import ActorClass, File, Mark, NameState, Reason, YankClass


@dataclass(frozen=True, slots=True)
class NameReserved:
    kind: Literal["user", "grant"]
    holder: str | None
    expires_at: str
    grace_until: str
    display: str


@dataclass(frozen=True, slots=True)
class ReservationRenewed:
    expires_at: str
    grace_until: str


@dataclass(frozen=True, slots=True)
class ReservationReleased:
    pass


@dataclass(frozen=True, slots=True)
class ReservationExpired:
    pass


@dataclass(frozen=True, slots=True)
class ReservationConverted:
    display: str


@dataclass(frozen=True, slots=True)
class ProjectCreated:
    display: str


@dataclass(frozen=True, slots=True)
class ReleasePublished:
    version: str
    canonical: str
    published_at: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class FileAdded:
    version: str
    file: File


@dataclass(frozen=True, slots=True)
class ReleaseYanked:
    version: str
    kind: YankClass


@dataclass(frozen=True, slots=True)
class YankHeld:
    version: str
    kind: YankClass
    effective_at: str


@dataclass(frozen=True, slots=True)
class YankCancelled:
    version: str


@dataclass(frozen=True, slots=True)
class YankReasonChanged:
    version: str
    kind: YankClass


@dataclass(frozen=True, slots=True)
class ReleaseUnyanked:
    version: str


@dataclass(frozen=True, slots=True)
class ReleaseUnpublished:
    version: str


@dataclass(frozen=True, slots=True)
class ReleaseRestored:
    version: str


@dataclass(frozen=True, slots=True)
class PlaceholderSet:
    pass


@dataclass(frozen=True, slots=True)
class ProjectRestored:
    pass


@dataclass(frozen=True, slots=True)
class ProjectQuarantined:
    pass


@dataclass(frozen=True, slots=True)
class QuarantineCleared:
    pass


@dataclass(frozen=True, slots=True)
class ClaimGranted:
    case: str
    holder: str | None
    expires_at: str
    grace_until: str


@dataclass(frozen=True, slots=True)
class NameProhibited:
    pass


@dataclass(frozen=True, slots=True)
class ProjectArchived:
    pass


@dataclass(frozen=True, slots=True)
class ProjectUnarchived:
    pass


@dataclass(frozen=True, slots=True)
class ProjectDeprecated:
    alternative: str | None


@dataclass(frozen=True, slots=True)
class ProjectUndeprecated:
    pass


@dataclass(frozen=True, slots=True)
class ProjectLocked:
    pass


@dataclass(frozen=True, slots=True)
class ProjectUnlocked:
    pass


@dataclass(frozen=True, slots=True)
class ReleaseQuarantined:
    version: str


@dataclass(frozen=True, slots=True)
class ReleaseQuarantineCleared:
    version: str


@dataclass(frozen=True, slots=True)
class ReleaseDeprecated:
    version: str
    alternative: str | None


@dataclass(frozen=True, slots=True)
class ReleaseUndeprecated:
    version: str


@dataclass(frozen=True, slots=True)
class ReleaseClosed:
    version: str


@dataclass(frozen=True, slots=True)
class ReleasePurged:
    version: str


@dataclass(frozen=True, slots=True)
class FileRemoved:
    version: str
    filename: str


@dataclass(frozen=True, slots=True)
class FileRestored:
    version: str
    filename: str


@dataclass(frozen=True, slots=True)
class FilePurged:
    version: str
    filename: str


@dataclass(frozen=True, slots=True)
class ReservationRevoked:
    pass


@dataclass(frozen=True, slots=True)
class NameUnprohibited:
    pass


@dataclass(frozen=True, slots=True)
class ReservationTransferred:
    holder: str | None


@dataclass(frozen=True, slots=True)
class ProjectTransferred:
    pass


@dataclass(frozen=True, slots=True)
class SessionOpened:
    expires_at: str
    display: str


@dataclass(frozen=True, slots=True)
class SessionCancelled:
    pass


@dataclass(frozen=True, slots=True)
class SessionExpired:
    pass


@dataclass(frozen=True, slots=True)
class ClaimedOpen:
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
    | FileRemoved | FileRestored | FilePurged | ReservationRevoked | NameUnprohibited
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
    transactions leave gaps); ``actor``, ``holder`` and ``approver`` are restricted: the registry's account ids.
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

    @property
    def mark(self) -> Mark:
        return Mark(self.at, self.by, self.reason)


@dataclass(frozen=True, slots=True)
class Name:
    """A name as the journal knows it: the public state (None: never touched) and the account that holds it."""

    name: str
    state: NameState | None
    holder: str | None
