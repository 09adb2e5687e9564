"""A thousand changes in one call of the API, each with its receipt: durable, signed and visible when the answer comes.

A real ``tallystick-service serve`` on one million files in 16,384 bins; yanks and new releases in turn, of a thousand
random projects, in one transaction and one snapshot. Beside it python-tuf's objects signing the same changes in one
snapshot (benchmarks/reference.py).

    python -m benchmarks.batch [--files 1000000] [--calls 3]
"""

import argparse
import statistics
import tempfile
from itertools import islice
from pathlib import Path

from benchmarks import reference
from benchmarks.latency import warmed
from benchmarks.load import Order, sent
from benchmarks.report import at_most, line
from benchmarks.repository import loaded
from benchmarks.server import serving

MANY = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=3)
    options = parser.parse_args()
    with loaded(options.files) as repository:
        changes = list(islice(repository.changes("batch"), MANY * options.calls))
        calls = [changes[start : start + MANY] for start in range(0, len(changes), MANY)]
        with serving(repository.service) as server:
            warmed(repository, server)
            took, cpu = [], server.cpu_s()
            for call in calls:
                body = {"items": [change.item() for change in call]}
                outcome = sent(Order(server.port, [server.request("POST", "/v1/batch", body, wait=60)], 1))
                assert outcome.signed == len(call), f"{outcome.statuses}: {outcome.wrong}"
                took.append(outcome.wall_s)
            cpu = (server.cpu_s() - cpu) / len(calls)
        with tempfile.TemporaryDirectory() as folder:
            same = [change.entries() for change in calls[0]]
            theirs = {
                how: reference.measured(Path(folder) / how, repository.bins, same, repository.contents, MANY, how)
                for how in ("kept, fsync", "loaded, fsync")
            }
    median = statistics.median(took)
    figures = {
        "changes_a_call": MANY,
        "s_p50": median,
        "s_max": max(took),
        "server_cpu_s": cpu,
        "python_tuf_s": {how: cost.wall_s * MANY for how, cost in theirs.items()},
        "python_tuf_cpu_s": {how: cost.cpu_s * MANY for how, cost in theirs.items()},
        "python_tuf_loaded_over_ours": theirs["loaded, fsync"].wall_s * MANY / median,
    }
    print(line("batch", figures, [at_most("1,000 changes in one call", median, 2, "s")]))


if __name__ == "__main__":
    main()
