"""What one yank costs in a project of 1,000 releases and 10,000 files, and at the door of an ordinary one.

``state``: the request is decided, folded into the state, and the page is rendered, in CPU time. Beside it the SHA-256
of the page and its targets, which publishing needs as well; the first page, when nothing was kept yet; and
json.dumps alone of the whole document.
``door``: the whole HTTP request of a yank, in one process and without waiting for the signature: token, policy,
decision, one transaction in SQLite that is on the disk when the answer is given. Beside it the bare commit of the same
bytes, with the same pragmas. Prints one JSON line.

    python -m benchmarks.state [--releases 1000] [--files 10] [--changes 40]
"""

import argparse
import gzip
import hashlib
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.report import at_most, line
from keys import page, strict
from keys.encoding import compact
from keys.state import Act, File, Mark, NameState, Reason, Release
from keys.times import stamp
from repo_service.build.pages import page_of
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.artifacts import canonical_version
from repo_service.domain.case import Accepted
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve
from repo_service.domain.policy import preset
from repo_service.wiring import presets
from tests.service.door import Door, Silent
from tests.world import BEGIN, OWNER, World

AIM_MS: Final = 5
NAME: Final = "measured"
LONG_AGO: Final = stamp(BEGIN - timedelta(days=100))
TAGS: Final = [
    f"{python}-{python}-{platform}"
    for platform in ("manylinux_2_28_x86_64", "macosx_14_0_arm64", "win_amd64")
    for python in ("cp311", "cp312", "cp313")
]
POLICY: Final = preset("standard", presets())
BROKEN: Final = Reason("broken", "does not start on Windows")


def project(releases: int, files: int) -> NameState:
    """A project whose releases have a source distribution and wheels."""
    versions = [f"{number // 100}.{number // 10 % 10}.{number % 10}" for number in range(releases)]
    made = tuple(_release(version, files) for version in sorted(versions))
    created = Act(1, "project.created", None, Mark(LONG_AGO, "owner"))
    return NameState(
        NAME, NAME, "registered", 1, releases, releases, Mark(LONG_AGO, "owner"), None, None, made, (created,)
    )


def _release(version: str, files: int) -> Release:
    wheels = [f"{NAME}-{version}-{tags}.whl" for tags in (TAGS * files)[: files - 1]]
    found = tuple(_file(version, name) for name in sorted((f"{NAME}-{version}.tar.gz", *wheels)))
    return Release(version, canonical_version(version), "published", 1, LONG_AGO, files=found)


def _file(version: str, filename: str) -> File:
    digest = hashlib.sha256(filename.encode()).hexdigest()
    if filename.endswith(".tar.gz"):
        return File(filename, "sdist", digest, 2_345_678, LONG_AGO, ">=3.11")
    tags = filename.removeprefix(f"{NAME}-{version}-").removesuffix(".whl")
    return File(filename, f"wheel--{tags}", digest, 2_345_678, LONG_AGO, ">=3.11", digest[::-1])


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of CPU that ``work`` takes, and what it gives."""
    began = time.thread_time()
    found = work()
    return time.thread_time() - began, found


def in_memory(state: NameState, changes: int) -> dict[str, float]:
    """Decide, evolve and render, one release after the other; and the same page made of nothing that was kept."""
    cold, _ = timed(lambda: page.render(state))
    page_of(state, "full")
    name, decided, rendered, hashed = c.Name(NAME, state, None), [], [], []
    for number in range(changes):
        version = state.releases[number * 7 % len(state.releases)].version
        seconds, name = timed(partial(yanked, name, version))
        decided.append(seconds)
        assert name.state is not None
        seconds, made = timed(partial(page.render, name.state))
        rendered.append(seconds)
        hashed.append(timed(partial(page_of, name.state, "full"))[0] - seconds)
    document = json.loads(made)
    encoded = [timed(lambda: compact(document))[0] for _ in range(3)]
    parsed = [timed(lambda: page.parse(made))[0] for _ in range(3)]
    total = [sum(pair) for pair in zip(decided, rendered, strict=True)]
    return {
        "page_bytes": len(made),
        "page_gzip_bytes": len(gzip.compress(made)),
        "decide_evolve_p50_ms": milliseconds(decided),
        "page_p50_ms": milliseconds(rendered),
        "decide_evolve_page_p50_ms": milliseconds(total),
        "sha256_and_targets_p50_ms": milliseconds(hashed),
        "first_page_ms": milliseconds([cold]),
        "json_dumps_alone_p50_ms": milliseconds(encoded),
        "read_and_compared_p50_ms": milliseconds(parsed),
        "first_page_over_page": round(cold / statistics.median(rendered), 1),
    }


def yanked(name: c.Name, version: str) -> c.Name:
    """The name after one yank, which the brake does not hold: a second person stands behind it."""
    decision = decide(name, r.Yank(NAME, version, BROKEN, OWNER), POLICY, BEGIN)
    assert isinstance(decision, Accepted) and name.state is not None
    for change in decision.changes:
        event = c.Event(name.state.event + 1, NAME, stamp(BEGIN), "owner", BROKEN, POLICY.id, change, "account-1", None)
        name = evolve(name, event)
    return name


def at_the_door(folder: Path, state: NameState, changes: int) -> dict[str, float]:
    """Yanks over HTTP, one release after the other, and the same bytes committed by sqlite3 alone."""
    world = World(folder / "world")
    with world.service.journal.writing() as pen:
        pen.keep(c.Name(NAME, state, None), None, None)
    door = Door(world, bell=Silent())
    body = {"reason": strict.sparse(BROKEN), "actor": strict.sparse(OWNER)}
    times, cpu = [], []
    for number in range(min(changes, len(state.releases) - 1)):
        path = f"/v1/projects/{NAME}/releases/{state.releases[number].version}/yank"
        began = time.perf_counter()
        seconds, answer = timed(partial(door.post, path, body))
        times.append(time.perf_counter() - began)
        cpu.append(seconds)
        assert answer.status_code == 202, answer.get_data(as_text=True)
    bare = committed(folder / "bare.sqlite", len(page.encode(state)), changes)
    return {
        "state_bytes": len(page.encode(state)),
        "yank_p50_ms": milliseconds(times),
        "yank_cpu_p50_ms": milliseconds(cpu),
        "yank_max_ms": milliseconds(times, max),
        "bare_commit_p50_ms": milliseconds(bare),
        "yank_over_bare_commit": round(statistics.median(times) / statistics.median(bare), 1),
    }


def committed(path: Path, length: int, changes: int) -> list[float]:
    """Seconds for each commit of a state of this length, an event and an answer: what no registry can do without."""
    times = []
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            database.execute(f"PRAGMA {pragma}")
        database.executescript("CREATE TABLE state (text); CREATE TABLE told (text); INSERT INTO state VALUES ('')")
        for number in range(changes):
            text = f"{number:0{length}}"
            began = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.execute("UPDATE state SET text = ?", (text,))
            database.execute("INSERT INTO told VALUES (?), (?)", (text[-400:], text[-200:]))
            database.execute("COMMIT")
            times.append(time.perf_counter() - began)
    return times


def milliseconds(times: list[float], pick: Callable[[list[float]], float] = statistics.median) -> float:
    return round(pick(times) * 1000, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=int, default=1000, help="of the large project; the ordinary one has 50")
    parser.add_argument("--files", type=int, default=10, help="of each of its releases; of the ordinary one's 4")
    parser.add_argument("--changes", type=int, default=40)
    options = parser.parse_args()
    large, ordinary = project(options.releases, options.files), project(50, 4)
    figures = {"state": in_memory(large, options.changes)}
    for what, state in (("door_ordinary", ordinary), ("door_large", large)):
        with tempfile.TemporaryDirectory() as folder:
            figures[what] = at_the_door(Path(folder), state, options.changes)
    aims = [
        at_most("decide and page of 10,000 files", figures["state"]["decide_evolve_page_p50_ms"], AIM_MS, "ms"),
        at_most("a yank at the door, not signed yet", figures["door_ordinary"]["yank_p50_ms"], AIM_MS, "ms"),
    ]
    print(line("state", figures, aims))


if __name__ == "__main__":
    main()
