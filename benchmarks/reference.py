"""python-tuf's objects doing the same work, done well: what a change costs whoever signs with the library alone.

The same bins, the same targets in them, the same key (ECDSA P-256 by securesystemslib's CryptoSigner), succinct bins
and consistent snapshots. For each release it amends the bins that the changes touch, then the snapshot, then the
timestamp; it signs each and writes each. It makes no pages, keeps no journal, decides nothing, checks nothing that it
signed and answers nobody: all of that flatters it.

``kept``: every object stays in memory, as in one long-lived process; only what changes is encoded, signed and written.
``loaded``: each release loads what it amends from its files, as repositories do that are driven by jobs or commands.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from keys import layout
from tests.world import online_key

Entries = Mapping[str, Mapping[str, Any]]
"""Target paths with their entries, as targets metadata has them."""


class Contents(Protocol):
    def __call__(self, number: int) -> Entries:
        """What a bin lists."""


def write_plainly(path: Path, data: bytes) -> None:
    """As python-tuf's own ``to_file`` does: torn if the power goes, and for readers that come in between."""
    path.write_bytes(data)


def write_durably(path: Path, data: bytes) -> None:
    """Whole or not at all, and on the disk when it returns."""
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


WRITERS: Final = {"fsync": write_durably, "plain": write_plainly}


@dataclass(slots=True)
class Repository:
    """One repository of python-tuf's objects in a folder. ``warm`` makes what will be touched, before any timing."""

    folder: Path
    bins: layout.Bins
    writer: str = "fsync"
    keeps: bool = True
    _signer: CryptoSigner = field(init=False)
    _newest: dict[str, Path] = field(default_factory=dict)
    _objects: dict[str, Metadata[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        key = online_key()
        self._signer = CryptoSigner(key._private, key.record)
        self.folder.mkdir(parents=True)
        roles = {f"{role}.json": MetaFile(layout.first_version(n)) for n, role in enumerate(self.bins.roles())}
        offline = {f"{role}.json": MetaFile(1, 700, {"sha256": "0" * 64}) for role in ("targets", "held", "bins")}
        self._put(layout.SNAPSHOT, Metadata(Snapshot(1, expires=_soon(), meta=offline | roles)))
        self._put(layout.TIMESTAMP, Metadata(Timestamp(1, expires=_soon(), snapshot_meta=MetaFile(1))))

    def warm(self, touched: Iterable[int], contents: Contents) -> None:
        """Let these bins exist with what they list."""
        for number in set(touched):
            role = self.bins.role(number)
            listed = {path: TargetFile.from_dict(_copied(entry), path) for path, entry in contents(number).items()}
            self._put(role, Metadata(Targets(layout.first_version(number), expires=_soon(), targets=listed)))

    def release(self, changed: Entries) -> None:
        """Sign and write one release in which these targets come or change."""
        by_bin: dict[int, list[str]] = {}
        for path in changed:
            by_bin.setdefault(self.bins.number(path), []).append(path)
        snapshot: Metadata[Snapshot] = self._get(layout.SNAPSHOT)
        for number, paths in by_bin.items():
            role = self.bins.role(number)
            targets: Metadata[Targets] = self._get(role)
            for path in paths:
                targets.signed.targets[path] = TargetFile.from_dict(_copied(changed[path]), path)
            targets.signed.version = layout.next_version(targets.signed.version)
            targets.signed.expires = _soon()
            self._put(role, targets)
            snapshot.signed.meta[f"{role}.json"].version = targets.signed.version
        snapshot.signed.version += 1
        snapshot.signed.expires = _soon()
        data = self._put(layout.SNAPSHOT, snapshot)
        timestamp: Metadata[Timestamp] = self._get(layout.TIMESTAMP)
        timestamp.signed.version += 1
        timestamp.signed.expires = _soon()
        timestamp.signed.snapshot_meta = MetaFile(
            snapshot.signed.version, len(data), {"sha256": sha256(data).hexdigest()}
        )
        self._put(layout.TIMESTAMP, timestamp)

    def sign_bin(self, number: int) -> None:
        """Sign a bin again as it is: load it if it is not kept, sign, write."""
        targets: Metadata[Targets] = self._get(self.bins.role(number))
        targets.signed.version = layout.next_version(targets.signed.version)
        targets.signed.expires = _soon()
        self._put(self.bins.role(number), targets)

    def _get(self, role: str) -> Metadata[Any]:
        return self._objects[role] if self.keeps else Metadata.from_file(str(self._newest[role]))

    def _put(self, role: str, metadata: Metadata[Any]) -> bytes:
        metadata.sign(self._signer)
        data = metadata.to_bytes()
        name = f"{role}.json" if role == layout.TIMESTAMP else f"{metadata.signed.version}.{role}.json"
        path = self.folder / name
        WRITERS[self.writer](path, data)
        if self.keeps:
            self._objects[role] = metadata
        self._newest[role] = path
        return data


@dataclass(frozen=True, slots=True)
class Cost:
    """What changes cost: seconds of the clock and of the processor, for each change."""

    wall_s: float
    cpu_s: float

    @property
    def a_second(self) -> float:
        return 1 / self.wall_s


def measured(
    folder: Path, bins: layout.Bins, changes: Sequence[Entries], contents: Contents, together: int, how: str
) -> Cost:
    """The cost of a change where ``together`` of them are in one release; ``how`` is like ``kept, fsync``."""
    objects, writer = how.split(", ")
    repository = Repository(folder, bins, writer, objects == "kept")
    repository.warm((bins.number(path) for change in changes for path in change), contents)
    wall, cpu = time.perf_counter(), time.process_time()
    for group in _groups(changes, together):
        repository.release(group)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(wall / len(changes), cpu / len(changes))


HOW: Final = ("kept, fsync", "kept, plain", "loaded, fsync", "loaded, plain")


def _groups(changes: Sequence[Entries], together: int) -> Iterator[Entries]:
    for start in range(0, len(changes), together):
        yield {path: entry for change in changes[start : start + together] for path, entry in change.items()}


def _copied(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "hashes": dict(entry["hashes"])}  # from_dict empties what it is given


def _soon() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
