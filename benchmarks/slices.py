"""What each release of a large batch takes: a line of JSON a release, by rounds of this process until nothing waits.

FOLDER is a service's, or none: then so many files are imported into a new one first. For each release what it holds,
and for each of its parts (read, sign, check, commit, copy) the clock's and the processor's milliseconds; at the end the
whole, and the most memory that this process held (VmHWM).

    python -m benchmarks.slices [FOLDER] [--files 100000] [--bins 16384]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.imports import projects, taken
from benchmarks.server import peak_mb
from repo_service.operating.metrics import Metrics, Stage
from repo_service.publishing.publish import publish
from repo_service.wiring import open_service
from tests.world import World


class Timed(Metrics):
    """Keeps what each part of the newest release took."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[int, int]] = {}

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        began, used = time.perf_counter(), time.process_time()
        yield
        self.parts[name] = (_ms(time.perf_counter() - began), _ms(time.process_time() - used))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def imported(folder: Path, files: int, bins: int) -> Path:
    """A service into which so many files were brought, none of them signed."""
    world = World(folder / "world", bins=bins)
    source = folder / "projects.ndjson"
    with source.open("wb") as written:
        written.writelines(json.dumps(each).encode() + b"\n" for each in projects(files))
    taken(world, source, 0)
    return world.service.folder


def measured(folder: Path) -> None:
    """Publish until nothing waits."""
    service, timed = open_service(folder), Timed()
    press = replace(service.press, metrics=timed)
    began, used, releases = time.perf_counter(), time.process_time(), 0
    while (release := publish(press, service.clock())) or service.waits():
        if release is None:
            continue
        releases += 1
        said: dict[str, Any] = {"generation": release.generation, "bins": len(release.new.bins)}
        print(json.dumps(said | {"pages": len(release.pages)} | timed.parts), flush=True)
    whole = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - used, "peak_mb": peak_mb()}
    print(json.dumps({"releases": releases} | {key: round(value, 1) for key, value in whole.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--bins", type=int, default=16_384)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as scratch:
        measured(options.folder or imported(Path(scratch), options.files, options.bins))


if __name__ == "__main__":
    main()
