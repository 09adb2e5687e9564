"""What the signing guard costs beside a key in the service's own process, in the same run.

1,000 bins of 50 targets (of 1,024 that there are) are signed by a real guard process over its socket, in chunks as a
release asks for them, and by the same key in this process: renewed as they are, and with one target more each, which
is compared with the bin of before. Then timestamps, one at a time: each is one durable commit of the guard.

    python -m benchmarks.guard [--timestamps 300]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.report import at_most, line
from keys import layout, sealed
from keys.encoding import sha256
from keys.signing import Asked, HeldKeys, Signer
from keys.trust import RootOfTrust
from repo_service.build.assemble import TOGETHER, TOGETHER_BYTES, metas
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import Role, Unsigned, snapshot_file, timestamp_file, unsigned_bin
from repo_service.build.pages import Target
from repo_service.commands.guard import begin
from repo_service.guarding import settings
from repo_service.guarding.client import GuardedSigner
from repo_service.guarding.store import Store
from tests.world import online_key, root_of_trust

SHAPE: Final = layout.Bins(10)
BINS: Final = 1_000
TARGETS: Final = 50
NOW: Final = datetime.now(UTC).replace(microsecond=0)
Entries = Mapping[int, Mapping[str, str]]


class Nothing:
    """Nothing is public yet."""

    def sealed(self) -> dict[str, bytes]:
        return {}

    def published(self) -> tuple[bytes, ...]:
        return ()


@contextmanager
def guarding(folder: Path, trust: RootOfTrust) -> Iterator[Signer]:
    """A guard process with the online key, and whoever asks it."""
    sealed.write_private(folder / "online.key", sealed.plain(online_key()._private))
    (folder / settings.FILE).write_text("rehearsal = true\n")
    store = Store(folder / settings.DATABASE)
    begin(store, trust, settings.read(folder))
    store.close()
    code = "from repo_service.entry import main; raise SystemExit(main())"
    process = subprocess.Popen([sys.executable, "-c", code, "guard", str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline().startswith("Guarding")
    try:
        yield GuardedSigner(folder / "guard.sock", Nothing())
    finally:
        process.terminate()
        process.wait()


def filled() -> dict[int, dict[str, str]]:
    """For each bin one target more than TARGETS, where clients look for them."""
    found: dict[int, dict[str, str]] = {number: {} for number in range(len(SHAPE))}
    lacking, number = len(SHAPE), 0
    while lacking:
        path = f"packages/project-{number}/project_{number}-1.0.tar.gz"
        its = found[SHAPE.number(path)]
        if len(its) <= TARGETS:
            its[path] = Target.of(path, 1000 + number, sha256(path.encode()), {"version": "1.0"}).entry
            lacking -= len(its) > TARGETS
        number += 1
    return found


def bins(entries: Entries, turn: int) -> list[Unsigned]:
    """Each bin's payload for the nth time that it is signed."""
    expires = NOW + timedelta(days=30) - timedelta(seconds=turn)
    return [
        unsigned_bin(SHAPE.role(number), turn * layout.BIN_STRIDE + number, its, expires)
        for number, its in entries.items()
    ]


def signed(signer: Signer, unsigned: Sequence[Unsigned], replaced: Sequence[Role] = ()) -> tuple[list[Role], float]:
    """The bins as a release has them signed, and how many milliseconds each took. ``replaced`` are those whose targets
    change.
    """
    files = [role.body for role in replaced]
    shown = [partial(_shown, files, place) for place in range(len(unsigned))]
    asked = [Asked(each.payload, show) for each, show in zip(unsigned, shown, strict=True)]
    chunk = min(TOGETHER, TOGETHER_BYTES // len(asked[0].payload))
    began = time.perf_counter()
    signatures = [one for start in range(0, len(asked), chunk) for one in signer.sign_all(asked[start : start + chunk])]
    took = (time.perf_counter() - began) * 1000 / len(asked)
    return [each.signed(one) for each, one in zip(unsigned, signatures, strict=True)], took


def _shown(files: Sequence[bytes], place: int) -> list[bytes]:
    return [files[place]] if files else []


def listed(signer: Signer, trust: RootOfTrust, version: int, roles: Sequence[Role]) -> Role:
    """A snapshot of these bins and of what the ceremony sealed."""
    offline = [
        Role(role, file.body.version, file.body.expires, file.data)
        for role, file in trust.newest.items()
        if role != layout.ROOT
    ]
    listing = Listing.of(metas([*offline, *roles]))
    return snapshot_file(
        version, listing, NOW + timedelta(days=7), lambda payload: signer.sign_all([Asked(payload)])[0]
    )


def timestamps(signer: Signer, snapshot: Role, count: int) -> list[float]:
    """How many milliseconds each timestamp took."""
    meta, took = Meta.pinning(snapshot.version, snapshot.body), []
    for version in range(1, count + 1):
        began = time.perf_counter()
        expires = NOW + timedelta(days=3)
        timestamp_file(version, meta, NOW, expires, lambda payload: signer.sign_all([Asked(payload)])[0])
        took.append((time.perf_counter() - began) * 1000)
    return took


def measured(signer: Signer, trust: RootOfTrust, entries: Entries, count: int) -> tuple[float, float, list[float]]:
    """Milliseconds of a bin that is renewed and of one that changes, and of each timestamp."""
    fewer = {number: dict(list(its.items())[:TARGETS]) for number, its in entries.items()}
    first, _ = signed(signer, bins(fewer, 1))
    listed(signer, trust, 1, first)
    renewed_bins = bins(fewer, 2)
    again, renewed = signed(signer, renewed_bins[:BINS])
    listed(signer, trust, 2, [*again, *first[BINS:]])
    signer.highest((), 2)
    more, changed = signed(signer, bins(entries, 3)[:BINS], again)
    snapshot = listed(signer, trust, 3, [*more, *first[BINS:]])
    return renewed, changed, timestamps(signer, snapshot, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timestamps", type=int, default=300)
    options = parser.parse_args()
    trust, entries = root_of_trust(NOW, bins=len(SHAPE)), filled()
    held_renewed, held_changed, held_stamps = measured(HeldKeys(online_key()), trust, entries, options.timestamps)
    with tempfile.TemporaryDirectory(prefix="guard-") as folder, guarding(Path(folder), trust) as signer:
        renewed, changed, stamps = measured(signer, trust, entries, options.timestamps)
    figures = {
        "bins": BINS,
        "targets_a_bin": TARGETS,
        "renewed_ms_a_bin_guard": renewed,
        "renewed_ms_a_bin_in_process": held_renewed,
        "changed_ms_a_bin_guard": changed,
        "changed_ms_a_bin_in_process": held_changed,
        "renewed_guard_over_in_process": renewed / held_renewed,
        "changed_guard_over_in_process": changed / held_changed,
        "timestamp_p50_ms_guard": statistics.median(stamps),
        "timestamp_p99_ms_guard": statistics.quantiles(stamps, n=100)[98],
        "timestamp_p50_ms_in_process": statistics.median(held_stamps),
    }
    aims = [
        at_most("what the guard adds to a bin that is renewed", renewed - held_renewed, 0.4, "ms"),
        at_most("what the guard adds to a bin that changes", changed - held_changed, 0.4, "ms"),
        at_most("a timestamp by the guard, 99 of 100 below", figures["timestamp_p99_ms_guard"], 50, "ms"),
    ]
    print(line("guard", figures, aims))


if __name__ == "__main__":
    main()
