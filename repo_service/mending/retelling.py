"""What a journal lost, told again by the log: its releases, and every event with its number, serial, facts and texts.

Nothing is believed but what the tree that the log's key signed holds. What the log does not say stays unknown: who
stands behind a name, and texts that were taken back.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from keys import names, page
from keys.encoding import sha256
from keys.state import TAKING, NameState
from keys.times import moment
from keys.tlog import leaves, merkle, notes, proofs, tiles
from keys.tlog.binsums import BinSums, row_path
from keys.tlog.leaves import BadLeaf
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote
from repo_service.build.growth import LOG, Edge, edge_paths
from repo_service.build.logbook import Said
from repo_service.build.pages import stored_at
from repo_service.domain import changes as c
from repo_service.domain import logged
from repo_service.domain.evolve import evolve_all
from repo_service.domain.logged import SALT_BYTES, Logged, text_path
from repo_service.mending.damage import Progress
from repo_service.mending.logwalk import LoggedRows, releases_in, tree_in
from repo_service.storage.depot import CHECKPOINT, Depot
from repo_service.storage.logreading import LoggedRelease
from repo_service.storage.recovery import Public, Recovery

OWNING: Final = TAKING | {"project.assigned"}
"""Events after which an account or an organisation has something, which they do not name in public."""
BOTH: Final = (
    "this journal has gone on by itself since it was restored, and both cannot be true. Restore the backup again, and "
    "recover before anything is accepted"
)
_TOGETHER: Final = 2000
"""Events that are in memory at once."""
_SPAN: Final = 1024
_GONE: Final = b"(a text that was taken back)"


class NotRecovered(Exception):
    """The public files do not continue this journal, or cannot be trusted. Nothing was written."""


@dataclass(frozen=True, slots=True)
class PublicLog:
    """The log as it is public: its head, the checkpoint's file, and what the last leaf says."""

    size: int
    root: bytes
    note: bytes
    last: leaves.Snapshot


@dataclass(slots=True)
class Retold:
    """What was taken back from the log. ``paged`` are names that its events do not lead to, since a text is gone or a
    page from which they went on: with the sha256 of their newest page. ``unknown`` are names of which nobody knows
    whose they are, ``gone`` the digests of texts that were taken back.
    """

    log: PublicLog
    known: int
    events: int = 0
    paged: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    gone: list[str] = field(default_factory=list)
    documents: dict[str, int] = field(default_factory=dict)
    sealed: dict[str, leaves.Sealed] = field(default_factory=dict)


def public_log(depot: Depot, policy: proofs.Policy | None) -> PublicLog | None:
    """The log that a root names, as it is public; None before it begins. Raises NotRecovered."""
    if policy is None or (note := depot.read(CHECKPOINT)) is None:
        return None
    try:
        head = proofs.check_head(notes.read_note(note), policy).checkpoint
        tree = tree_in(depot, head.size, head.root)
        last = leaves.read(leaves.Snapshot, tree.leaf(head.size - 1))
    except (NotProven, BadNote, BadLeaf) as error:
        raise NotRecovered(f"the log: {error}. Nothing was written.") from error
    return PublicLog(head.size, head.root, note, last)


def retell(
    pen: Recovery, depot: Depot, log: PublicLog, timestamp: bytes, published: int, epoch: int, progress: Progress
) -> Retold:  # fmt: skip
    """Everything that the log has and the journal has not. ``timestamp`` is that of the last release, which is copied
    out (``published`` 1) or about to be. Raises NotRecovered.
    """
    newest, head = pen.newest_logged(), pen.head()
    told = Retold(log, newest.size if newest else 0)
    follows = head.generation if head else 0
    try:
        _check_goes_on(depot, log, newest)
        for release in releases_in(depot, log.size, log.root, told.known):
            progress("the log", release.size, log.size)
            is_last, its = release.size == log.size, release.snapshot
            if its.generation <= follows:
                raise NotRecovered(f"release {its.generation} is logged after {follows}: {BOTH}. Nothing was written.")
            public = _public(its, timestamp if is_last else b"")
            pen.add_release(public, epoch, follows, published if is_last else 1)
            # Of releases that went by, nobody asks for the checkpoint again.
            note = log.note.decode() if is_last else ""
            pen.add_logged(LoggedRelease(its.generation, release.size, release.root, note, None, ""))
            _Telling(pen, depot, told, its.generation).take(release)
            follows = its.generation
    except (NotProven, BadLeaf) as error:
        raise NotRecovered(f"the log: {error}. Nothing was written.") from error
    return told


def keep_files(pen: Recovery, depot: Depot, told: Retold, sums: BinSums) -> None:
    """The log's own files become the journal's, each looked at once more. Raises NotRecovered."""
    log, generation = told.log, told.log.last.generation
    if sums.root != bytes.fromhex(log.last.bins):
        raise NotRecovered("the public bins are not those that the log names. Nothing was written.")
    for level, count in tiles.levels(log.size):
        done = told.known >> tiles.HEIGHT * (level + 1)
        for number in range(done, count >> tiles.HEIGHT):
            if number == done or number % _SPAN == 0:
                tree = tree_in(depot, log.size, log.root)  # a new one, so that its tiles do not gather in memory
            pen.add_files(generation, [(LOG + tiles.tile_path(level, number), tree.tile(level, number))])
            if level == 0:
                bundle = tiles.bundle(tree.leaves(number))
                pen.add_files(generation, [(LOG + tiles.bundle_path(number), bundle)])
    tree = tree_in(depot, log.size, log.root)
    edge = Edge.of(log.size, {path: depot.read(path) or b"" for path in edge_paths(log.size)})
    rows = [(LOG + row_path(top), row) for top, row in zip(sums.tops, sums.rows, strict=True)]
    last = tree.leaf(log.size - 1)
    hashes = merkle.inclusion(tree.nodes, log.size - 1, log.size)
    head = proofs.written(last, sums.tops, log.size - 1, hashes)
    proof = LOG + proofs.proof_path(generation), head.encode() + log.note
    current = dict((*edge.files, *rows, proof))
    old = [path for path in pen.of_log(f"{LOG}bins/%", f"{LOG}proofs/%", f"{LOG}tile/%.p/%") if path not in current]
    pen.add_files(generation, current.items())
    pen.supersede(generation, old)


def _check_goes_on(depot: Depot, log: PublicLog, known: LoggedRelease | None) -> None:
    if known is None:
        return
    if known.size > log.size:
        raise NotRecovered(f"the public log has {log.size} leaves, and this journal {known.size}. Nothing was written.")
    if tree_in(depot, log.size, log.root).root_at(known.size) != known.root:
        raise NotRecovered(
            f"the public log does not go on from the {known.size} leaves that this journal logged: {BOTH}; or the "
            "log's key was stolen (docs/OPERATIONS.md, When the online key was stolen). Nothing was written."
        )


def _public(its: leaves.Snapshot, timestamp: bytes) -> Public:
    return Public(its.generation, its.version, moment(its.signed_at), moment(its.timestamp_expires), timestamp)


@dataclass(frozen=True, slots=True)
class _Telling:
    """One release, whose row is there, being told."""

    pen: Recovery
    depot: Depot
    told: Retold
    generation: int

    def take(self, release: LoggedRows) -> None:
        events = list[Logged]()
        for leaf in release.raw:
            match leaves.kind_of(leaf):
                case leaves.EVENT:
                    events.append(logged.read(leaf))
                case "taken-over":
                    self._go_on(leaves.read(leaves.TakenOver, leaf))
                case "document":
                    self.told.documents[leaves.read(leaves.Document, leaf).path] = self.generation
                case "sealed":
                    sealed = leaves.read(leaves.Sealed, leaf)
                    self.told.sealed[sealed.role] = sealed
            if len(events) == _TOGETHER:
                self._tell(events)
                events.clear()
        self._tell(events)

    def _go_on(self, leaf: leaves.TakenOver) -> None:
        """A name goes on from a page, unless this journal knows it."""
        before = self.pen.name(leaf.name)
        if before.state is not None and before.state.serial >= leaf.serial:
            return
        self.told.unknown.add(leaf.name)
        body = self.depot.read(stored_at(names.page_path(leaf.name), leaf.sha256))
        if body is None or sha256(body) != leaf.sha256:
            self.told.paged[leaf.name] = leaf.sha256
            return
        name = c.Name(leaf.name, _state(leaf.name, body), None)
        self.pen.keep(name, None, None)
        self.pen.begin_again(name, self.generation)

    def _tell(self, events: Sequence[Logged]) -> None:
        """Events that this journal lost; those that it has are signed in this release."""
        ours = {each.event.seq: each for each in self.pen.said(each.seq for each in events)}
        new: dict[str, list[Said]] = defaultdict(list)
        for leaf in events:
            if (known := ours.get(leaf.seq)) is not None and not _is_same(known, leaf):
                raise NotRecovered(
                    f"{leaf.name}: event {leaf.seq} is logged, and another here: {BOTH}. Nothing was written."
                )
            gone = len(self.told.gone)
            event = self._opened(leaf)
            if known is not None:
                continue  # its text is here, whether the log's file of it is there or was taken back
            if event is None or len(self.told.gone) > gone:
                self.told.paged[leaf.name] = ""
            if event is not None:
                new[leaf.name].append(Said(event, leaf.serial))
        for name, said in new.items():
            self._fold(name, said)
        lost = sorted((each for said in new.values() for each in said), key=lambda each: each.event.seq)
        self.pen.add_events(lost, self.generation)
        self.pen.sign_events([*ours], self.generation)
        self.told.events += len(lost)
        for leaf in events:
            if leaf.page is not None and leaf.name in self.told.paged:
                self.told.paged[leaf.name] = leaf.page.sha256

    def _fold(self, name: str, said: Sequence[Said]) -> None:
        if any(_says_whose(each.event) for each in said):
            self.told.unknown.add(name)
        if name in self.told.paged:
            return
        before = self.pen.name(name)
        if said[0].serial != (before.state.serial + 1 if before.state else 1):
            raise NotRecovered(
                f"{name}: event {said[0].serial} is logged, and another here: {BOTH}. Nothing was written."
            )
        try:
            after = evolve_all(before, [each.event for each in said])
        except (AssertionError, ValueError, KeyError):
            self.told.paged[name] = ""
            return
        self.pen.keep(after, None, None)  # when time changes it is reckoned once all is told

    def _opened(self, leaf: Logged) -> c.Event | None:
        """An event with its texts; None if a text that is gone holds the change itself."""
        gone = len(self.told.gone)
        try:
            return leaf.event(self._text)
        except BadLeaf:
            if len(self.told.gone) > gone:
                return None
            raise

    def _text(self, digest: str) -> bytes:
        path = LOG + text_path(digest)
        if (data := self.depot.read(path)) is None:
            self.told.gone.append(digest)
            return _GONE
        if sha256(data) != digest:
            raise NotRecovered(f"{path} is not the text that the log names. Nothing was written.")
        self.pen.add_files(self.generation, [(path, data)])
        return data[SALT_BYTES:]


def _is_same(ours: Said, leaf: Logged) -> bool:
    event = ours.event
    told = leaf.name, leaf.serial, leaf.at, leaf.by, leaf.type
    return (event.name, ours.serial, event.at, event.by, c.type_of(event.change)) == told


def _says_whose(event: c.Event) -> bool:
    kind = c.type_of(event.change)
    return kind in OWNING or (kind.startswith("namespace.") and not isinstance(event.change, c.NamespacesMatched))


def _state(name: str, body: bytes) -> NameState:
    try:
        state = page.parse(body)
    except page.InvalidPage as error:
        raise NotRecovered(f"the page of {name}: {error}. Nothing was written.") from error
    if state.name != name:
        raise NotRecovered(f"the page of {name} is that of {state.name}. Nothing was written.")
    return state
