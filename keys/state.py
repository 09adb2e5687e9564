"""The vocabulary of what is said about a name: one immutable value, signed as part of the name's page.

A name's state is everything the registry has signed about it: what it is, its releases with their tombstones, and the
acts that changed it. It holds no mail address, no user name and no account id, so it can be public for ever.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from keys import names
from keys.strict import Form, line
from keys.times import moment

NameStatus = Literal["vacant", "reserved", "registered", "placeholder", "prohibited"]
"""``absent``, the state of a name never touched, has no page: absence itself is proven by the bin."""
ReleaseStatus = Literal["published", "unpublished", "purged"]
ActorClass = Literal["owner", "moderator", "admin", "support", "system", "clock"]
YankClass = Literal["owner", "security", "support"]
TakedownKind = Literal[
    "malware", "dependency_confusion", "typosquat", "spam", "dummy_package", "policy", "legal", "secret_exposure"
]  # fmt: skip
TakedownStatus = Literal["suspected", "confirmed", "withdrawn"]

_HEX: Final = b"0123456789abcdef"
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_EXTERNAL: Final = re.compile(
    r"(?:MAL|PYSEC)-\d{4}-\d{1,9}|CVE-\d{4}-\d{4,9}|GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}", re.ASCII
)
MAX_TEXT: Final = 512
SCHEMA: Final = 1
TAKING: Final = frozenset(
    {
        "name.reserved",
        "project.created",
        "placeholder.claim_granted",
        "placeholder.claimed_open",
        "reservation.transferred",
        "session.opened",
    }
)
"""Types of the acts by which somebody comes to have a name."""
Sha256 = Annotated[str, Form(pattern="[0-9a-f]{64}")]
Url = Annotated[str, Form(pattern=r"https?://.*")]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was done: a code for programs, and one line for people (at most 512 characters)."""

    code: Annotated[str, Form(pattern=_CODE.pattern)]
    text: Annotated[str, Form(min_length=1, max_length=MAX_TEXT)] | None = None

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"a reason's code is lower case with underscores, not {self.code!r:.80}")
        if self.text is not None and not 0 < len(line(self.text)) <= MAX_TEXT:
            raise ValueError(f"a reason's text has 1 to {MAX_TEXT} characters, not {len(self.text)}")


@dataclass(frozen=True, slots=True)
class Mark:
    """When something became so, by which class of actor, and why."""

    at: str
    by: ActorClass
    reason: Reason | None = None

    def __post_init__(self) -> None:
        moment(self.at)


@dataclass(frozen=True, slots=True)
class Yank:
    """A release that resolvers must pass over (PEP 592). A ``security`` yank only an admin may lift."""

    kind: YankClass
    mark: Mark


def check_digests(*digests: str | None) -> None:
    """ValueError for one that is not SHA-256 as we write it; None is none."""
    for digest in digests:
        if digest is not None and not (
            digest.isascii() and len(digest) == 64 and not digest.encode().translate(None, _HEX)
        ):
            raise ValueError(f"a sha256 is 64 lower-case hexadecimal digits, not {digest!r:.80}")


def check_shown(*texts: str) -> None:
    """ValueError for a text that cannot stand for an organisation: one clean line of 1 to 512 characters."""
    for text in texts:
        if not 0 < len(line(text)) <= MAX_TEXT:
            raise ValueError(f"what stands for an organisation has 1 to {MAX_TEXT} characters, not {len(text)}")


def check_alternative(name: str | None) -> None:
    """ValueError for a project that is not named as its page is; None is none."""
    if name is not None and names.normalise(name) != name:
        raise ValueError(f"the alternative is named {names.normalise(name)}, not {name!r:.80}")


@dataclass(frozen=True, slots=True)
class HeldYank:
    """A yank that waits, for all to see: after ``effective_at`` an event brings it into force, if nobody cancels."""

    kind: YankClass
    mark: Mark
    effective_at: str

    def __post_init__(self) -> None:
        moment(self.effective_at)


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Advice to move on (``mark.reason`` says why), perhaps to an ``alternative`` project. It still installs."""

    mark: Mark
    alternative: str | None = None

    def __post_init__(self) -> None:
        check_alternative(self.alternative)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a file's attestations lie (PEP 740), and the sha256 of that document."""

    url: Url
    sha256: Sha256

    def __post_init__(self) -> None:
        check_digests(self.sha256)
        if not self.url.startswith(("https://", "http://")):
            raise ValueError(f"a provenance's url is absolute, not {self.url!r:.80}")


@dataclass(frozen=True, slots=True)
class Removal:
    """The tombstone of one file of a release that is otherwise there."""

    filename: str
    state: Literal["removed", "purged"]
    mark: Mark


@dataclass(frozen=True, slots=True)
class File:
    """A file of a release: facts that never change, in any generation of the name.

    ``identity`` names the artifact within its version whatever the file name spells: ``sdist``, or ``wheel`` with build
    and tags. One identity has one sha256 for ever. ``url`` is None where the file lies at its TUF target path.
    """

    filename: str
    identity: str
    sha256: str
    size: int
    uploaded_at: str
    requires_python: str | None = None
    core_metadata: str | None = None
    url: str | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        names.file_path("x", self.filename)
        check_digests(self.sha256, self.core_metadata)
        if self.size < 0:
            raise ValueError(f"a size cannot be {self.size}")
        if self.url is not None and not self.url.startswith(("https://", "http://")):
            raise ValueError(f"a file's url is absolute, not {self.url!r:.80}")
        moment(self.uploaded_at)


@dataclass(frozen=True, slots=True, weakref_slot=True)  # what is made of it is kept while it lives (keys/kept.py)
class Release:
    """One version of a project. Once published it never leaves the state: removed, it is a tombstone.

    ``closed`` says since when it takes no new files. ``removals`` are sorted by file name.
    """

    version: str
    canonical: str
    state: ReleaseStatus
    generation: int
    published_at: str
    yank: Yank | None = None
    removed: Mark | None = None
    files: tuple[File, ...] = ()
    quarantine: Mark | None = None
    deprecated: Deprecation | None = None
    closed: Mark | None = None
    removals: tuple[Removal, ...] = ()
    held_yank: HeldYank | None = None

    def __post_init__(self) -> None:
        moment(self.published_at)
        if (filenames := [file.filename for file in self.files]) != sorted(set(filenames)):
            raise ValueError(f"files of {self.version} are listed once each, in order of their name")
        if (self.state == "published") != (self.removed is None):
            raise ValueError(f"release {self.version} is {self.state}; only a removed release says when it was removed")
        if self.yank is not None and self.held_yank is not None:
            raise ValueError(f"release {self.version} is yanked; no yank of it waits")
        if (gone := [each.filename for each in self.removals]) != sorted(set(gone) & set(filenames)):
            raise ValueError(f"removals of {self.version} are of its own files, once each, in order of their name")
        if self.state == "published" and filenames and len(gone) == len(filenames):
            raise ValueError(f"release {self.version} is published and has no file left")

    @property
    def present(self) -> tuple[File, ...]:
        """The files that were not removed."""
        if not self.removals:
            return self.files
        gone = {each.filename for each in self.removals}
        return tuple(file for file in self.files if file.filename not in gone)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A name kept for a holder. ``holder`` is the display text that the registry chose to show, if any. A ``session``
    is an upload that has begun (PEP 694): short, without grace, and no holder of its own if it is given up.
    """

    kind: Literal["user", "grant", "session"]
    holder: str | None
    expires_at: str
    grace_until: str
    renewals: int

    def __post_init__(self) -> None:
        if not moment(self.expires_at) <= moment(self.grace_until):
            raise ValueError(f"the grace period ends {self.grace_until}, before the reservation does {self.expires_at}")


@dataclass(frozen=True, slots=True)
class Grant:
    """The prefix of this name belongs to an organisation (PEP 752), since ``mark``.

    ``owner`` and ``shared_with`` are the texts that the registry chose to show of the organisations. A grant with a
    ``parent`` was made by the owner of that root grant, and has no child grants of its own.
    """

    owner: str
    mark: Mark
    parent: str | None = None
    shared_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_shown(self.owner, *self.shared_with)


@dataclass(frozen=True, slots=True)
class Membership:
    """An active grant that this name is under. ``owned``: the name belongs to one of the grant's organisations; if not,
    it was there before (PEP 752). ``since`` is the serial of the name with which that became so.
    """

    prefix: str
    owned: bool
    since: int


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Act:
    """One entry of a name's public history: every change but the publishing of files, which releases show."""

    serial: int
    type: str
    version: str | None
    mark: Mark


def check_external_ids(*identifiers: str) -> None:
    """ValueError unless each is an id of a public database of harmful packages and occurs once, in order."""
    for each in identifiers:
        if not _EXTERNAL.fullmatch(each):
            raise ValueError(f"an external id is of the form MAL-, PYSEC-, GHSA- or CVE-…, not {each!r:.80}")
    if list(identifiers) != sorted(set(identifiers)):
        raise ValueError("external ids are listed once each, in order")


@dataclass(frozen=True, slots=True)
class Takedown:
    """What the registry says is harmful: exactly these versions and these bytes, never a range of versions.

    ``id`` is name, generation and a number that counts up. ``listed`` says when and why it was said first, ``mark``
    what was said of it last. An entry is never deleted: when it was wrong, it is withdrawn.
    """

    id: str
    kind: TakedownKind
    status: TakedownStatus
    versions: tuple[str, ...]
    sha256s: tuple[str, ...]
    listed: Mark
    mark: Mark
    external_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_digests(*self.sha256s)
        check_external_ids(*self.external_ids)
        for what, found in (("versions", self.versions), ("sha256s", self.sha256s)):
            if not found or list(found) != sorted(set(found)):
                raise ValueError(
                    f"{what} of the takedown {self.id} are listed once each, in order; there is at least one"
                )


@dataclass(frozen=True, slots=True)
class NameState:
    """All that is signed about one name, as of its serial.

    ``since`` says how the present ``state`` came about. ``event`` is the registry-wide number of the last event
    (0: said by a ceremony, not by an event). ``generation`` grows each time the name passes to an unrelated holder.
    Releases are sorted by version text, files by name. ``archived`` and ``deprecated`` are the owner's, one at a time;
    ``quarantine`` and ``locked`` lie over them and leave them as they were. ``namespace`` is the grant of the name as a
    prefix, whatever else it is; ``namespaces`` are the grants that the name is under, the shortest prefix first.
    ``holder_epoch`` counts how often the project passed to another holder with its releases; such a successor continues
    the generation.
    """

    name: str
    display: str
    state: NameStatus
    generation: int
    serial: int
    event: int
    since: Mark
    quarantine: Mark | None = None
    reservation: Reservation | None = None
    releases: tuple[Release, ...] = ()
    history: tuple[Act, ...] = ()
    archived: Mark | None = None
    deprecated: Deprecation | None = None
    locked: Mark | None = None
    namespace: Grant | None = None
    namespaces: tuple[Membership, ...] = ()
    takedowns: tuple[Takedown, ...] = ()
    holder_epoch: int = 0

    def __post_init__(self) -> None:
        names.segment(self.name)
        if (versions := [release.version for release in self.releases]) != sorted(set(versions)):
            raise ValueError("releases are listed once each, in order of their version text")
        if len({release.canonical for release in self.releases}) < len(versions):
            raise ValueError("two releases are the same version")
        if self.generation < 1 or self.serial < 1 or self.event < 0 or self.holder_epoch < 0:
            raise ValueError(f"generation {self.generation}, serial {self.serial}, event {self.event}: too small")
        if self.archived is not None and self.deprecated is not None:
            raise ValueError(f"{self.name} is archived and deprecated; one of the two")
        if (self.reservation is not None) != (self.state == "reserved"):
            raise ValueError(f"{self.name} is {self.state}; a reservation belongs to a reserved name and to no other")
        under = [each.prefix for each in self.namespaces]
        if under and under != [prefix for prefix in names.prefixes(self.name) if prefix in under]:
            raise ValueError(f"the namespaces of {self.name} are prefixes of it, once each, the shortest first")

    def release(self, version: str) -> Release | None:
        """The release of exactly this version text."""
        return next((release for release in self.releases if release.version == version), None)

    def release_of(self, canonical: str) -> Release | None:
        """The release of this canonical version, tombstones included."""
        return next((release for release in self.releases if release.canonical == canonical), None)

    def file(self, filename: str) -> tuple[Release, File] | None:
        """A file of this name in any state, with its release."""
        return next(
            ((release, file) for release in self.releases for file in release.files if file.filename == filename), None
        )


def is_installable(state: NameState, release: Release) -> bool:
    """Whether the files of a release that are present may be installed: the one statement of precedence for pages,
    targets, bins and clients.

    prohibited, placeholder, reserved, vacant > quarantine of the project > quarantine of the release > unpublished or
    removed > (yanked, deprecated, archived) > ok.
    """
    open_project = state.state == "registered" and state.quarantine is None
    return open_project and release.state == "published" and release.quarantine is None


def installable(state: NameState) -> Iterator[tuple[Release, File]]:
    """The files that may be installed, each with its release."""
    for release in state.releases:
        if is_installable(state, release):
            for file in release.present:
                yield release, file


def purged(state: NameState) -> Iterator[File]:
    """The files that can never be installed again, in any way."""
    for release in state.releases:
        gone = {each.filename for each in release.removals if each.state == "purged"}
        yield from (file for file in release.files if release.state == "purged" or file.filename in gone)
