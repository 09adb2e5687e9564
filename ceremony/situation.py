"""A repository as somebody finds it in an emergency: its newest root of trust, its people, and what is public now.

What is public is read and not verified: a stolen key may have signed it, and saying what is there is the point.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from ceremony import directory, plan, show
from ceremony.draft import RENEW
from ceremony.errors import BadInput, Refused
from ceremony.plan import Arrangements, Log, Plan, Signatory, log_of
from keys import counting, layout, names, rules, strict, times
from keys.encoding import canonical, sha256
from keys.tlog import proofs
from keys.trust import RootOfTrust

NEW: Final = "the key id that 'key show' prints"
"""What an amended plan holds where a key is not made yet; such a plan cannot be drafted."""
NEW_LOG: Final = "what log.pub holds"
"""The same for a key of the log."""
_METADATA: Final = "metadata"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a timestamp or snapshot says of itself: its version and its date."""

    version: int
    expires: str


@dataclass(frozen=True, slots=True)
class Public:
    """What lies in a public folder, unverified: its timestamp and snapshot (None: cannot be read), the versions of its
    bins, and the offline files whose version the root of trust has too, or which come after it, by file name.
    """

    timestamp: Signed | None
    snapshot: Signed | None
    bins: tuple[int, ...]
    offline: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Situation:
    """A root of trust with whatever else is known: the people behind key ids, the plan it was made from, the public
    folder, and who of the holders is ``lost``. ``sealed`` and ``folder`` are the paths as they were typed.
    """

    trust: RootOfTrust
    names: Mapping[str, str]
    plan: Plan | None = None
    public: Public | None = None
    lost: tuple[str, ...] = ()
    sealed: str = "sealed"
    folder: str = "PUBLIC"

    def __post_init__(self) -> None:
        if strangers := sorted(set(self.lost) - set(self.holders)):
            raise Refused(
                [f"{name} is no holder of root {self.version(layout.ROOT)}" for name in strangers],
                f"The holders are {', '.join(self.holders)}.",
            )

    @property
    def root(self) -> Root:
        """The newest root."""
        return self.trust.root

    @property
    def threshold(self) -> int:
        """How many holders must sign."""
        return self.root.roles[layout.ROOT].threshold

    @property
    def holders(self) -> tuple[str, ...]:
        """Everybody whose key the newest root lists for itself."""
        return self.people(self.root.roles[layout.ROOT].keyids)

    @property
    def remaining(self) -> tuple[str, ...]:
        """The holders who are not lost."""
        return tuple(name for name in self.holders if name not in self.lost)

    @property
    def online(self) -> str:
        """The key of the service, by name."""
        return " and ".join(self.people(self.root.roles[layout.TIMESTAMP].keyids))

    @property
    def bins(self) -> int:
        """How many bins there are."""
        body = self.trust.newest[layout.BINS].body
        assert isinstance(body, Targets) and body.delegations is not None
        assert body.delegations.succinct_roles is not None
        return 1 << body.delegations.succinct_roles.bit_length

    @property
    def held(self) -> tuple[str, ...]:
        """The names that nobody can install."""
        body = self.trust.newest[layout.HELD].body
        assert isinstance(body, Targets)
        return tuple(sorted(names.name_of(path.split("/")[1]) for path in body.targets))

    @property
    def log(self) -> Log | None:
        """The log that the newest root names."""
        policy = proofs.policy_of(self.root)
        return log_of(policy) if policy else None

    @property
    def first_expiry(self) -> tuple[str, datetime]:
        """The offline role that expires first, and when: until then clients go on without a ceremony."""
        return min(((role, self.expires(role)) for role in layout.OFFLINE), key=lambda each: each[1])

    @property
    def others(self) -> dict[str, bytes]:
        """Offline files that are public under a name that the root of trust has too, with other bytes."""
        ours = self.trust.files()
        public = self.public.offline if self.public else {}
        return {name: data for name, data in sorted(public.items()) if name in ours and ours[name] != data}

    @property
    def newer(self) -> tuple[str, ...]:
        """Offline files that are public and come after those of the root of trust."""
        ours = self.trust.files()
        return tuple(sorted(name for name in (self.public.offline if self.public else {}) if name not in ours))

    def version(self, role: str) -> int:
        """Of the newest file of a role."""
        return self.trust.newest[role].body.version

    def expires(self, role: str) -> datetime:
        """When the newest file of a role is past its date."""
        return self.trust.newest[role].body.expires

    def people(self, keyids: Iterable[str]) -> tuple[str, ...]:
        """Who is behind these keys; a key without a name is called by its id."""
        return tuple(sorted(self.names.get(keyid, f"key {show.short(keyid)}") for keyid in keyids))

    def signers(self, role: str) -> tuple[str, ...]:
        """Who signed the newest held or bins."""
        file = self.trust.newest[role]
        delegator = self.trust.newest[layout.TARGETS].body
        return self.people(counting.count_file(delegator, role, file.data).signed)

    def due(self, changed: Iterable[str], now: datetime) -> tuple[str, ...]:
        """What a draft would hold if ``changed`` changes: those roles and all that expire soon (``draft.RENEW``)."""
        changed = set(changed)
        return tuple(role for role in layout.OFFLINE if role in changed or self.expires(role) - now < RENEW)

    def amended(self, purpose: str, holders: Iterable[str], online: str, url: str | None = None) -> Plan:
        """The plan of the ceremony to come. Keys that are known stand in it, for others ``NEW`` does."""
        before = self.plan or Plan(
            name="REPOSITORY", url="URL", purpose="", rehearsal=False, threshold=self.threshold, days=365,
            bins=self.bins, held=self.held, online=Signatory(online, NEW), holders=(),
        )  # fmt: skip
        known = {name: Signatory(name, keyid) for keyid, name in self.names.items() if keyid in self.root.keys}
        known |= {each.name: each for each in before.holders if each.key in self.root.keys}
        return dataclasses.replace(
            before,
            url=url or before.url,
            purpose=purpose,
            rehearsal=rules.is_rehearsal(self.trust.root),
            threshold=self.threshold,
            bins=self.bins,
            held=self.held,
            accept_no_spare=before.accept_no_spare or self.threshold in (1, len(self.holders)),
            online=known.get(online, Signatory(online, NEW)),
            holders=tuple(known.get(name, Signatory(name, NEW)) for name in holders),
            ceremony=Arrangements(),
            log=self.log,
        )


def read(sealed: Path, public: Path | None, lost: Iterable[str] = ()) -> Situation:
    """The situation of a ``sealed/`` folder, with the holders' files and the plan that lie beside it, if they do."""
    found = directory.read_trust(sealed)
    beside = sealed.resolve().parent
    files = [*sorted(beside.glob("holders/*.pub")), *sorted(beside.glob("online.pub"))]
    known = [directory.read_public_key(path) for path in files]
    planned = beside / "plan.toml"
    return Situation(
        trust=found,
        names={file.key.keyid: file.name for file in known},
        plan=plan.read(directory.read_file(planned)) if planned.exists() else None,
        public=None if public is None else read_public(public, found),
        lost=tuple(lost),
        sealed=str(sealed),
        folder="PUBLIC" if public is None else str(public),
    )


def read_public(folder: Path, found: RootOfTrust) -> Public:
    """What lies in a public folder, a mirror of one, or its ``metadata/`` alone."""
    metadata = folder / _METADATA if (folder / _METADATA).is_dir() else folder
    timestamp, listed = _signed(metadata / "timestamp.json")
    version = listed.get("snapshot.json", 0)
    snapshot, members = _signed(metadata / f"{version}.snapshot.json")
    return Public(
        timestamp,
        snapshot,
        tuple(sorted(number for name, number in members.items() if name.startswith(f"{layout.BIN_PREFIX}-"))),
        _offline(metadata, found),
    )


def _offline(metadata: Path, found: RootOfTrust) -> dict[str, bytes]:
    newest = {role: found.newest[role].body.version for role in layout.OFFLINE}
    paths = [*metadata.glob("*.json")]
    wanted = [
        path
        for path in sorted(paths)
        for version, _, role in [path.name.removesuffix(".json").partition(".")]
        if role in newest and version.isascii() and version.isdigit() and int(version) >= newest[role]
    ]
    return {path.name: directory.read_file(path) for path in wanted}


def _signed(path: Path) -> tuple[Signed | None, dict[str, int]]:
    """What a file says of itself and of the versions of others; nothing where it is missing or says nothing."""
    try:
        said: Any = strict.parse(directory.read_file(path))
        body = said["signed"]  # whatever it is, a wrong shape is caught below
        members = {str(name): int(entry["version"]) for name, entry in body["meta"].items()}
        return Signed(int(body["version"]), times.stamp(times.moment(body["expires"]))), members
    except (BadInput, strict.Malformed, LookupError, TypeError, ValueError, AttributeError):
        return None, {}


def other_root(situation: Situation) -> Root | None:
    """The root that is public under the newest root's own name with other bytes, if a client may have accepted it."""
    newest = situation.trust.roots[-1]
    if newest.name not in situation.others:
        return None
    data = situation.others[newest.name]
    try:
        metadata: Metadata[Root] = Metadata.from_bytes(data)
        other: object = metadata.signed
        if not isinstance(other, Root) or other.version != newest.body.version:
            return None
        # By python-tuf's count and not ours, as the question is what clients did.
        for delegator in (*(root.body for root in situation.trust.roots[-2:-1]), other):
            delegator.verify_delegate(layout.ROOT, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):
        return None
    return other


def digest(root: Root) -> str:
    """SHA-256 of what is signed of a root, as ``show`` prints it."""
    return sha256(canonical(root.to_dict()))
