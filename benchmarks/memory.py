"""The most memory that the serving and publishing process ever holds, at three sizes of the repository.

A real ``tallystick-service serve``: changes one by one, changes in parallel, a batch of as many as there are projects
for (at most 1,000), and then questions about thousands of names, which fill the cache of states. VmHWM of the process.
Beside it what python-tuf's objects of all bins take (benchmarks/reference.py), in a process of their own.

    python -m benchmarks.memory [--files 10000 100000 1000000]
"""

import argparse
import multiprocessing
from dataclasses import dataclass, replace
from itertools import islice

from tuf.api.metadata import Targets

from benchmarks import generator
from benchmarks.latency import warmed
from benchmarks.load import Order, sent
from benchmarks.report import at_most, line
from benchmarks.repository import Repository, loaded
from benchmarks.server import peak_mb, serving

READ = 9000
"""Names that are asked for at the end: with their states the cache is full (storage/states.py)."""


@dataclass(frozen=True, slots=True)
class Peak:
    """Megabytes at one size: after changes, after the batch, and with the cache of states full; and python-tuf's."""

    changes: float
    batch: float
    reads: float
    theirs: float


def measured(repository: Repository) -> Peak:
    """Drive one server, look at its peak after each kind of work."""
    found = list(islice(repository.changes("memory"), 1100))
    alone, together = found[: len(found) // 2][:100], found[len(found) // 2 :][-1000:]
    with serving(repository.service) as server:
        warmed(repository, server)
        outcome = sent(Order(server.port, [change.sent_to(server) for change in alone], 16))
        assert outcome.signed == len(alone), f"{outcome.statuses}: {outcome.wrong}"
        changes = server.peak_mb()
        body = {"items": [change.item() for change in together]}
        outcome = sent(Order(server.port, [server.request("POST", "/v1/batch", body, wait=60)], 1))
        assert outcome.signed == len(together), f"{outcome.statuses}: {outcome.wrong}"
        batch = server.peak_mb()
        names = [generator.name_of(number) for number in range(min(READ, repository.projects))]
        outcome = sent(Order(server.port, [server.request("GET", f"/v1/names/{name}") for name in names], 4))
        assert outcome.statuses == {200: len(names)}, outcome.wrong
        reads = server.peak_mb()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        theirs = pool.apply(all_objects, (replace(repository),))  # without what it has open
    return Peak(changes, batch, reads, theirs)


def all_objects(repository: Repository, most: int = 1024) -> float:
    """Megabytes of a process that keeps python-tuf's objects of all bins; some are made and reckoned up."""
    made = min(most, len(repository.bins))
    before = peak_mb()
    kept = []
    for number in range(made):
        targets = {path: {**entry} for path, entry in repository.contents(number).items()}
        body = {"_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": "2030-01-01T00:00:00Z"}
        kept.append(Targets.from_dict({**body, "targets": targets}))
    return before + (peak_mb() - before) * len(repository.bins) / made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options = parser.parse_args()
    figures: dict[str, object] = {}
    aims = []
    for files in options.files:
        with loaded(files) as repository:
            peak = measured(repository)
        figures[f"{files}_files"] = {
            "after_changes_mb": peak.changes,
            "after_a_batch_mb": peak.batch,
            "with_the_cache_full_mb": peak.reads,
            "python_tuf_objects_mb": peak.theirs,
        }
        aims.append(at_most(f"peak at {files:,} files", peak.reads, 200, "MB"))
    print(line("memory", figures, aims))


if __name__ == "__main__":
    main()
