"""What a registry may ask for: one frozen class for each verb, parsed strictly at the door (keys/strict.py)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from keys import names
from keys.state import ActorClass, Provenance, Reason, Sha256, check_alternative, check_digests
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
class Actor:
    """Who acts: a class that becomes public, and the registry's own opaque id, which never does."""

    kind: ActorClass = "owner"
    id: str | None = None
    contact: Contact | None = None
    approver: str | None = None


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
class Unyank:
    name: str
    version: str
    reason: Reason | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Unpublish:
    name: str
    version: str
    reason: Reason
    dependents: Fact | None = None
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Restore:
    name: str
    version: str
    reason: Reason
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Reserve:
    """Keep a name for ``actor.id``. ``holder`` is what refusals may show of them; leave it out to show nothing."""

    name: str
    actor: Actor
    holder: str | None = None
    display: str | None = None

    def __post_init__(self) -> None:
        _check_display(self.name, self.display)


@dataclass(frozen=True, slots=True)
class Renew:
    name: str
    actor: Actor


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
    name: str
    reason: Reason
    actor: Actor


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


OfProject = Archive | Unarchive | Deprecate | Undeprecate | Lock | Unlock | Quarantine | Clear
OfRelease = QuarantineRelease | ClearRelease | DeprecateRelease | UndeprecateRelease | CloseRelease
OfFile = RemoveFile | RestoreFile | PurgeFile
Request = (
    Publish | Yank | YankDue | Unyank | Unpublish | Restore | PurgeRelease | Reserve | Renew | Release | Expire | Revoke
    | Claim | Prohibit | Unprohibit | OfProject | OfRelease | OfFile
)  # fmt: skip


def _check_display(name: str, display: str | None) -> None:
    if display is not None and names.normalise(display) != name:
        raise ValueError(f"{display!r:.80} is not a spelling of {name}, so it cannot be shown for it")
