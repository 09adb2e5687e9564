"""What the log's leaves say (docs/FORMAT.md, "The log"): canonical JSON, each of one kind.

One release is some leaves in a row, the last of which is its snapshot's. The leaf of an event is made and read where
events are understood (repo_service/domain/logged.py); here it is known by its kind alone.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from keys import layout, strict
from keys.encoding import compact_plain, parse_canonical
from keys.state import Sha256, check_digests
from keys.times import moment
from keys.tlog.tiles import MAX_LEAF

EVENT: Final = "event"
MOST_BINS: Final = 512
"""Bins in one leaf: a leaf has at most 65,535 bytes."""
Leaf = TypeVar("Leaf", bound="Sealed | Document | TakenOver | SignedBins | Snapshot")


class BadLeaf(Exception):
    """What is no leaf of ours."""


def _check_counts(*counts: int) -> None:
    """Versions and lengths are counted from 1. Raises ValueError."""
    if min(counts) < 1:
        raise ValueError(f"{min(counts)} is no version and no length")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that key holders signed: root, targets, held or bins."""

    role: Literal["root", "targets", "held", "bins"]
    version: int
    length: int
    sha256: Sha256
    kind: Literal["sealed"] = "sealed"

    def __post_init__(self) -> None:
        _check_counts(self.version, self.length)
        check_digests(self.sha256)


@dataclass(frozen=True, slots=True)
class Document:
    """A policy, or an act of flags: a target that never changes."""

    path: str
    length: int
    sha256: Sha256
    kind: Literal["document"] = "document"

    def __post_init__(self) -> None:
        _check_counts(self.length)
        check_digests(self.sha256)


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A name whose events are not in the log, or not all: it goes on from the state of this page."""

    name: str
    serial: int
    length: int
    sha256: Sha256
    kind: Literal["taken-over"] = "taken-over"

    def __post_init__(self) -> None:
        _check_counts(self.serial, self.length)
        check_digests(self.sha256)


@dataclass(frozen=True, slots=True)
class SignedBin:
    """A bin that was signed: its version, which ends in its number, and the digest of what was signed."""

    version: int
    sha256: Sha256

    def __post_init__(self) -> None:
        _check_counts(self.version)
        check_digests(self.sha256)

    @property
    def number(self) -> int:
        """Which bin it is."""
        return self.version % layout.BIN_STRIDE


@dataclass(frozen=True, slots=True)
class SignedBins:
    """Bins that a release signed, some of them if there are many, in the order of their numbers."""

    bit_length: int
    expires: str
    bins: tuple[SignedBin, ...]
    kind: Literal["bins"] = "bins"

    def __post_init__(self) -> None:
        moment(self.expires)
        numbers = [each.number for each in self.bins]
        if not 1 <= len(numbers) <= MOST_BINS or numbers != sorted({*numbers}):
            raise ValueError(f"bins must be 1 to {MOST_BINS} in the order of their numbers")
        if numbers[-1] >= len(layout.Bins(self.bit_length)):
            raise ValueError(f"there is no bin {numbers[-1]}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A release: its snapshot's file, digest of what is signed in it and date, the timestamp that points to it, and all
    bins in one root (keys/tlog/binsums.py). ``layout`` says which targets names have.
    """

    generation: int
    version: int
    length: int
    sha256: Sha256
    signed: Sha256
    expires: str
    signed_at: str
    timestamp_expires: str
    bit_length: int
    bins: Sha256
    layout: Literal["full", "compact"]
    kind: Literal["snapshot"] = "snapshot"

    def __post_init__(self) -> None:
        check_digests(self.sha256, self.signed, self.bins)
        for at in (self.expires, self.signed_at, self.timestamp_expires):
            moment(at)
        _check_counts(self.generation, self.version, self.length)
        layout.Bins(self.bit_length)


def written(leaf: Sealed | Document | TakenOver | SignedBins | Snapshot) -> bytes:
    """The leaf's bytes."""
    data = compact_plain(strict.dump(leaf))
    assert len(data) <= MAX_LEAF, "a leaf is too long"
    return data


def kind_of(leaf: bytes) -> str:
    """Which kind a leaf is of. Raises BadLeaf."""
    return str(_parsed(leaf)["kind"])


def read(kind: type[Leaf], leaf: bytes) -> Leaf:
    """A leaf of this kind. Raises BadLeaf."""
    try:
        return strict.load(kind, _parsed(leaf))
    except strict.Malformed as error:
        raise BadLeaf(f"a leaf is malformed: {error}") from None


def _parsed(leaf: bytes) -> dict[str, object]:
    try:
        plain = parse_canonical(leaf)
    except (ValueError, RecursionError) as error:
        raise BadLeaf(f"a leaf {error}") from None
    if not isinstance(plain.get("kind"), str):
        raise BadLeaf("a leaf has a kind")
    return plain
