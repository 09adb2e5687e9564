"""What the guard knows, and what becomes known with each thing that it signs. Values; nothing here decides."""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from keys import layout, trust
from keys.encoding import sha256
from keys.trust import RootOfTrust

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Sealed:
    """The newest root of trust that was verified, and what rules ask of it."""

    trust: RootOfTrust

    @cached_property
    def shape(self) -> layout.Bins:
        """How many bins there are."""
        return trust.bins_shape(self.trust.targets(layout.BINS))

    @cached_property
    def roles(self) -> frozenset[str]:
        """The bins of the current number of bins."""
        return frozenset(self.shape.roles())

    @cached_property
    def held(self) -> frozenset[str]:
        """The names that the root of targets gives to ``held``: no bin may sign them."""
        return trust.held_names(self.trust.targets(layout.TARGETS))

    @cached_property
    def named(self) -> Mapping[str, frozenset[str]]:
        """For ``timestamp``, ``snapshot`` and ``bin`` the keys that may sign it."""
        return trust.online_keyids(self.trust.root, self.trust.targets(layout.BINS))

    @cached_property
    def repository(self) -> str:
        """What a waiver names: the SHA-256 of the first root."""
        return sha256(self.trust.roots[0].data)

    @cached_property
    def offline(self) -> Mapping[str, bytes]:
        """The newest file of each offline role."""
        return {role: file.data for role, file in self.trust.newest.items()}

    @cached_property
    def pinned(self) -> Mapping[str, Mapping[str, Any]]:
        """What a snapshot must say of targets, held and bins."""
        return {
            f"{role}.json": pin(file.body.version, file.data)
            for role, file in self.trust.newest.items()
            if role != layout.ROOT
        }


def pin(version: int, data: bytes) -> dict[str, Any]:
    """What metadata says of a file whose bytes it pins."""
    return {"hashes": {"sha256": sha256(data)}, "length": len(data), "version": version}


@dataclass(frozen=True, slots=True)
class Content:
    """A version of a bin, and the SHA-256 of its payload and of its targets; None where only the version is known."""

    version: int
    payload: str | None = None
    targets: str | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin as the newest snapshot lists it, and as it was signed last. What is signed and not listed yet no client can
    have seen.
    """

    listed: Content | None = None
    signed: Content | None = None

    @property
    def spent(self) -> int:
        """The greatest version that was ever signed."""
        return max(each.version for each in (self.listed, self.signed, Content(0)) if each)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a change takes from those who install: releases yanked, things made not installable, files that go."""

    yanks: int = 0
    removals: int = 0
    files: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.yanks + other.yanks, self.removals + other.removals, self.files + other.files)


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of one version of a bin, and when it was signed."""

    role: str
    version: int
    at: datetime
    counts: Counts


@dataclass(frozen=True, slots=True)
class Jumped:
    """So many versions of a role were left out, and when."""

    role: str
    at: datetime
    versions: int


@dataclass(frozen=True, slots=True)
class BinSigned:
    """``kept`` is what the next version of the bin will be compared with: its targets and its new pages, by SHA-256.
    The service may lose them before it has kept them itself; then nobody else has them.
    """

    role: str
    content: Content
    at: datetime
    counts: Counts = Counts()
    kept: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Top:
    """The newest snapshot or timestamp: its version, the SHA-256 of its payload, and for a snapshot what a timestamp
    says of its file, with the signatures in it: a token may sign the same twice in two ways.
    """

    version: int
    payload: str
    file: Mapping[str, Any] | None = None
    signatures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotSigned:
    """``listing`` are the members of ``meta`` that changed; ``bits`` is the number of bins that it is of."""

    top: Top
    bits: int
    listing: Mapping[str, Mapping[str, Any]]
    at: datetime


@dataclass(frozen=True, slots=True)
class TimestampSigned:
    """A timestamp was signed, and when: the next one goes on from it."""

    top: Top
    at: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """What was found to be public, beyond what was known."""

    snapshot: Top | None
    timestamp: Top | None
    bits: int | None
    listing: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A root of trust that was accepted, against which all that follows is judged."""

    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Waived:
    """A rule was broken by ``amount``, and a waiver allowed it."""

    rule: str
    amount: int


Fact = BinSigned | SnapshotSigned | TimestampSigned | Published | TakenIn | Waived | Jumped


@dataclass(slots=True)
class State:
    """Everything that rules ask for. ``listing`` is the ``meta`` of the newest snapshot, ``bits`` the number of bins
    that it is of (None: there is none yet), ``highest`` the greatest version of a bin in it.
    """

    sealed: Sealed
    bins: MutableMapping[str, Bin] = field(default_factory=dict)
    listing: MutableMapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bits: int | None = None
    highest: int = 0
    snapshot: Top | None = None
    timestamp: Top | None = None
    clock: datetime | None = None
    counted: tuple[Counted, ...] = ()
    jumped: tuple[Jumped, ...] = ()

    def draft(self) -> "State":
        """A copy to try something on: what is large in it is shared, and stays as it is."""
        return replace(self, bins=ChainMap({}, self.bins), listing=ChainMap({}, self.listing))

    @property
    def is_rebinning(self) -> bool:
        """Whether the bins that are signed now are of another number of bins than the newest snapshot."""
        return self.bits is not None and self.bits != self.sealed.shape.bit_length

    def left_out(self, role: str, now: datetime) -> int:
        """How many versions of a role were left out within the last hour."""
        return sum(each.versions for each in self.jumped if each.role == role and each.at > now - HOUR)

    def counts(self, now: datetime) -> Counts:
        """All of the last hour."""
        return sum((each.counts for each in self.counted if each.at > now - HOUR), Counts())


def evolve(state: State, fact: Fact) -> None:
    """What is known once this is."""
    match fact:
        case BinSigned():
            _bin_signed(state, fact)
        case SnapshotSigned():
            _listed(state, fact.listing, fact.bits)
            state.snapshot = fact.top
            state.clock = _later(state.clock, fact.at)
        case TimestampSigned():
            state.timestamp = fact.top
            state.clock = _later(state.clock, fact.at)
        case Published():
            _listed(state, fact.listing, fact.bits)
            state.snapshot, state.timestamp = fact.snapshot or state.snapshot, fact.timestamp or state.timestamp
        case TakenIn():
            state.sealed = fact.sealed
        case Jumped():
            state.jumped = (*(each for each in state.jumped if each.at > fact.at - HOUR), fact)
        case Waived():
            pass


def replaced_count(known: Bin) -> int | None:
    """The version of which counts and what was kept go when the bin is signed again: it was never listed."""
    signed, listed = known.signed, known.listed
    return signed.version if signed and (listed is None or signed.version > listed.version) else None


def _bin_signed(state: State, fact: BinSigned) -> None:
    known = state.bins.get(fact.role, Bin())
    gone = replaced_count(known)
    kept = (
        each for each in state.counted if (each.role, each.version) != (fact.role, gone) and each.at > fact.at - HOUR
    )
    new = (Counted(fact.role, fact.content.version, fact.at, fact.counts),) if fact.counts != Counts() else ()
    state.counted = (*kept, *new) if new or state.counted else ()
    state.bins[fact.role] = replace(known, signed=fact.content)
    state.clock = _later(state.clock, fact.at)


def _listed(state: State, listing: Mapping[str, Mapping[str, Any]], bits: int | None) -> None:
    for file, meta in listing.items():
        role = file.removesuffix(".json")
        state.listing[file] = meta
        if role not in layout.OFFLINE:
            known = state.bins.get(role, Bin())
            state.bins[role] = replace(known, listed=content_of(known, meta["version"]))
            state.highest = max(state.highest, meta["version"])
    state.bits = bits if bits is not None else state.bits


def content_of(known: Bin, version: int) -> Content:
    """What is known of this version of a bin."""
    same = (each for each in (known.signed, known.listed) if each and each.version == version)
    return next(same, Content(version))


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
