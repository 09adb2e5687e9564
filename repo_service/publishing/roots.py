"""Taking in what a ceremony sealed: verified again from its bytes (keys/trust.py), and held against what we have.

Nothing of a sealed folder is believed. It must continue the chain of roots that this service knows, go back in no
version, name this service's online key, and be good at this moment; only then may ``publish`` release it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.metadata import Role as Delegated

from keys import layout, names, rules, trust
from keys.trust import RootOfTrust, SignedFile
from repo_service.build.metadata import Role


class NotTakenIn(Exception):
    """A sealed folder that this service must not use, with every problem. Nothing was written."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Sealed:
    """A verified root of trust and the files of it that this service does not have yet, in the order of ``OFFLINE``.
    ``anew``: everything online is signed again with them, since the key of before is lost or stolen.
    """

    trust: RootOfTrust
    fresh: tuple[Role, ...]
    anew: bool = False

    @property
    def bins(self) -> Targets:
        """The newest ``bins`` metadata."""
        body = self.trust.newest[layout.BINS].body
        assert isinstance(body, Targets)
        return body

    @property
    def pages(self) -> tuple[tuple[str, bytes], ...]:
        """The pages of held names, by where they are stored."""
        return tuple((trust.page_file(path, data), data) for path, data in self.trust.pages.items())


def take_in(sealed: Mapping[str, bytes], known: Mapping[str, bytes], held: Collection[str], now: datetime) -> Sealed:
    """Verify a sealed folder: its files by relative path, against the newest offline files of before (none: genesis)
    and the ids of the online keys that this service holds.

    Raises NotTakenIn with every problem.
    """
    try:
        found = trust.read(sealed)
    except trust.NotTrusted as error:
        raise NotTakenIn([str(error)]) from error
    if problems := [*_dates(found, now), *_continuity(found, known), *_online_key(found, held)]:
        raise NotTakenIn(problems)
    files = (*found.roots, *(found.newest[role] for role in layout.OFFLINE if role != layout.ROOT))
    before = {role: version_of(data) for role, data in known.items()}
    return Sealed(found, tuple(_role(file) for file in files if file.body.version > before.get(file.role, 0)))


def take_in_anew(sealed: Sealed, known: Mapping[str, bytes], held: Collection[str]) -> Sealed:
    """As ``sealed``, for a service that has lost its online key: nothing can be signed by both, so all of it is signed
    again in one release. NotTakenIn if the key is not lost.
    """
    before = rules.online_keyids(parse_root(known[layout.ROOT]))
    if before & frozenset(held):
        raise NotTakenIn(["the old online key is here: sign everything with both instead, and no client fails"])
    return replace(sealed, anew=True)


def take_in_after_theft(sealed: Sealed, held: Collection[str]) -> Sealed:
    """As ``sealed``, for a service whose online key was stolen: all of it is signed again, by a key that no root before
    named. NotTakenIn if what the old key signs would still be good, or could still be signed here.

    That no role names the old key any more is the cure: a client drops what only that key signed, whatever its version.
    """
    before = frozenset[str]().union(*(rules.online_keyids(parse_root(root.data)) for root in sealed.trust.roots[:-1]))
    named = frozenset[str]().union(*online_keyids(sealed.trust.root, sealed.bins).values())
    if not before or before & named:
        raise NotTakenIn([
            f"root {sealed.trust.root.version} does not take the online key away that the roots before it name: what "
            "the thief signs would stay good. Make a new key, hold a ceremony with its online.pub, and take that in. "
            "Nothing was written."
        ])  # fmt: skip
    if here := sorted(before & frozenset(held)):
        raise NotTakenIn([
            f"key {here[0]:.16}, which was stolen, is still this service's: move it away. Nothing was written."
        ])  # fmt: skip
    return replace(sealed, anew=True)


def bins_shape(bins: Targets) -> layout.Bins:
    """How many hash bins a verified ``bins`` role delegates to."""
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    return layout.Bins(bins.delegations.succinct_roles.bit_length)


@lru_cache(maxsize=2)
def held_names(targets_file: bytes) -> frozenset[str]:
    """The names that a targets file, verified when it was taken in, gives to ``held``."""
    targets = parse_targets(targets_file)
    assert targets.delegations is not None and targets.delegations.roles is not None, "rules.targets_problems"
    paths = targets.delegations.roles[layout.HELD].paths or ()
    return frozenset(names.name_of(path.split("/")[1]) for path in paths)


def parse_root(data: bytes) -> Root:
    """A root file that was verified when it was taken in."""
    return Metadata[Root].from_bytes(data).signed


def parse_targets(data: bytes) -> Targets:
    """A targets file that was verified when it was taken in."""
    return Metadata[Targets].from_bytes(data).signed


def version_of(data: bytes) -> int:
    """The version of a metadata file of ours."""
    version: int = Metadata.from_bytes(data).signed.version
    return version


def _role(file: SignedFile) -> Role:
    return Role(file.role, file.body.version, file.body.expires, file.data)


def _dates(found: RootOfTrust, now: datetime) -> Iterator[str]:
    for role, file in found.newest.items():
        yield from rules.date_problems(role, file.body.expires, now)


def _continuity(found: RootOfTrust, known: Mapping[str, bytes]) -> Iterator[str]:
    """It goes on from what we have: the same chain of roots, no older version, no other bytes under one version."""
    chain = {root.name: root.data for root in found.roots}
    for role, ours in known.items():
        version = version_of(ours)
        theirs = found.newest[role]
        if role == layout.ROOT and chain.get(f"{version}.root.json") != ours:
            yield f"root: this service trusts another root {version}; these files do not continue it"
        elif theirs.body.version < version:
            yield f"{role}: version {theirs.body.version} is older than {version}, which was taken in before"
        elif theirs.body.version == version and theirs.data != ours:
            yield f"{role}: version {version} was taken in before with other bytes"


def unsigned_problems(sealed: Sealed, signed_by: Iterable[tuple[str, frozenset[str], int]]) -> list[str]:
    """What clients would refuse as soon as they have the new files: files of now that are signed by no key that these
    name. ``signed_by`` are kinds of files (``timestamp``, ``snapshot``, ``bin``), their keys and how many they are.
    """
    if sealed.anew:
        return []
    named = online_keyids(sealed.trust.root, sealed.bins)
    bare: Counter[str] = Counter()
    for kind, keyids, files in signed_by:
        if not keyids & named[kind]:
            bare[kind] += files
    if not bare:
        return []
    missing = ", ".join(f"{kind} (of {files} files)" for kind, files in sorted(bare.items()))
    new = ", ".join(sorted(f"{keyid:.16}" for keyid in frozenset().union(*named.values())))
    return [
        f"the online key changes to {new}, which has not signed everything yet: {missing}. Clients would refuse these "
        "as soon as they have the new root. Hold both keys (`tallystick-service key DIR --next`), restart the service, "
        "wait until `tallystick-service status DIR` says that both have signed everything, then take in again. Nothing "
        "was written."
    ]


def _online_key(found: RootOfTrust, held: Collection[str]) -> Iterator[str]:
    ours = ", ".join(sorted(f"{keyid:.16}" for keyid in held))
    for kind, role in _online_roles(found.root, _targets(found, layout.BINS)):
        if not frozenset(role.keyids) & frozenset(held) or role.threshold != 1:
            name = layout.BINS if kind == layout.BIN_PREFIX else kind
            yield f"{name}: is signed by other keys than this service's online key {ours}"


def online_keyids(root: Root, bins: Targets) -> dict[str, frozenset[str]]:
    """For ``timestamp``, ``snapshot`` and ``bin`` the keys that may sign it."""
    return {kind: frozenset(role.keyids) for kind, role in _online_roles(root, bins)}


def _online_roles(root: Root, bins: Targets) -> Iterator[tuple[str, Delegated]]:
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    yield from ((role, root.roles[role]) for role in layout.ONLINE)
    yield layout.BIN_PREFIX, bins.delegations.succinct_roles


def is_rehearsal(sealed: Sealed) -> bool:
    """Whether the newest root was made to practise with."""
    return rules.is_rehearsal(sealed.trust.root)


def _targets(found: RootOfTrust, role: str) -> Targets:
    body = found.newest[role].body
    assert isinstance(body, Targets)
    return body
