"""A repository of any size, loaded in bulk and signed by the service's own publishing; several benchmarks share one.

The rows of names, targets and stored pages are written straight into the journal's tables: deciding a million files one
by one is what benchmarks/imports.py measures. Every bin is then signed with its whole content by the code that signs
each genesis. Two processes render; one writes.

    python -m benchmarks.repository FOLDER [--files 1000000] [--bins 16384]
"""

import argparse
import json
import os
import random
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Final

from benchmarks import generator
from benchmarks.server import Change, publishing, yanking
from keys import layout, page, sealed, strict
from keys.encoding import compact, sha256
from keys.skeletons import skeleton
from keys.state import NameState
from repo_service.build.pages import page_of
from repo_service.domain import changes as c
from repo_service.storage.journal import Journal
from repo_service.storage.schema import GUARDS
from repo_service.storage.tables import open_engine
from repo_service.wiring import Service, open_service
from tests.world import log_key, online_key, root_of_trust, write_folder

FOLDER: Final = "BENCH_FOLDER"
"""The environment's name for a folder in which loaded repositories are kept for other benchmarks."""
BINS_FOR: Final = {10_000: 256, 100_000: 2048, 1_000_000: 16_384}
_CHUNK: Final = 400
SETTINGS: Final = """\
client_per_minute = 10000000
name_per_minute = 10000000
max_pending = 1000000
max_upload_bytes = 2000000000
"""


@dataclass(frozen=True)
class Repository:
    """A loaded repository: its folder, how many projects and files it has, and what loading it took."""

    folder: Path
    files: int
    projects: int
    bins: layout.Bins
    seconds: float

    @cached_property
    def service(self) -> Service:
        return open_service(self.folder / "service")

    def contents(self, number: int) -> dict[str, dict[str, Any]]:
        """What a bin lists, for whoever signs with other means."""
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute("SELECT path, entry FROM targets WHERE bin = ?", (number,)).fetchall()
        return {path: json.loads(entry) for path, entry in rows}

    @property
    def database(self) -> Path:
        """The journal's database."""
        return self.folder / "service" / "journal.sqlite"

    def changes(self, purpose: str, verbs: tuple[str, ...] = ("publish", "yank")) -> Iterator[Change]:
        """Changes of these kinds, in turn, of projects in a random order; each purpose has projects of its own.

        Two benchmarks that use one repository after the other never yank a release twice.
        """
        numbers = [n for n in range(self.projects) if n % len(PURPOSES) == PURPOSES.index(purpose)]
        random.Random(purpose).shuffle(numbers)
        wanted, run = 0, int(time.time())
        for number in numbers:
            with self.service.journal.reading() as view:
                state = view.name(generator.name_of(number)).state
            assert state is not None, "a project that was loaded"
            verb = verbs[wanted % len(verbs)]
            standing = [release.version for release in state.releases if release.yank is None]
            if verb == "yank" and len(standing) > 2:
                yield yanking(state.name, standing[len(standing) // 2])
                wanted += 1
            elif verb == "publish" and state.archived is None:
                yield publishing(state.name, f"9000.{run}")
                wanted += 1


PURPOSES: Final = ("latency 20", "latency 100", "throughput", "batch", "memory", "growth", "profile", "warm")


@contextmanager
def loaded(files: int, bins: int | None = None) -> Iterator[Repository]:
    """The repository of this size: the one that an earlier benchmark of the same run loaded, or a new one, which is
    gone afterwards unless the run has a folder for it.
    """
    bins = bins or BINS_FOR[files]
    if kept := os.environ.get(FOLDER):
        yield load(Path(kept) / f"{files}-files-{bins}-bins", files, bins)
        return
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        yield load(Path(folder) / "repository", files, bins)


def load(folder: Path, files: int, bins: int) -> Repository:
    """Load a repository into a folder, unless it is there already."""
    shape, ready = layout.Bins(bins.bit_length() - 1), folder / "ready"
    if not ready.exists():
        began = time.perf_counter()
        home = _begun(folder)
        found, projects = _write(home / "journal.sqlite", files, shape)
        sealed_folder = write_folder(
            folder / "sealed", root_of_trust(datetime.now(UTC).replace(microsecond=0), bins=bins).files()
        )
        open_service(home).take_in(sealed_folder, rehearsal_allowed=True)
        with closing(sqlite3.connect(home / "journal.sqlite")) as connection, connection:
            connection.execute("UPDATE files SET release = 1 WHERE release = 0")
            connection.execute("DROP TRIGGER events_signed_once")  # they were of release 0, since there was none
            connection.execute("UPDATE events SET release = 1 WHERE release = 0")
            connection.execute(next(guard for guard in GUARDS["sqlite"] if "events_signed_once" in guard))
        ready.write_text(f"{found} {projects} {time.perf_counter() - began:.1f}")
    found_files, found_projects, seconds = ready.read_text().split()
    return Repository(folder, int(found_files), int(found_projects), shape, float(seconds))


def _begun(folder: Path) -> Path:
    """The folder of a service that waits for its first ceremony; nobody has its database open."""
    home = folder / "service"
    home.mkdir(parents=True)
    (home / "service.toml").write_text(SETTINGS)
    sealed.write_private(home / "online.key", sealed.plain(online_key()._private))
    sealed.write_private(home / "log.key", log_key().written.encode())
    engine = open_engine(f"sqlite:///{home / 'journal.sqlite'}")
    Journal(engine).create()
    engine.dispose()
    return home


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the journal's tables hold of one project with this many files; targets are in the order of their columns."""

    files: int
    name: dict[str, Any]
    event: dict[str, Any]
    file: dict[str, Any]
    body: dict[str, Any]
    targets: list[tuple[int, str, str, str]]


def _write(database: Path, files: int, shape: layout.Bins) -> tuple[int, int]:
    """Write the rows of as many projects as have this many files; how many files and projects these are.

    What belongs to a release is of release 0 for now: there is none yet, and the first must not copy it out.
    """
    placed: list[tuple[int, str, str, str]] = []
    found = projects = 0
    with closing(sqlite3.connect(database, isolation_level=None)) as connection, ProcessPoolExecutor(2) as pool:
        for pragma in ("foreign_keys=OFF", "journal_mode=OFF", "synchronous=OFF", "cache_size=-800000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for rows in chain.from_iterable(pool.map(_rendered, *zip(*_chunks(files, shape), strict=True))):
            if found >= files:
                continue
            found, projects = found + rows.files, projects + 1
            tables = (("names", rows.name), ("events", rows.event), ("files", rows.file), ("bodies", rows.body))
            for table, row in tables:
                columns, places = ", ".join(f'"{column}"' for column in row), ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", list(row.values()))
            placed += rows.targets
        assert found >= files, "the projects have fewer files than was thought"
        placed.sort()
        connection.executemany("INSERT INTO targets (bin, path, name, entry) VALUES (?, ?, ?, ?)", placed)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
    return found, projects


def _chunks(files: int, shape: layout.Bins) -> Iterator[tuple[range, layout.Bins]]:
    """Numbers of projects that are enough for so many files, and some more."""
    enough = files // 11 + 400
    for start in range(0, enough, _CHUNK):
        yield range(start, start + _CHUNK), shape


def _rendered(numbers: range, shape: layout.Bins) -> list[_Rows]:
    return [_rows_of(generator.project(number), shape) for number in numbers]


def _rows_of(state: NameState, shape: layout.Bins) -> _Rows:
    made = page_of(state, "full")
    name = {
        "name": state.name, "state": page.encode(state).decode(), "edition": secrets.token_hex(16),
        "skeleton": skeleton(state.name),
    }  # fmt: skip
    created = compact(strict.dump(c.ProjectCreated(state.display))).decode()
    event = {
        "seq": state.event, "name": state.name, "serial": state.serial, "at": state.since.at, "by": "owner",
        "type": "project.created", "body": created, "reason": "null", "policy": "standard/1",
        "actor": f"account-{state.name}", "change": f"loaded-{state.event}", "release": 0, "lane": 0,
    }  # fmt: skip
    stored = {
        "path": f"targets/{made.stored_at}", "release": 0, "position": state.event, "length": len(made.body),
        "sha256": sha256(made.body),
    }  # fmt: skip
    body = {"path": stored["path"], "body": made.body}
    targets = [(shape.number(target.path), target.path, state.name, target.entry) for target in made.targets]
    return _Rows(sum(len(release.files) for release in state.releases), name, event, stored, body, targets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--bins", type=int)
    options = parser.parse_args()
    bins = options.bins or BINS_FOR[options.files]
    made = load(options.folder, options.files, bins)
    size = sum(each.stat().st_size for each in made.folder.rglob("*") if each.is_file()) / 1e6
    print(f"{made.files} files of {made.projects} projects in {bins} bins: {made.seconds:.0f} s, {size:.0f} MB")


if __name__ == "__main__":
    main()
