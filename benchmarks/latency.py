"""From an HTTP request to its receipt: the change is decided, durable, signed and visible to every client.

A real ``tallystick-service serve`` on one million files in 16,384 bins; yanks and new releases in turn, of random
projects, each with ``Prefer: wait``. Requests arrive at random (Poisson) at 20 and at 100 a second whether or not
earlier ones were answered, and the time of each counts from the moment it was due. Beside it what python-tuf's objects
need of the processor to sign the same changes, one snapshot for each (benchmarks/reference.py).

    python -m benchmarks.latency [--files 1000000] [--seconds 15]
"""

import argparse
import random
import tempfile
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

from benchmarks import reference
from benchmarks.load import Order, sent
from benchmarks.report import Aim, at_least, at_most, line
from benchmarks.repository import Repository, loaded
from benchmarks.server import Server, percentile, serving

AIMS = {20: (20, 80), 100: (60, 250)}
"""Arrivals a second to milliseconds: the median, and what 99 of 100 stay under."""
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """What one rate of arrivals gave."""

    rate: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float
    figures: dict[str, object]


def arriving(repository: Repository, server: Server, rate: int, seconds: int) -> Measured:
    """Send changes at this rate for so long."""
    requests = [change.sent_to(server) for change in islice(repository.changes(f"latency {rate}"), rate * seconds)]
    dice = random.Random(rate)
    at = list(accumulate(dice.expovariate(rate) for _ in requests))
    before, cpu = generation(repository), server.cpu_s()
    outcome = sent(Order(server.port, requests, CONNECTIONS, at))
    assert outcome.signed == len(requests), f"{outcome.statuses}: {outcome.wrong}"
    cpu_ms = (server.cpu_s() - cpu) * 1000 / len(requests)
    p50, p99, longest = (percentile(outcome.took_s, part) * 1000 for part in (0.5, 0.99, 1))
    figures = {
        "changes": len(requests),
        "p50_ms": p50,
        "p99_ms": p99,
        "max_ms": longest,
        "server_cpu_ms_a_change": cpu_ms,
        "changes_a_snapshot": len(requests) / (generation(repository) - before),
        "load_generator_cpu_ms_a_change": outcome.cpu_s * 1000 / len(requests),
    }
    return Measured(rate, p50, p99, longest, cpu_ms, figures)


def warmed(repository: Repository, server: Server, changes: int = 40) -> None:
    """Let the server have done everything once."""
    requests = [change.sent_to(server) for change in islice(repository.changes("warm"), changes)]
    outcome = sent(Order(server.port, requests, 4))
    assert outcome.signed == len(requests), f"{outcome.statuses}: {outcome.wrong}"


def generation(repository: Repository) -> int:
    """How many releases there were so far."""
    with repository.service.journal.reading() as view:
        head = view.head()
    assert head is not None, "a repository begins with a release"
    return head.generation


def python_tuf(repository: Repository, changes: int) -> dict[str, float]:
    """Milliseconds of the processor that python-tuf's objects need for each of the same changes."""
    same = [change.entries() for change in islice(repository.changes("latency 20"), changes)]
    with tempfile.TemporaryDirectory() as folder:
        return {
            how: reference.measured(Path(folder) / how, repository.bins, same, repository.contents, 1, how).cpu_s * 1000
            for how in reference.HOW
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=15)
    options = parser.parse_args()
    with loaded(options.files) as repository:
        with serving(repository.service) as server:
            warmed(repository, server)
            found = [arriving(repository, server, rate, options.seconds) for rate in AIMS]
        theirs = python_tuf(repository, 12)
    aims: list[Aim] = []
    for each in found:
        p50, p99 = AIMS[each.rate]
        aims += [
            at_most(f"p50 at {each.rate} a second", each.p50_ms, p50, "ms"),
            at_most(f"p99 at {each.rate} a second", each.p99_ms, p99, "ms"),
        ]
    ratio = theirs["loaded, fsync"] / found[0].cpu_ms
    aims.append(at_least("python-tuf's CPU for the same changes, at 20 a second", ratio, 30, "times ours"))
    figures = {
        **{f"{each.rate}_a_second": each.figures for each in found},
        "python_tuf_cpu_ms_a_change": theirs,
        "python_tuf_kept_over_ours": theirs["kept, fsync"] / found[0].cpu_ms,
        "python_tuf_loaded_over_ours": ratio,
        "python_tuf_loaded_over_ours_at_100": theirs["loaded, fsync"] / found[-1].cpu_ms,
    }
    print(line("latency", figures, aims))


if __name__ == "__main__":
    main()
