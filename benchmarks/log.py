"""What the log costs a release: leaves made and appended, tiles and bundles written, the checkpoint signed, and all
of it read back and compared, as a publisher does it; for releases of 1, 10 and 100 events, at the edge of a long log.

The alternative, in the same run: a log without an edge, which hashes its tree anew from the leaves' hashes for each
release. Both start at the same number of leaves. And the bytes: of hashes and of leaves by entry, and of a proof.

    python -m benchmarks.log [--leaves 100000] [--releases 60]
"""

import argparse
import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.report import at_most, line
from keys.encoding import sha256
from keys.layout import Bins
from keys.state import File, Reason
from keys.tlog import leaves, merkle
from keys.tlog.binsums import BinSums
from keys.tlog.notes import HeldNoteKey
from repo_service.build.assemble import Differences, Release
from repo_service.build.growth import LogFile, grown
from repo_service.build.listing import Listing, Meta
from repo_service.build.logbook import Entries, Log, Said, enter
from repo_service.build.metadata import snapshot_file, timestamp_file
from repo_service.domain import changes as c
from repo_service.publishing.recording import check_entered
from tests.world import online_key

AIM_US: Final = 100.0
BATCHES: Final = (1, 10, 100)
SHAPE: Final = Bins(14)
NOW: Final = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
KEY: Final = HeldNoteKey("registry.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def events() -> Iterator[Said]:
    """A publication of one wheel and a yank with a reason, in turn."""
    number = 0
    while True:
        number += 1
        name, at = f"project-{number % 5000}", "2026-11-28T12:00:00Z"
        digest = sha256(str(number).encode())
        file = File(f"project-{number}-1.0-py3-none-any.whl", "wheel--py3-none-any", digest, 40_000, at)
        publish = c.ReleasePublished(f"1.{number}", f"1.{number}", at, (file,))
        yank = c.ReleaseYanked(f"1.{number}", "owner")
        change, reason = (publish, None) if number % 2 else (yank, Reason("broken", "does not start"))
        yield Said(c.Event(number, name, at, "owner", reason, "standard/1", change, None, None), number)


def released(generation: int) -> tuple[Release, bytes]:
    """A release whose snapshot lists nothing, and that snapshot: what the log adds is measured, not these."""
    snapshot = snapshot_file(generation, Listing.of({}), NOW + timedelta(days=7), online_key())
    meta = Meta.pinning(generation, snapshot.body)
    timestamp = timestamp_file(generation, meta, NOW, NOW + timedelta(days=3), online_key())
    return Release(
        generation, generation - 1, (snapshot, timestamp), timestamp, meta, Listing.of({}), Differences()
    ), snapshot.body


def grown_to(size: int) -> tuple[Log, list[bytes]]:
    """A log of so many leaves, and the hashes of all."""
    made = [b'{"kind":"event","seq":%d}' % number for number in range(size)]
    digests = {number: hashlib.sha256(b"%d" % number).digest() for number in range(len(SHAPE))}
    return Log(grown(Log().edge, made, list[LogFile]()), BinSums.of(SHAPE, digests)), [*map(merkle.leaf_hash, made)]


def appended(log: Log, batch: int, releases: int, said: Iterator[Said]) -> tuple[Log, float, int, int]:
    """The log after so many releases, seconds for each, and the bytes of its files and of its proofs."""
    took, written, proofs = 0.0, 0, 0
    for generation in range(1, releases + 1):
        release, snapshot = released(generation)
        signed = [
            ("2026-12-28T12:00:00Z", leaves.SignedBin(100_000 * generation + n, sha256(b"%d" % n)))
            for n in range(min(batch, 64))
        ]
        entries = Entries((), (), [next(said) for _ in range(batch)], {}, (), signed)
        began = time.perf_counter()
        files: list[LogFile] = []
        entered = enter(log, entries, release, snapshot, SHAPE, "full", NOW, [KEY], files)
        check_entered(log, entered, [KEY.key])
        took += time.perf_counter() - began
        written += sum(len(file.body) for file in files)
        proofs += len(entered.proof) + len(entered.note)
        log = entered.log
    return log, took / releases, written // releases, proofs // releases


def anew(hashes: Sequence[bytes]) -> float:
    """Seconds to hash a tree again, from the hashes of its leaves."""
    began = time.perf_counter()
    merkle.root_of(hashes)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--releases", type=int, default=60)
    options = parser.parse_args()
    log, hashes = grown_to(options.leaves)
    said, figures, by_batch = events(), dict[str, object](), dict[int, float]()
    for batch in BATCHES:
        log, seconds, written, proof = appended(log, batch, options.releases, said)
        by_batch[batch] = seconds
        figures |= {
            f"events_{batch}_us_an_entry": seconds * 1e6 / batch,
            f"events_{batch}_ms_a_release": seconds * 1e3,
            f"events_{batch}_kb_a_release": written / 1e3,
            "proof_bytes": proof,
        }
    alone = anew(hashes)
    figures |= {
        "leaves_at_start": options.leaves,
        "anew_ms_a_release": alone * 1e3,
        "anew_over_ours_100": alone / by_batch[100],
    }
    entry = by_batch[100] * 1e6 / 100
    print(line("log", figures, [at_most("an entry in a batch of 100", entry, AIM_US, "us")]))


if __name__ == "__main__":
    main()
