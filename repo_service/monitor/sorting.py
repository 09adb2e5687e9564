"""The leaves of a release, sorted out by their kinds: what is none, or stands in the wrong place, is said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from keys.tlog import leaves
from keys.tlog.leaves import BadLeaf
from repo_service.domain import logged
from repo_service.domain.logged import Logged
from repo_service.monitor import codes
from repo_service.monitor.findings import Finding

_ORDER: Final = {"sealed": 0, "taken-over": 1, "event": 1, "document": 1, "bins": 2, "snapshot": 3}
"""A kind stands behind those of a smaller number."""


@dataclass(slots=True)
class Leaves:
    """A release's leaves by kind, each with its index."""

    last: tuple[int, leaves.Snapshot]
    sealed: list[tuple[int, leaves.Sealed]] = field(default_factory=list)
    taken_over: list[tuple[int, leaves.TakenOver]] = field(default_factory=list)
    events: list[tuple[int, Logged]] = field(default_factory=list)
    documents: list[tuple[int, leaves.Document]] = field(default_factory=list)
    bins: list[tuple[int, leaves.SignedBins]] = field(default_factory=list)

    @property
    def at(self) -> str:
        """When the release was signed, as its last leaf says."""
        return self.last[1].signed_at

    def add(self, kind: str, index: int, leaf: bytes) -> None:
        """Take in one more, of a kind that may stand before the last. Raises BadLeaf."""
        match kind:
            case "sealed":
                self.sealed.append((index, leaves.read(leaves.Sealed, leaf)))
            case "taken-over":
                self.taken_over.append((index, leaves.read(leaves.TakenOver, leaf)))
            case "event":
                self.events.append((index, logged.read(leaf)))
            case "document":
                self.documents.append((index, leaves.read(leaves.Document, leaf)))
            case "bins":
                self.bins.append((index, leaves.read(leaves.SignedBins, leaf)))
            case _:
                raise BadLeaf(f"a leaf of kind {kind!r:.40} stands within a release")


def sorted_out(first: int, raw: Sequence[bytes], found: list[Finding]) -> Leaves:
    """The leaves by their kinds; ``found`` takes what is wrong with them. BadLeaf if the last is no snapshot's."""
    its = Leaves((first + len(raw) - 1, leaves.read(leaves.Snapshot, raw[-1])))
    order = 0
    for index, leaf in enumerate(raw[:-1], first):
        try:
            kind = leaves.kind_of(leaf)
            its.add(kind, index, leaf)
            order, before = _ORDER[kind], order
            if order < before:
                sentence = f"a leaf of kind {kind} stands behind those that come after it"
                found.append(codes.found("leaf-misplaced", sentence, its.at, index))
        except BadLeaf as error:
            found.append(codes.found("leaf-malformed", str(error), its.at, index))
    return its
