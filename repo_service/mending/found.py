"""What the public files say, verified as a client would, from a root that is trusted: what a journal can be made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Root, Targets

from keys import counting, layout, strict, trust
from keys.counting import Delegator
from keys.encoding import sha256
from keys.signing import Asked, Signatures
from keys.times import moment, stamp
from keys.tlog import leaves
from keys.tlog.proofs import policy_of
from keys.trust import RootOfTrust
from repo_service.build.listing import Meta
from repo_service.build.metadata import Role, metadata_path, timestamp_file
from repo_service.build.pages import stored_at
from repo_service.domain.announcing import Published
from repo_service.domain.flags import DOCUMENT, FlagAct
from repo_service.mending.retelling import NotRecovered, PublicLog, public_log
from repo_service.publishing import roots
from repo_service.publishing.press import Press
from repo_service.storage.depot import Depot
from repo_service.storage.recovery import Public

STOLEN: Final = "the online key was stolen (docs/OPERATIONS.md, When the online key was stolen)"


@dataclass(frozen=True, slots=True)
class Found:
    """The public files: what ceremonies sealed, what the timestamp and the snapshot say, and the log, if there is one.
    Where that is ahead of the timestamp, ``public`` is the release that was about to be pointed to.
    """

    depot: Depot
    trust: RootOfTrust
    root: Root
    bins: Targets
    public: Public
    roles: Mapping[str, int]
    log: PublicLog | None
    is_pointed: bool

    @property
    def shape(self) -> layout.Bins:
        """How many bins there are."""
        return trust.bins_shape(self.bins)

    def role(self, delegator: Delegator, role: str) -> Role:
        """A role's file as the snapshot lists it. NotRecovered unless enough keys have signed it."""
        version = self.roles.get(role, 0)
        data = self.depot.read(metadata_path(role, version))
        if data is None:
            raise NotRecovered(f"{metadata_path(role, version)} is missing. Nothing was written.")
        signed = _signed(delegator, role, data)
        if signed["version"] != version or signed.get(layout.ROLE_FIELD, role) != role:
            raise NotRecovered(f"{metadata_path(role, version)} is another file. Nothing was written.")
        return Role(role, version, moment(signed["expires"]), data)

    def target(self, path: str, entry: Mapping[str, Any]) -> tuple[str, bytes]:
        """Where a target lies, and its bytes. NotRecovered unless they are those of its line in a bin."""
        stored = target_file(path, entry)
        return stored, _body(self.depot, stored, entry)

    def document(self, path: str, entry: Mapping[str, Any]) -> Published | FlagAct:
        """A policy or an act of flags. Raises NotRecovered."""
        kind: type[Published | FlagAct] = FlagAct if path.startswith(f"policy/{DOCUMENT}/") else Published
        try:
            return strict.load(kind, strict.parse(self.target(path, entry)[1]))
        except strict.Malformed as error:
            raise NotRecovered(f"{path}: {error}. Nothing was written.") from error


def public_files(press: Press, pin: bytes | None) -> Found:
    """Pointer, chain of roots, log, offline files and snapshot. ``pin`` is a root that is trusted. Dates are not read:
    a repair must not need fresh files. Raises NotRecovered.
    """
    timestamp = press.depot.pointer()
    if timestamp is None:
        raise NotRecovered("there is no public timestamp: `tallystick-service rebuild` makes it. Nothing was written.")
    chain = _roots(press.depot)
    if not chain:
        raise NotRecovered("the first public root is missing. Nothing was written.")
    if pin not in chain.values():
        raise NotRecovered(
            "the public roots are others than this journal's, or than the one you trust. Nothing was written."
        )
    newest = roots.parse_root(chain[f"{len(chain)}.root.json"])
    signed = _signed(newest, layout.TIMESTAMP, timestamp)
    public = Public(
        signed["version"],
        signed["meta"]["snapshot.json"]["version"],
        moment(signed[layout.SIGNED_AT_FIELD]),
        moment(signed["expires"]),
        timestamp,
    )
    log = public_log(press.depot, policy_of(newest))
    pinned = signed["meta"]["snapshot.json"]
    if is_ahead := log is not None and log.last.generation > public.generation:
        public, pinned = _about_to_be(press, log.last)
    if log is not None:
        _check_logged(log, public, pinned)
    snapshot = _body(press.depot, metadata_path(layout.SNAPSHOT, pinned["version"]), pinned)
    meta = _signed(newest, layout.SNAPSHOT, snapshot)["meta"]
    sealed = chain | _sealed(press.depot, meta)
    try:
        read = trust.read(sealed)
    except trust.NotTrusted as error:
        raise NotRecovered(f"the files of ceremonies do not hold together: {error}. Nothing was written.") from error
    bins = read.newest[layout.BINS].body
    assert isinstance(bins, Targets)
    versions = {file.removesuffix(".json"): each["version"] for file, each in meta.items()}
    roles = versions | {layout.SNAPSHOT: pinned["version"]}
    return Found(press.depot, read, read.root, bins, public, roles, log, not is_ahead)


def _about_to_be(press: Press, last: leaves.Snapshot) -> tuple[Public, dict[str, Any]]:
    """A release that was logged and not pointed to when its database was lost: its timestamp is signed again."""

    def sign(payload: bytes) -> Signatures:
        return press.sign.sign_all((Asked(payload),))[0]

    snapshot = Meta(last.version, last.length, last.sha256)
    signed_at, expires = moment(last.signed_at), moment(last.timestamp_expires)
    made = timestamp_file(last.generation, snapshot, signed_at, expires, sign)
    return Public(last.generation, last.version, signed_at, expires, made.body), snapshot.described()


def _check_logged(log: PublicLog, public: Public, pinned: Mapping[str, Any]) -> None:
    """The release that is public is the last one of the log."""
    last = log.last
    told = last.generation, last.version, last.length, last.sha256, last.signed_at, last.timestamp_expires
    hashes = pinned["length"], pinned["hashes"]["sha256"]
    if told != (public.generation, public.snapshot, *hashes, stamp(public.signed_at), stamp(public.expires)):
        raise NotRecovered(
            f"timestamp {public.generation} is public, and the last release that is logged is another, "
            f"{last.generation}: {STOLEN}. Nothing was written."
        )


def _roots(depot: Depot) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    while (data := depot.read(metadata_path(layout.ROOT, len(found) + 1))) is not None:
        found[f"{len(found) + 1}.root.json"] = data
    return found


def _sealed(depot: Depot, meta: Mapping[str, Any]) -> dict[str, bytes]:
    found = {}
    for role in (layout.TARGETS, layout.HELD, layout.BINS):
        its = meta[f"{role}.json"]
        found[f"{its['version']}.{role}.json"] = _body(depot, metadata_path(role, its["version"]), its)
    held = strict.parse(found[f"{meta[f'{layout.HELD}.json']['version']}.{layout.HELD}.json"])
    assert isinstance(held, dict)
    for path, entry in held["signed"]["targets"].items():
        stored = target_file(path, entry)
        found[stored] = _body(depot, stored, entry)
    return found


def _body(depot: Depot, path: str, said: Mapping[str, Any]) -> bytes:
    """A public file, as long and with the hash that what is verified already says of it."""
    data = depot.read(path)
    if data is None or (len(data), sha256(data)) != (said["length"], said["hashes"]["sha256"]):
        raise NotRecovered(f"{path} is missing, or not as it was signed. Nothing was written.")
    return data


def _signed(delegator: Delegator, role: str, data: bytes) -> dict[str, Any]:
    """What a file says that enough keys have signed for its role."""
    try:
        plain = strict.parse(data)
        met = counting.count_file(delegator, role, data).met
    except (RepositoryError, ValueError) as error:
        raise NotRecovered(f"{role} cannot be read: {error}. Nothing was written.") from error
    if not met or not isinstance(plain, dict):
        raise NotRecovered(f"{role} is not signed by enough keys. Nothing was written.")
    signed: dict[str, Any] = plain["signed"]
    return signed


def targets_of(role: Role) -> dict[str, Any]:
    """The lines of a bin, by their paths."""
    plain = strict.parse(role.body)
    assert isinstance(plain, dict)
    targets: dict[str, Any] = plain["signed"]["targets"]
    return targets


def target_file(path: str, entry: Any) -> str:
    """Where a target lies, by its path and its line in a bin."""
    return stored_at(path, entry["hashes"]["sha256"])
