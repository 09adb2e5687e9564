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

from keys import layout, rules, trust
from keys.tlog import proofs
from keys.tlog.notes import VerifierKey
from keys.tlog.proofs import Policy
from keys.trust import RootOfTrust, SignedFile, online_keyids, online_roles, version_of
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
        return self.trust.targets(layout.BINS)

    @property
    def pages(self) -> tuple[tuple[str, bytes], ...]:
        """The pages of held names, by where they are stored."""
        return tuple((trust.page_file(path, data), data) for path, data in self.trust.pages.items())


def take_in(
    sealed: Mapping[str, bytes],
    known: Mapping[str, bytes],
    held: Collection[str],
    log: Collection[VerifierKey],
    now: datetime,
) -> Sealed:
    """Verify a sealed folder: its files by relative path, against the newest offline files of before (none: genesis),
    the ids of the online keys that this service holds and its keys of the log.

    Raises NotTakenIn with every problem.
    """
    try:
        found = trust.read(sealed)
    except trust.NotTrusted as error:
        raise NotTakenIn([str(error)]) from error
    if problems := [*trust.continuing_problems(found, known, now), *_online_key(found, held), *_log_key(found, log)]:
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


@lru_cache(maxsize=2)
def held_names(targets_file: bytes) -> frozenset[str]:
    """The names that a targets file, verified when it was taken in, gives to ``held``."""
    return trust.held_names(parse_targets(targets_file))


@lru_cache(maxsize=2)
def named_log(root_file: bytes) -> Policy | None:
    """The log that a root file, verified when it was taken in, names."""
    return proofs.policy_of(parse_root(root_file))


def parse_root(data: bytes) -> Root:
    """A root file that was verified when it was taken in."""
    return Metadata[Root].from_bytes(data).signed


def parse_targets(data: bytes) -> Targets:
    """A targets file that was verified when it was taken in."""
    return Metadata[Targets].from_bytes(data).signed


def _role(file: SignedFile) -> Role:
    return Role(file.role, file.body.version, file.body.expires, file.data)


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
    for kind, role in online_roles(found.root, found.targets(layout.BINS)):
        if not frozenset(role.keyids) & frozenset(held) or role.threshold != 1:
            name = layout.BINS if kind == layout.BIN_PREFIX else kind
            yield f"{name}: is signed by other keys than this service's online key {ours}"


def _log_key(found: RootOfTrust, held: Collection[VerifierKey]) -> Iterator[str]:
    policy = proofs.policy_of(found.root)
    if policy is not None and not set(policy.keys) & set(held):
        named, ours = (", ".join(f"{key.name} {key.digits}" for key in keys) or "none" for keys in (policy.keys, held))
        yield (
            f"root: names the log {named}, and this service has the key of {ours}: clients that require the log would "
            "refuse everything. Hold the ceremony with this service's log.pub, or bring that log's key here."
        )


def is_rehearsal(sealed: Sealed) -> bool:
    """Whether the newest root was made to practise with."""
    return rules.is_rehearsal(sealed.trust.root)
