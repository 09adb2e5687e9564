"""A monitor replays a whole log: every event folded, every page, bin and snapshot made again and compared.

The log is made here first, without a service and unsigned but for its checkpoint: projects that publish, add files,
yank, deprecate, quarantine and take back, ``--batch`` events a release, in as many bins as suit so many targets. It is
real to the byte for whoever replays it; what it takes to make it is no figure. Then a process of its own follows the
log from nothing. Beside it, on bins and snapshots of the same sizes, what a straightforward monitor would do for each
release: parse each signed bin and the snapshot with python-tuf and encode them again. Prints one JSON line.

    python -m benchmarks.audit [--events 20000] [--batch 10] [--projects 2000]
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Snapshot, Targets

from benchmarks import generator
from benchmarks.report import at_least, line
from keys import layout
from keys.encoding import sha256
from keys.signing import wrapped
from keys.state import File, Reason
from keys.times import stamp
from keys.tlog import notes, proofs
from keys.tlog.notes import Checkpoint
from repo_service.build.growth import LOG, Edge, LogFile, grown
from repo_service.build.metadata import snapshot_body, unsigned_bin
from repo_service.domain import changes as c
from repo_service.monitor.book import Book
from repo_service.monitor.following import follow
from repo_service.monitor.reading import Folder
from tests.monitor.scribe import Scribe
from tests.world import log_key

SAMPLE = 40
AIM_EVENTS_A_SECOND = 2000
"""A million events in a little more than eight minutes."""


class Writer(Scribe):
    """A log that is written in one go. Pages are not: nobody reads one of which the digest is right."""

    def __init__(self, folder: Path, bins: int) -> None:
        self.coming: Sequence[bytes] = ()
        super().__init__(folder, bins)

    def write(self, path: str, body: bytes) -> None:
        if not path.startswith("targets/simple/"):
            super().write(path, body)

    def _append(self, written: Sequence[bytes]) -> None:
        self.coming = written

    def written(self, events: int, batch: int, projects: int) -> Iterator[bytes]:
        """Every leaf of a history of so many events."""
        yield from self.coming
        life = _Life(self, random.Random(7), projects)
        while self.seq < events:
            self.now += timedelta(seconds=30)
            self.release(event for _ in range(batch) for event in life.next())
            yield from self.coming


class _Life:
    """What happens in a registry, an act at a time."""

    def __init__(self, scribe: Scribe, chance: random.Random, projects: int) -> None:
        self._scribe = scribe
        self._chance = chance
        self._names = [generator.name_of(number) for number in range(projects)]
        self._versions: dict[str, list[str]] = {}
        self._yanked: dict[str, set[str]] = {}

    def next(self) -> list[c.Event]:
        name = self._chance.choice(self._names)
        versions = self._versions.setdefault(name, [])
        if not versions or self._chance.random() < 0.8:
            return self._published(name, versions)
        version, yanked = self._chance.choice(versions), self._yanked.setdefault(name, set())
        if version in yanked:
            yanked.discard(version)
            return [self._scribe.event(name, c.ReleaseUnyanked(version))]
        yanked.add(version)
        return [self._scribe.event(name, c.ReleaseYanked(version, "owner"), reason=Reason("broken"))]

    def _published(self, name: str, versions: list[str]) -> list[c.Event]:
        version, now = f"{len(versions) // 10}.{len(versions) % 10}.1", stamp(self._scribe.now)
        base = name.replace("-", "_")
        files = [
            File(
                f"{base}-{version}-py3-none-any.whl",
                "wheel--py3-none-any",
                sha256(f"{base}{version}w".encode()),
                9,
                now,
            ),
            File(f"{base}-{version}.tar.gz", "sdist", sha256(f"{base}{version}s".encode()), 9, now),
        ]
        new = [] if versions else [self._scribe.event(name, c.ProjectCreated(name))]
        versions.append(version)
        return [*new, self._scribe.event(name, c.ReleasePublished(version, version, now, tuple(files)))]


class _Files:
    """The log's files, each written as it comes."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    def append(self, file: LogFile) -> None:
        self._scribe.write(file.path, file.body)

    def __iter__(self) -> Iterator[LogFile]:
        return iter(())


def made(folder: Path, events: int, batch: int, projects: int) -> Writer:
    """The log in a folder, with its head and all that it needs."""
    writer = Writer(folder, len(layout.recommended_bins(2 * events)))
    edge = grown(Edge(), writer.written(events, batch, projects), _Files(writer))
    checkpoint = Checkpoint(log_key().key.name, edge.size, edge.root)
    writer.write(LOG + proofs.CHECKPOINT, str(notes.signed(checkpoint, [log_key()])).encode())
    (folder / "pin.json").write_bytes(writer.trust.roots[0].data)
    return writer


def replayed(folder: Path) -> dict[str, float]:
    """Follow the log of a folder, in this process."""
    with tempfile.TemporaryDirectory() as memory:
        book, began = Book(Path(memory)), time.process_time()
        clock = time.perf_counter()
        found = [*follow(Folder(folder), book, (folder / "pin.json").read_bytes(), datetime.now(UTC))]
        assert found == [], found[:3]
        size = sum(file.stat().st_size for file in Path(memory).iterdir())
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return {
            "seconds": time.perf_counter() - clock, "cpu_s": time.process_time() - began,
            "peak_mb": int(peak.split()[1]) / 1e3, "book_mb": size / 1e6, "leaves": book.number("done", 0),
        }  # fmt: skip


def straightforward(writer: Writer, bins: float) -> float:
    """CPU seconds of a release by python-tuf: so many bins and the snapshot, parsed and encoded again."""
    expires, busy = writer.now + timedelta(days=30), 0.0
    for number in random.Random(1).sample(range(len(writer.shape)), SAMPLE):
        body = unsigned_bin(writer.shape.role(number), 100_000 + number, writer.content[number], expires).payload
        file = wrapped(body, ())
        began = time.process_time()
        _encoded(Metadata[Targets].from_bytes(file))
        busy += (time.process_time() - began) / SAMPLE * bins
    file = wrapped(snapshot_body(7, writer.listing, expires), ())
    began = time.process_time()
    for _ in range(3):
        _encoded(Metadata[Snapshot].from_bytes(file))
    return busy + (time.process_time() - began) / 3


def _encoded(metadata: Metadata[Any]) -> bytes:
    return metadata.signed_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=10, help="acts of one release")
    parser.add_argument("--projects", type=int, default=2_000)
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        print(json.dumps(replayed(options.of)))
        return
    with tempfile.TemporaryDirectory(prefix="tallystick-audit-") as folder:
        began = time.perf_counter()
        writer = made(Path(folder), options.events, options.batch, options.projects)
        making = time.perf_counter() - began
        command = [sys.executable, "-m", "benchmarks.audit", "--of", folder]
        print(f"made in {making:.0f} s", file=sys.stderr, flush=True)
        figures: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        releases = writer.generation
        signed = sum(version // layout.BIN_STRIDE - 1 for version in writer.versions.values())
        theirs = straightforward(writer, signed / releases) * releases
    rate = writer.seq / figures["seconds"]
    figures = {
        "events": writer.seq, "releases": releases, "bins": len(writer.shape), "bins_signed": signed,
        "events_a_second": rate, **figures, "python_tuf_cpu_s": theirs,
        "python_tuf_parsing_alone_by_all_of_ours": theirs / figures["cpu_s"],
    }  # fmt: skip
    print(line("audit", figures, [at_least("events a second", rate, AIM_EVENTS_A_SECOND, "1/s")]))


if __name__ == "__main__":
    main()
