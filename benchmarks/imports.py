"""A whole registry brought in: read, decided, folded and recorded durably, ready to be signed. Prints one JSON line.

Names, versions and hashes are generated: about six releases a project with a long tail, an sdist and a wheel each, and
all of it old, so that each release is also closed. The lines come from a file, as they would; they are read, decided
and encoded by PROCESSES processes and written by one (0: one process does it all). ``cpu_s`` is of all of them.
Beside it, ``--signed`` also signs and publishes everything, by rounds as the service does.

``others_wait_ms`` is how long a change by the API's own path took while the import ran; ``again`` is the same file
once more, when everything is known.

    python benchmarks/imports.py [--files 20000] [--processes 2] [--bins 256] [--database sqlite:///…] [--signed]
"""

import argparse
import hashlib
import json
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from repo_service.domain import requests as r
from repo_service.importing.ndjson import lines
from repo_service.importing.running import Run, run

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.service.bring import Noted
from tests.world import World, publishing

SYLLABLES: Final = (  # noqa: SIM905 - words read better than a list of them
    "ba be bi bo da de di do fa fe ga ge go ka ke ki ko la le li lo ma me mi mo na ne no pa pe pi po ra re ri ro sa se "
    "so ta te ti to va ve vi za ze zo py net data web flask http json auth tool kit"
).split()
WHOLE_S: Final = 60
WHOLE_FILES: Final = 1_000_000
MEMORY_MB: Final = 400


def projects(files: int) -> Iterator[dict[str, Any]]:
    """Projects with about this many files together: always the same for a number."""
    chance, made, number = random.Random(files), 0, 0
    while made < files:
        words = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 3))) for _ in range(chance.randint(1, 3))]
        name, number = f"{'-'.join(words)}-{number}", number + 1
        releases = min(max(1, int(chance.lognormvariate(1.1, 1.15))), 2000, max(1, (files - made) // 2))
        made += 2 * releases
        yield {"name": name, "releases": [release(name, each, chance) for each in range(releases)]}


def release(name: str, number: int, chance: random.Random) -> dict[str, Any]:
    version = f"{number // 20}.{number % 20}.{chance.randint(0, 3)}"
    at = f"20{10 + number % 14:02d}-{1 + number % 12:02d}-{1 + number % 28:02d}T10:00:00Z"
    stem = f"{name.replace('-', '_')}-{version}"
    return {
        "version": version,
        "published_at": at,
        "files": [file(filename, chance) for filename in (f"{stem}-py3-none-any.whl", f"{stem}.tar.gz")],
    }


def file(filename: str, chance: random.Random) -> dict[str, Any]:
    digest = hashlib.sha256(filename.encode()).hexdigest()
    core = {"core_metadata": digest[::-1]} if filename.endswith(".whl") else {}
    return {
        "filename": filename,
        "sha256": digest,
        "size": chance.randint(900, 900_000),
        "requires_python": ">=3.8",
        "url": f"https://files.example/packages/{digest[:2]}/{digest[2:4]}/{filename}",
        **core,
    }


def cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_mb() -> float:
    """The most memory that this process, and the largest of those that it has waited for, ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and CPU seconds."""
    began, used = time.perf_counter(), cpu_s()
    act()
    return time.perf_counter() - began, cpu_s() - used


def taken(world: World, source: Path, processes: int) -> Noted:
    noted, service = Noted(), world.service
    with source.open("rb") as opened:
        run(Run(service.journal, service.database, service.clock, processes), lines(opened, source.name), noted)
    assert noted.problems == [], noted.problems[:3]
    return noted


def others(world: World, stop: threading.Event, waited: list[float]) -> None:
    """Somebody else's changes, a few a second."""
    while not stop.wait(0.2):
        began = time.perf_counter()
        world.record(publishing(f"somebody-elses-{len(waited)}", actor=r.Actor("system")))
        waited.append((time.perf_counter() - began) * 1000)


def measured(world: World, source: Path, processes: int) -> dict[str, Any]:
    stop, waited, found = threading.Event(), list[float](), list[Noted]()
    beside = threading.Thread(target=others, args=(world, stop, waited))
    beside.start()
    seconds, cpu = timed(lambda: found.append(taken(world, source, processes)))
    stop.set()
    beside.join()
    again, _ = timed(lambda: taken(world, source, processes))
    counted = found[0].counted
    return {
        "projects": counted.grown,
        "releases": counted.releases,
        "files": counted.files,
        "processes": processes,
        "recorded_s": round(seconds, 1),
        "recorded_cpu_s": round(cpu, 1),
        "recorded_cpu_us_a_file": round(cpu / counted.files * 1e6, 1),
        "again_s": round(again, 2),
        "others": len(waited),
        "others_wait_ms_p50": round(statistics.median(waited), 1) if waited else None,
        "others_wait_ms_max": round(max(waited), 1) if waited else None,
        "writer_peak_mb": round(peak_mb()),
    }


def signed(world: World) -> dict[str, Any]:
    """All of it signed and public, by this process alone."""

    def rounds() -> None:
        while world.service.round() or world.service.waits():
            pass

    seconds, cpu = timed(rounds)
    return {"signed_s": round(seconds, 1), "signed_cpu_s": round(cpu, 1), "peak_mb": round(peak_mb())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--bins", type=int, default=256)
    parser.add_argument("--database", default="sqlite:///journal.sqlite")
    parser.add_argument("--signed", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "world", f'database = "{options.database}"\n', bins=options.bins)
        source = Path(folder) / "projects.ndjson"
        with source.open("wb") as written:
            written.writelines(json.dumps(each).encode() + b"\n" for each in projects(options.files))
        figures = measured(world, source, options.processes)
        figures |= signed(world) if options.signed else {}
    whole = (figures["recorded_s"] + figures.get("signed_s", 0)) * WHOLE_FILES / figures["files"]
    what = "recorded and signed" if options.signed else "recorded, without signing"
    aims = [
        {"name": f"a million files {what}", "value": round(whole, 1), "aim": WHOLE_S, "unit": "s",
         "holds": whole <= WHOLE_S},
        {"name": "memory of the process that writes", "value": round(peak_mb()), "aim": MEMORY_MB, "unit": "MB",
         "holds": peak_mb() <= MEMORY_MB},
    ]  # fmt: skip
    print(json.dumps({"benchmark": "imports", "figures": figures, "aims": aims}))


if __name__ == "__main__":
    main()
