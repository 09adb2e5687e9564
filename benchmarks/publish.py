"""One change, one release: from a request to signed, durable and public, beside python-tuf's objects only signing it.

Both sides hold the same repository: BINS bins with about TARGETS targets each. Ours decides, remembers in SQLite,
signs, reads back what it signed, commits and writes every file with fsync. python-tuf's side loads two bins and the
snapshot, amends and signs them and the timestamp, and writes four files without fsync: less than half of the work,
which flatters it. Prints one JSON line.

    python benchmarks/publish.py [--bins 256] [--targets 40] [--changes 40]
"""

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from sqlalchemy import insert
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from keys import layout
from repo_service.build.metadata import bin_file, snapshot_file, timestamp_file
from repo_service.build.pages import Target
from repo_service.domain import requests as r
from repo_service.storage import tables
from repo_service.storage.tables import open_engine

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.world import BEGIN, World, online_key, publishing


def fill(world: World, bins: layout.Bins, wanted: int) -> None:
    """Give every bin ``wanted`` targets of other names, straight into the journal's table of targets."""
    engine = open_engine(f"sqlite:///{world.service.folder / 'journal.sqlite'}")
    rows, number = [], 0
    while len(rows) < wanted * len(bins):
        name = f"project-{number}"
        path = f"simple/{name}/vnd.pypi.simple.v1.json"
        digest = hashlib.sha256(path.encode()).hexdigest()
        rows.append(
            {"path": path, "name": name, "bin": bins.number(path), "length": 1304, "sha256": digest, "custom": "{}"}
        )
        number += 1
    with engine.begin() as connection:
        connection.execute(insert(tables.targets), rows)
    engine.dispose()


def ours(world: World, changes: int) -> list[float]:
    """Seconds for each change, one release a change."""
    times = []
    for number in range(changes):
        request = publishing(f"measured-{number}", actor=r.Actor("system"))  # whom no limit holds
        began = time.perf_counter()
        world.do(request)
        times.append(time.perf_counter() - began)
    return times


def theirs(folder: Path, bins: layout.Bins, targets: int, changes: int) -> list[float]:
    """The same signing with python-tuf's objects: load, amend, sign, write; two bins a change, as a publish has."""
    key = online_key()
    signer = CryptoSigner(key._private, key.record)
    later = BEGIN + timedelta(days=30)
    filling = [Target(f"simple/project-{n}/vnd.pypi.simple.v1.json", 1304, "0" * 64) for n in range(targets)]
    versions = {bins.role(n): layout.first_version(n) for n in range(len(bins))}
    for number in range(len(bins)):
        role = bin_file(bins.role(number), versions[bins.role(number)], filling, later, key)
        (folder / f"{role.name}.json").write_bytes(role.body)
    snapshot = snapshot_file(1, versions, {}, later, key)
    (folder / "snapshot.json").write_bytes(snapshot.body)
    (folder / "timestamp.json").write_bytes(timestamp_file(1, (1, snapshot.body), BEGIN, later, key).body)
    times = []
    for number in range(changes):
        began = time.perf_counter()
        snapshot_metadata: Metadata[Snapshot] = Metadata.from_file(str(folder / "snapshot.json"))
        for path in (f"simple/measured-{number}/vnd.pypi.simple.v1.json", f"packages/measured-{number}/file.tar.gz"):
            role_name = bins.role(bins.number(path))
            bin_metadata: Metadata[Targets] = Metadata.from_file(str(folder / f"{role_name}.json"))
            bin_metadata.signed.targets[path] = TargetFile(1304, {"sha256": "1" * 64}, path)
            bin_metadata.signed.version += layout.BIN_STRIDE
            bin_metadata.sign(signer)
            bin_metadata.to_file(str(folder / f"{role_name}.json"))
            snapshot_metadata.signed.meta[f"{role_name}.json"] = MetaFile(bin_metadata.signed.version)
        snapshot_metadata.signed.version += 1
        snapshot_metadata.sign(signer)
        snapshot_metadata.to_file(str(folder / "snapshot.json"))
        timestamp_metadata: Metadata[Timestamp] = Metadata.from_file(str(folder / "timestamp.json"))
        timestamp_metadata.signed.version += 1
        timestamp_metadata.signed.snapshot_meta = MetaFile(snapshot_metadata.signed.version)
        timestamp_metadata.sign(signer)
        timestamp_metadata.to_file(str(folder / "timestamp.json"))
        times.append(time.perf_counter() - began)
    return times


def milliseconds(times: list[float], pick: Callable[[list[float]], float]) -> float:
    return round(pick(times) * 1000, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bins", type=int, default=256)
    parser.add_argument("--targets", type=int, default=40, help="targets in each bin, about")
    parser.add_argument("--changes", type=int, default=40)
    options = parser.parse_args()
    bins = layout.Bins(options.bins.bit_length() - 1)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "ours", bins=options.bins)
        fill(world, bins, options.targets)
        our_times = ours(world, options.changes)
        reference = Path(folder) / "theirs"
        reference.mkdir()
        their_times = theirs(reference, bins, options.targets, options.changes)
    ratio = statistics.median(their_times) / statistics.median(our_times)
    figures = {
        "bins": options.bins,
        "targets": options.targets * options.bins,
        "ours_p50_ms": milliseconds(our_times, statistics.median),
        "ours_max_ms": milliseconds(our_times, max),
        "python_tuf_signing_only_p50_ms": milliseconds(their_times, statistics.median),
        "python_tuf_over_ours": round(ratio, 2),
    }
    print(json.dumps({"benchmark": "publish", "figures": figures, "aims": []}))


if __name__ == "__main__":
    main()
