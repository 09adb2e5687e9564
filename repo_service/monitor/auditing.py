"""What is served now, compared with what the log says: timestamp, snapshot, its proof, bins and pages.

The timestamp is read first and the log is followed after it: a registry shows the log before anything points to it, so
what the timestamp points to and the log does not hold was never logged.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from tuf.api.metadata import Targets

from keys import counting, layout, names, trust
from keys.counting import Delegator
from keys.encoding import canonical, parse_canonical, sha256
from keys.layout import Bins
from keys.signing import parted
from keys.times import moment, stamp
from keys.tlog import leaves, notes, proofs
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote
from repo_service.build.growth import LOG
from repo_service.build.listing import Meta
from repo_service.build.metadata import metadata_path, timestamp_body
from repo_service.build.pages import stored_at
from repo_service.monitor import codes
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.following import follow
from repo_service.monitor.reading import Public
from repo_service.monitor.replay import last_release
from repo_service.monitor.seen import Watch
from repo_service.monitor.trusting import Roots, delegated, roots

STALE: Final = timedelta(hours=12)
"""How long the log may stand still. A timestamp of three days is signed again after six hours."""
_TIMESTAMP: Final = metadata_path(layout.TIMESTAMP, 0)


@dataclass(frozen=True, slots=True)
class Sample:
    """Beside what changed since the last time: how many bins and pages are looked at, chosen by chance; None is all."""

    bins: int | None = 8
    pages: int | None = 32


EVERYTHING: Final = Sample(None, None)


def audit(
    public: Public, book: Book, pin: bytes, now: datetime, sample: Sample, chance: Random,
    watches: Sequence[Watch] = (), patience: timedelta = STALE,
) -> Iterator[Finding]:  # fmt: skip
    """Follow the log, then give everything in which a registry's files differ from it; all is kept in the book. Raises
    OutOfReach and NotTrusted.
    """
    served = public.read(_TIMESTAMP)
    yield from follow(public, book, pin, now, watches)
    found = _Audit(public, book, roots(public, pin), stamp(now), sample, chance)
    findings = [*found.timely(now, patience), *found.differences(served)]
    with book.transaction():
        book.say(findings)
        if found.last:
            book.keep("audited", str(found.last.generation).encode())
    yield from findings


class _Audit:
    """One comparison, at one time."""

    def __init__(self, public: Public, book: Book, chain: Roots, at: str, sample: Sample, chance: Random) -> None:
        self._public = public
        self._db = book.db
        self._roots = chain
        self._at = at
        self._sample = sample
        self._chance = chance
        self._audited = book.number("audited", 0)
        self.last = last_release(book)

    def timely(self, now: datetime, patience: timedelta) -> Iterator[Finding]:
        """Whether the log goes on, and witnesses have seen it."""
        if self.last is None:
            return
        if now - moment(self.last.signed_at) > patience:
            yield self._found("checkpoint-stale", f"the last release was signed at {self.last.signed_at}")
        if moment(self.last.timestamp_expires) <= now:
            yield self._found("timestamp-expired", f"the timestamp expired at {self.last.timestamp_expires}")
        try:
            data = self._public.read(LOG + proofs.CHECKPOINT, notes.MAX_NOTE) or b""
            head = proofs.check_head(notes.read_note(data), self._roots.policy)
            proofs.check_quorum(head, self._roots.policy)
        except (NotProven, BadNote) as error:
            yield self._found("quorum-missed", str(error))

    def differences(self, served: bytes | None) -> Iterator[Finding]:
        """What is not as the log says."""
        if self.last is None:
            return
        logged = self._versions()
        if (newest := self._roots.newest.version) > logged.get(layout.ROOT, 0):
            yield self._found("root-unlogged", f"root {newest} is served; the log's last is {logged.get(layout.ROOT)}")
        if served is None:
            yield self._found("served-missing", f"{_TIMESTAMP} is not there")
            return
        if unsigned := [*self._unsigned("the timestamp", layout.TIMESTAMP, self._roots.newest, served)]:
            yield from unsigned
            return
        release = self._leaf(_version(served))
        yield from self._timestamp(served, release)
        if release is not None:
            yield from self._snapshot(release)
            yield from self._proof(release)
            yield from self._bins(release, logged)
            yield from self._pages(release)

    def _timestamp(self, served: bytes, release: leaves.Snapshot | None) -> Iterator[Finding]:
        assert self.last is not None
        version = _version(served)
        if release is None:
            sentence = f"timestamp {version} is served; the log's last release is {self.last.generation}"
            code = "timestamp-behind" if 0 < version < self.last.generation else "snapshot-unlogged"
            yield self._found(code, sentence)
        elif _payload(served) != _expected(release):
            sentence = f"timestamp {version} that is served is not the one that the log's release {version} has"
            yield self._found("snapshot-unlogged", sentence)
        elif version < self.last.generation:
            sentence = f"timestamp {version} is served; the log's last release is {self.last.generation}"
            yield self._found("timestamp-behind", sentence)

    def _snapshot(self, release: leaves.Snapshot) -> Iterator[Finding]:
        path = metadata_path(layout.SNAPSHOT, release.version)
        data = self._public.read(path)
        if data is None:
            yield self._found("served-missing", f"{path} is not there")
        elif (len(data), sha256(data)) != (release.length, release.sha256):
            yield self._found("snapshot-unlogged", f"{path} is another one than the log names")
        else:
            yield from self._unsigned(path, layout.SNAPSHOT, self._roots.newest, data)

    def _proof(self, release: leaves.Snapshot) -> Iterator[Finding]:
        path = LOG + proofs.proof_path(release.generation)
        data = self._public.read(path, proofs.MAX_PROOF)
        if data is None:
            yield self._found("served-missing", f"{path} is not there")
            return
        try:
            if proofs.check(proofs.read(data), self._roots.policy).leaf != release:
                yield self._found("served-differs", f"{path} proves another leaf")
        except NotProven as error:
            yield self._found("served-differs", f"{path}: {error}")

    def _bins(self, release: leaves.Snapshot, logged: dict[str, int]) -> Iterator[Finding]:
        shape, rows = self._shape(), dict[int, tuple[bytes, int]]()
        for number, digest, generation in self._db.execute("SELECT number, sha256, generation FROM body"):
            rows[number] = digest, generation
        try:
            delegator = delegated(self._public, logged, self._roots.newest)
        except trust.NotTrusted as error:
            yield self._found("served-unsigned", str(error))
            return
        changed = {number for number, (_, generation) in rows.items() if generation > self._audited}
        for number in sorted(self._chosen(changed, range(len(shape)), self._sample.bins)):
            digest, generation = rows.get(number, (b"", 0))
            if generation <= release.generation:  # what is newer is not served yet
                role = shape.role(number)
                yield from self._bin(role, metadata_path(role, logged.get(role, 0)), digest, delegator)

    def _bin(self, role: str, path: str, digest: bytes, delegator: Targets) -> Iterator[Finding]:
        if (data := self._public.read(path)) is None:
            yield self._found("served-missing", f"{path} is not there")
        elif sha256(_payload(data)) != digest.hex():
            yield self._found("served-differs", f"{path} is not the bin that the log names")
        else:
            yield from self._unsigned(path, role, delegator, data)

    def _pages(self, release: leaves.Snapshot) -> Iterator[Finding]:
        (count,) = self._db.execute("SELECT count(*) FROM name").fetchone()
        query = "SELECT name, length, sha256 FROM name WHERE generation <= ?"
        if self._sample.pages is None:
            rows: Iterable[tuple[str, int, str]] = self._db.execute(query, (release.generation,))
        else:
            changed = self._db.execute(f"{query} AND generation > ?", (release.generation, self._audited)).fetchall()
            chosen = [self._chance.randrange(count) for _ in range(min(self._sample.pages, count))]
            others = [self._db.execute(f"{query} LIMIT 1 OFFSET ?", (release.generation, each)) for each in chosen]
            rows = {*changed, *(row for each in others for row in each)}
        for name, length, digest in rows:
            yield from self._page(name, length, digest)

    def _page(self, name: str, length: int, digest: str) -> Iterator[Finding]:
        path = stored_at(names.page_path(name), digest)
        data = self._public.read(path)
        if data is None:
            yield self._found("served-missing", f"{path} is not there", name)
        elif (len(data), sha256(data)) != (length, digest):
            yield self._found("served-differs", f"{path} is not the page that the log names", name)

    def _chosen(self, changed: set[int], every: range, some: int | None) -> set[int]:
        if some is None:
            return {*every}
        return changed | {*self._chance.sample(every, min(some, len(every)))}

    def _unsigned(self, what: str, role: str, delegator: Delegator, data: bytes) -> Iterator[Finding]:
        """That too few of the keys that its delegator names have signed a file."""
        try:
            signatures, payload = parted(data)
            count = counting.count(delegator, role, payload, signatures)
        except ValueError as error:
            yield self._found("served-unsigned", f"{what}: {error}")
            return
        if not count.met:
            sentence = f"{what} is signed by {count.distinct} of {count.threshold} keys"
            yield self._found("served-unsigned", sentence)

    def _leaf(self, generation: int) -> leaves.Snapshot | None:
        row = self._db.execute("SELECT leaf FROM release WHERE generation = ?", (generation,)).fetchone()
        return leaves.read(leaves.Snapshot, row[0]) if row else None

    def _versions(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT role, version FROM role").fetchall())

    def _shape(self) -> Bins:
        assert self.last is not None
        return Bins(self.last.bit_length)

    def _found(self, code: str, sentence: str, name: str | None = None) -> Finding:
        return codes.found(code, sentence, self._at, name=name)


def _payload(data: bytes) -> bytes:
    try:
        return parted(data)[1]
    except ValueError:
        return b""


def _version(timestamp: bytes) -> int:
    """The version that a timestamp says; 0 if it says none."""
    try:
        version = parse_canonical(_payload(timestamp)).get("version")
    except ValueError:
        return 0
    return version if type(version) is int else 0


def _expected(release: leaves.Snapshot) -> bytes:
    """What is signed in the timestamp of a release."""
    snapshot = Meta(release.version, release.length, release.sha256)
    signed_at, expires = moment(release.signed_at), moment(release.timestamp_expires)
    return canonical(timestamp_body(release.generation, snapshot, signed_at, expires))
