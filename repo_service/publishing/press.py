"""What publishing works with: the journal, the depot, the keys, and what a publisher remembers from one release to the
next.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tuf.api.metadata import Root, Targets

from keys.signing import Signer
from keys.tlog.merkle import Nodes
from keys.tlog.notes import Note, Signature, VerifierKey
from repo_service.build.due import Lifetimes
from repo_service.build.listing import Listing
from repo_service.build.logbook import Log, LogKey
from repo_service.build.metadata import Role
from repo_service.build.pages import Layout
from repo_service.operating.metrics import FORGETFUL, Metrics
from repo_service.publishing.clocks import Source
from repo_service.storage.depot import Depot
from repo_service.storage.journal import Journal


@dataclass(frozen=True, slots=True)
class Known:
    """What a publisher remembers of the release that it made last, so as not to read it anew. Good for that one."""

    generation: int
    listing: Listing
    snapshot: bytes
    root: Root
    bins: Targets
    log: Log


class Memory:
    """A place for it. Whoever finds another generation in the journal reads everything from there."""

    def __init__(self) -> None:
        self.known: Known | None = None

    def of(self, generation: int) -> Known | None:
        """What is remembered, if it is of this release; None sends the asker to the journal."""
        return self.known if self.known and self.known.generation == generation else None


@dataclass(frozen=True, slots=True)
class Turn:
    """How publishers on one journal take turns: who asks (a text for people), whether a holder is known to be dead, and
    for how many seconds a lease is good if its holder says nothing more.
    """

    holder: Callable[[], str]
    is_dead: Callable[[str], bool]
    seconds: float = 10.0


def _draw_nothing(roles: Iterable[Role]) -> None:
    """Where no deltas are asked for."""
    del roles


Cosign = Callable[[Note, Nodes], Sequence[Signature]]
"""What witnesses say of a checkpoint, in time or not at all; the nodes are those of its tree. Never raises."""


def cosigned_by_nobody(note: Note, nodes: Nodes) -> Sequence[Signature]:
    """Where there are no witnesses."""
    del note, nodes
    return ()


@dataclass(frozen=True, slots=True)
class Press:
    """What publishing needs besides the journal's content: where files go, who signs, for how long, in which layout.
    ``log`` are the keys of the log (none: there is no log), and ``cosign`` asks its witnesses, of
    whom a ``quorum`` of those that are ``counted`` should answer.
    """

    journal: Journal
    depot: Depot
    sign: Signer
    lifetimes: Lifetimes
    layout: Layout
    turn: Turn
    memory: Memory = field(default_factory=Memory)
    clocks: Sequence[Source] = ()
    draw: Callable[[Iterable[Role]], object] = _draw_nothing
    log: Sequence[LogKey] = ()
    cosign: Cosign = cosigned_by_nobody
    counted: Collection[VerifierKey] = ()
    quorum: int = 0
    metrics: Metrics = FORGETFUL
