"""What one change costs when the repository grows a hundred times: 10,000 files in 256 bins, 1,000,000 in 16,384.

Two real ``tallystick-service serve`` processes, one after the other; one client that waits for each receipt, so that
every change has a snapshot of its own; the processor's time of the server for each change. Beside it python-tuf's
objects signing the same changes (benchmarks/reference.py).

    python -m benchmarks.growth [--changes 100]
"""

import argparse
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks import reference
from benchmarks.latency import warmed
from benchmarks.load import Order, sent
from benchmarks.report import at_most, line
from benchmarks.repository import loaded
from benchmarks.server import percentile, serving

SIZES = (10_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Size:
    """One size: milliseconds of the processor for a change, ours and theirs, and how long each took."""

    cpu_ms: float
    p50_ms: float
    theirs_ms: float


def measured(files: int, changes: int) -> Size:
    """What a change costs at this size."""
    with loaded(files) as repository:
        found = list(islice(repository.changes("growth"), changes))
        with serving(repository.service) as server:
            warmed(repository, server)
            requests = [change.sent_to(server) for change in found]
            cpu = server.cpu_s()
            outcome = sent(Order(server.port, requests, 1))
            cpu = server.cpu_s() - cpu
        assert outcome.signed == len(requests), f"{outcome.statuses}: {outcome.wrong}"
        with tempfile.TemporaryDirectory() as folder:
            same = [change.entries() for change in found[:10]]
            theirs = reference.measured(
                Path(folder) / "theirs", repository.bins, same, repository.contents, 1, "loaded, fsync"
            )
    return Size(cpu * 1000 / len(requests), percentile(outcome.took_s, 0.5) * 1000, theirs.cpu_s * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=100)
    options = parser.parse_args()
    small, large = (measured(files, options.changes) for files in SIZES)
    figures = {
        "cpu_ms_a_change_at_10000_files": small.cpu_ms,
        "cpu_ms_a_change_at_1000000_files": large.cpu_ms,
        "p50_ms_at_10000_files": small.p50_ms,
        "p50_ms_at_1000000_files": large.p50_ms,
        "python_tuf_cpu_ms_at_10000_files": small.theirs_ms,
        "python_tuf_cpu_ms_at_1000000_files": large.theirs_ms,
        "python_tuf_growth": large.theirs_ms / small.theirs_ms,
    }
    aim = at_most("CPU of a change at 100 times the size", large.cpu_ms / small.cpu_ms, 1.5, "times")
    print(line("growth", figures, [aim]))


if __name__ == "__main__":
    main()
