"""How many changes a second go through HTTP, each with its receipt: durable, signed and visible.

A real ``tallystick-service serve`` on one million files in 16,384 bins; clients on kept-open connections, each of which
sends its next change when it has the receipt of the last. Yanks and new releases in turn, of random projects. Server
and clients share this machine. Beside it python-tuf's objects signing the same changes (benchmarks/reference.py), one
change or a hundred in a snapshot.

    python -m benchmarks.throughput [--files 1000000] [--seconds 15] [--connections 32]
"""

import argparse
import tempfile
from itertools import islice
from pathlib import Path

from benchmarks import reference
from benchmarks.latency import generation, warmed
from benchmarks.load import Order, sent
from benchmarks.report import at_least, line
from benchmarks.repository import Repository, loaded
from benchmarks.server import percentile, serving


def python_tuf(repository: Repository, together: int, changes: int) -> dict[str, float]:
    """Changes a second with python-tuf's objects, so many together in one snapshot."""
    same = [change.entries() for change in islice(repository.changes("throughput"), changes)]
    with tempfile.TemporaryDirectory() as folder:
        return {
            how: reference.measured(
                Path(folder) / how, repository.bins, same, repository.contents, together, how
            ).a_second
            for how in reference.HOW
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    with loaded(options.files) as repository:
        with serving(repository.service) as server:
            warmed(repository, server)
            requests = [
                each.sent_to(server) for each in islice(repository.changes("throughput"), 300 * options.seconds)
            ]
            before, cpu = generation(repository), server.cpu_s()
            outcome = sent(Order(server.port, requests, options.connections, for_s=options.seconds))
            cpu = server.cpu_s() - cpu
        changes = len(outcome.took_s)
        assert outcome.signed == changes, f"{outcome.statuses}: {outcome.wrong}"
        alone, hundred = python_tuf(repository, 1, 10), python_tuf(repository, 100, 300)
        snapshots = generation(repository) - before
    rate = changes / outcome.wall_s
    figures = {
        "changes": changes,
        "connections": options.connections,
        "changes_a_second": rate,
        "p50_ms": percentile(outcome.took_s, 0.5) * 1000,
        "p99_ms": percentile(outcome.took_s, 0.99) * 1000,
        "changes_a_snapshot": changes / snapshots,
        "server_cpu_ms_a_change": cpu * 1000 / changes,
        "server_cores_used": cpu / outcome.wall_s,
        "load_generator_cores_used": outcome.cpu_s / outcome.wall_s,
        "python_tuf_a_second_1_a_snapshot": alone,
        "python_tuf_a_second_100_a_snapshot": hundred,
        "ours_over_python_tuf_1_a_snapshot": {how: rate / theirs for how, theirs in alone.items()},
        "ours_over_python_tuf_100_a_snapshot": {how: rate / theirs for how, theirs in hundred.items()},
    }
    aims = [
        at_least("changes with receipts", rate, 200, "a second"),
        at_least("over python-tuf, one change a snapshot", rate / alone["loaded, fsync"], 40, "times"),
        at_least("over python-tuf, 100 a snapshot", rate / hundred["loaded, fsync"], 8, "times"),
    ]
    print(line("throughput", figures, aims))


if __name__ == "__main__":
    main()
