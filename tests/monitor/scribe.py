"""A log written straight from the domain and the build, without a service: as honest as its writer lets it be.

``Scribe`` keeps what a registry signs (states, bins, a snapshot) and what it logs apart, so that either can be made to
say something else. Nothing is signed but the checkpoint: what a replay compares are digests of bodies.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from keys import layout, names
from keys.encoding import sha256
from keys.layout import Bins
from keys.state import File, NameState
from keys.times import stamp
from keys.tlog import leaves, notes, proofs
from keys.tlog.notes import Checkpoint
from repo_service.build.growth import LOG, Edge, LogFile, grown
from repo_service.build.listing import Listing, Meta
from repo_service.build.logbook import sealed_leaf
from repo_service.build.metadata import snapshot_body, unsigned_bin
from repo_service.build.pages import Target, page_of
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.artifacts import canonical_version
from repo_service.domain.evolve import evolve
from repo_service.domain.flags import FlagAct
from repo_service.domain.logged import PageSum, leaf_of, text_path
from repo_service.monitor.shelves import Sums
from tests.domain.book import POLICY
from tests.world import BEGIN, log_key, root_of_trust, write_folder

Leaves = list[bytes]
Alter = Callable[[Leaves], Leaves]
LIFETIME: Final = timedelta(days=30)


def as_it_is(written: Leaves) -> Leaves:
    return written


class Scribe:
    """A registry's public folder with the root of ``root_of_trust(bins=…)`` and a log. ``now`` is set by hand."""

    def __init__(self, folder: Path, bins: int = 4, now: datetime = BEGIN) -> None:
        self.folder = folder
        self.now = now
        self.trust = root_of_trust(now, bins=bins)
        self.shape = Bins(bins.bit_length() - 1)
        self.states: dict[str, NameState] = {}
        self.content: dict[int, dict[str, str]] = defaultdict(dict)
        self.targets: dict[str, dict[str, str]] = {}
        self.versions: dict[int, int] = {}
        self.sums = Sums(self.shape, {})
        self.listing = Listing.of({})
        self.generation = self.snapshot = self.seq = self.size = 0
        self.edge = Edge()
        self.signed: tuple[str, str] = ("", "")
        write_folder(folder, {f"metadata/{path}": data for path, data in self.trust.files().items() if "/" not in path})
        files = [*self.trust.roots, *(self.trust.newest[role] for role in ("targets", "held", "bins"))]
        sealed = [sealed_leaf(file.role, file.body.version, file.data) for file in files]
        metas = {each.role: Meta(each.version, each.length, each.sha256) for each in sealed if each.role != "root"}
        self.listing = self.listing.amended(metas)
        self._sealed = [leaves.written(each) for each in sealed]
        self.release(documents=(Published(stamp(now), stamp(now), POLICY),), bins=range(len(self.shape)))
        self._sealed = []

    def publication(self, name: str, version: str = "1.0", content: bytes = b"x", **more: Any) -> list[c.Event]:
        """The events by which a version of a name comes, its sdist with these bytes."""
        file = File(f"{name}-{version}.tar.gz", "sdist", sha256(content), len(content), stamp(self.now))
        new = [] if name in self.states else [self.event(name, c.ProjectCreated(name), **more)]
        release = c.ReleasePublished(version, canonical_version(version), stamp(self.now), (file,))
        return [*new, self.event(name, release, **more)]

    def event(self, name: str, change: c.Change, by: Any = "owner", **more: Any) -> c.Event:
        """The next event, at this moment."""
        self.seq += 1
        event = c.Event(self.seq, name, stamp(self.now), by, None, POLICY.id, change, None, None)
        return replace(event, **more)

    def release(
        self,
        events: Iterable[c.Event] = (),
        unlogged: Iterable[c.Event] = (),
        documents: Iterable[Published | FlagAct] = (),
        bins: Iterable[int] = (),
        alter: Alter = as_it_is,
        amend: Callable[[NameState], NameState] = lambda state: state,
    ) -> None:
        """Sign what follows from ``events`` and ``unlogged`` (in this order), with each state ``amend``ed, and these
        ``bins`` besides; log ``events``, in the leaves as ``alter`` leaves them.
        """
        logged = list(events)
        serials = self._evolve([*logged, *unlogged])
        touched = {*bins}
        sums = dict[str, PageSum]()
        for name in dict.fromkeys(event.name for event in (*logged, *unlogged)):
            self.states[name] = amend(self.states[name])
            touched |= self._sign_page(name, sums)
        said, texts = list[bytes](), list[bytes]()
        last = {event.name: event.seq for event in logged}
        for event, serial in zip(logged, serials, strict=False):
            page = sums[event.name] if last[event.name] == event.seq else None
            leaf, files = leaf_of(event, serial, page, log_key().secret)
            said.append(leaf)
            texts += files
        for text in texts:
            self.write(LOG + text_path(sha256(text)), text)
        said += [self._document(document, touched) for document in documents]
        changed = bool(touched or self._sealed)
        said += self._sign_bins(sorted(touched))
        self._append(alter([*self._sealed, *said, self._sign_snapshot(changed=changed)]))

    def write(self, path: str, body: bytes) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(body)

    def _evolve(self, events: Sequence[c.Event]) -> list[int]:
        serials = []
        for event in events:
            state = evolve(c.Name(event.name, self.states.get(event.name), None), event).state
            assert state is not None
            self.states[event.name] = state
            serials.append(state.serial)
        return serials

    def _sign_page(self, name: str, sums: dict[str, PageSum]) -> set[int]:
        page = page_of(self.states[name], "full")
        self.write(f"targets/{page.stored_at}", page.body)
        sums[name] = PageSum(len(page.body), page.targets[0].sha256)
        touched, gone = set[int](), self.targets.get(name, {})
        self.targets[name] = {each.path: each.entry for each in page.targets}
        for path in gone.keys() - self.targets[name].keys():
            touched.add(number := self.shape.number(path))
            del self.content[number][path]
        for path, entry in self.targets[name].items():
            if gone.get(path) != entry:
                touched.add(number := self.shape.number(path))
                self.content[number][path] = entry
        return touched

    def _document(self, document: Published | FlagAct, touched: set[int]) -> bytes:
        body, path = document.body, document.path
        self.write(f"targets/{names.hashed(path, sha256(body))}", body)
        touched.add(number := self.shape.number(path))
        self.content[number][path] = Target.of(path, len(body), sha256(body)).entry
        return leaves.written(leaves.Document(path, len(body), sha256(body)))

    def _sign_bins(self, numbers: Sequence[int]) -> list[bytes]:
        expires, signed = self.now + LIFETIME, []
        for number in numbers:
            known = self.versions.get(number)
            version = layout.next_version(known) if known else layout.first_version(number)
            self.versions[number] = version
            body = unsigned_bin(self.shape.role(number), version, self.content[number], expires).payload
            digest = sha256(body)
            self.sums.put(number, bytes.fromhex(digest))
            signed.append(leaves.SignedBin(version, digest))
        self.listing = self.listing.amended({self.shape.role(each.number): Meta(each.version) for each in signed})
        pieces = [signed[at : at + leaves.MOST_BINS] for at in range(0, len(signed), leaves.MOST_BINS)]
        return [
            leaves.written(leaves.SignedBins(self.shape.bit_length, stamp(expires), tuple(piece))) for piece in pieces
        ]

    def _sign_snapshot(self, *, changed: bool) -> bytes:
        self.generation += 1
        if changed:
            self.snapshot += 1
            expires = self.now + LIFETIME
            self.signed = sha256(snapshot_body(self.snapshot, self.listing, expires)), stamp(expires)
        digest, until = self.signed
        leaf = leaves.Snapshot(
            self.generation, self.snapshot, 1000, sha256(b"%d" % self.snapshot), digest, until, stamp(self.now),
            stamp(self.now + timedelta(days=3)), self.shape.bit_length, self.sums.root.hex(), "full",
        )  # fmt: skip
        return leaves.written(leaf)

    def _append(self, written: Sequence[bytes]) -> None:
        files: list[LogFile] = []
        self.edge = grown(self.edge, written, files)
        for file in files:
            self.write(file.path, file.body)
        checkpoint = Checkpoint(log_key().key.name, self.edge.size, self.edge.root)
        self.write(LOG + proofs.CHECKPOINT, str(notes.signed(checkpoint, [log_key()])).encode())
