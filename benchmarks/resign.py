"""All 16,384 bins signed again: what a rotated key, a changed lifetime or a lost week costs.

Measured twice, by rounds as a serving process does them, in a process of its own, until nothing is due; a round signs a
part of what is due, and a snapshot and a timestamp with it, so that no change has to wait long:

- the million files' 16,384 bins as they are, about 65 targets each, whole;
- 1,024 bins of 530 targets (PEP 458's scale is 16,384 of these; times 16 is the figure), with lines like those of real
  files.

python-tuf's objects load, sign and write a sample of the same bins of 530 targets, and its figure is reckoned up to
16,384 (benchmarks/reference.py).

    python -m benchmarks.resign [--files 1000000] [--bins 1024]
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import reference
from benchmarks.report import at_least, at_most, line
from benchmarks.repository import Repository, load, loaded
from keys import layout
from keys.encoding import compact, sha256

ALL = 16_384
FULL = 530
SAMPLE = 48


@dataclass(frozen=True, slots=True)
class Signed:
    """What signing everything again took: processor, clock, the most memory that the process held."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def signed_again(repository: Repository) -> Signed:
    """Let every bin be due and publish, in a process of its own, until none is."""
    with closing(sqlite3.connect(repository.database)) as database, database:
        database.execute("UPDATE roles SET renew_at = '2020-01-01T00:00:00Z' WHERE role LIKE 'bin-%'")
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.rounds", str(repository.folder / "service")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    peak_mb = float(process.stdout.read())  # ru_maxrss would be this process's own: it is counted until the exec
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0, f"publishing ended with {status}"
    assert not _due(repository.database), "a bin is due that nobody signs"
    return Signed(used.ru_utime + used.ru_stime, time.perf_counter() - began, peak_mb)


def filled(folder: Path, bins: int) -> Repository:
    """A repository of so many bins with 530 targets each, all but a few of them no project's."""
    repository = load(folder, 1_000, bins)
    shape = repository.bins
    with closing(sqlite3.connect(repository.database)) as database, database:
        lacking = dict.fromkeys(range(bins), FULL)
        for number, has in database.execute("SELECT bin, count(*) FROM targets GROUP BY bin"):
            lacking[number] -= has
        database.executemany("INSERT INTO targets (bin, path, name, entry) VALUES (?, ?, ?, ?)", _rows(shape, lacking))
    return repository


def _rows(shape: layout.Bins, lacking: dict[int, int]) -> list[tuple[int, str, str, str]]:
    found = []
    number, wanted = 0, sum(lacking.values())
    while len(found) < wanted:
        name = f"some-project-{number // 12}"
        path = f"packages/{name}/some_project_{number // 12}-1.{number % 12}.0-py3-none-any.whl"
        bin_number = shape.number(path)
        if lacking[bin_number] > 0:
            lacking[bin_number] -= 1
            entry = {"hashes": {"sha256": sha256(path.encode())}, "length": 10_000 + number % 977}
            found.append((bin_number, path, name, compact(entry).decode()))
        number += 1
    return sorted(found)


def _due(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT count(*) FROM roles WHERE renew_at < '2020-01-02' AND role LIKE 'bin-%'"
        (count,) = connection.execute(query).fetchone()
    return bool(count)


def python_tuf(repository: Repository, folder: Path, how: str) -> float:
    """Seconds of the processor for a bin with python-tuf's objects."""
    objects, writer = how.split(", ")
    theirs = reference.Repository(folder / how, repository.bins, writer, objects == "kept")
    theirs.warm(range(SAMPLE), repository.contents)
    cpu = time.process_time()
    for number in range(SAMPLE):
        theirs.sign_bin(number)
    return (time.process_time() - cpu) / SAMPLE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--bins", type=int, default=1024, help="with 530 targets each")
    options = parser.parse_args()
    with loaded(options.files) as repository:
        real, count = signed_again(repository), len(repository.bins)
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as scratch:
        folder = Path(scratch)
        made = filled(folder / "full", options.bins)
        full = signed_again(made)
        theirs = {how: python_tuf(made, folder, how) * ALL for how in reference.HOW}
    scaled = full.cpu_s * ALL / options.bins
    figures = {
        "cpu_s_of_16384_bins_of_530_targets": scaled,
        "measured_on_bins": options.bins,
        "cpu_ms_a_bin_of_530": full.cpu_s * 1000 / options.bins,
        f"cpu_s_of_{count}_bins_of_the_million": real.cpu_s,
        "cpu_ms_a_bin_of_the_million": real.cpu_s * 1000 / count,
        "wall_s_of_the_million": real.wall_s,
        "peak_mb_of_the_million": real.peak_mb,
        "peak_mb_at_530": full.peak_mb,
        "python_tuf_cpu_s_of_16384_bins_of_530_targets": theirs,
        "python_tuf_kept_over_ours": theirs["kept, fsync"] / scaled,
    }
    aims = [
        at_most("16,384 bins of 530 targets signed again", scaled, 30, "CPU s"),
        at_least("python-tuf for the same", theirs["loaded, fsync"] / scaled, 5, "times ours"),
    ]
    print(line("resign", figures, aims))


if __name__ == "__main__":
    main()
