"""Where the processor's time of one change goes, by stage and by library: a profile of the code, not of a server.

Changes are decided and published in this process, one a release, on one million files in 16,384 bins, under cProfile
with the processor's clock. A profile makes many small calls look dearer than they are; read shares, not milliseconds.

    python -m benchmarks.profile [--files 1000000] [--changes 100]
"""

import argparse
import cProfile
import pstats
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import Final

from benchmarks.report import line
from benchmarks.repository import Repository, loaded
from benchmarks.server import Change
from keys import strict
from repo_service.accepting import intake
from repo_service.domain.verbs import RELEASE_VERBS

STAGES: Final = {
    "decide and remember": ("intake.py", "record"),
    "read what is pending and the bins": ("planning.py", "plan_next"),
    "assemble and sign": ("assemble.py", "assemble"),
    "check the bytes as a client": ("check.py", "check_release"),
    "check successions": ("check.py", "check_successions"),
    "commit": ("journal.py", "commit"),
    "copy out and mark": ("publish.py", "finish"),
    "draw deltas": ("drawing.py", "draw"),
}
"""What is told of a change, by the file and the name of the function that does it."""
LIBRARIES: Final = {
    "sqlalchemy": "SQLAlchemy",
    "sqlite3": "SQLite",
    "cryptography": "cryptography",
    "tuf/": "python-tuf",
    "securesystemslib": "securesystemslib",
    "json": "json",
    "repo_service": "repo_service",
    "keys/": "keys",
    "posix": "files and fsync",
}
"""Parts of file names, or of the names of built-in functions, to whose they are; the first that is found counts."""

REST: Final = "the rest: lease, deadlines"
PYTHON: Final = "the rest of Python"
HARDLY_USED: Final = ("python-tuf", "securesystemslib")
"""What takes less than one part of a hundred, so that a chart has no place for it."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of a hundred of the time: of stages with all that they call, of libraries with what they do themselves."""

    stages: dict[str, float]
    libraries: dict[str, float]


def done(repository: Repository, change: Change) -> None:
    """Decide one change, publish it."""
    service = repository.service
    asked = strict.load(RELEASE_VERBS[change.verb], {**change.body, "name": change.name, "version": change.version})
    intake.record(service.journal, asked, intake.Sender("profile", secrets.token_hex(12)), service.clock())
    assert service.round() is not None, "nothing was published"


def shares(profile: cProfile.Profile) -> Shares:
    """What a profile says."""
    entries = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in entries.values())
    stages, libraries = dict.fromkeys(STAGES, 0.0), defaultdict[str, float](float)
    for (file, _, function), (_, _, own, cumulative, _) in entries.items():
        for stage, (its_file, its_function) in STAGES.items():
            if file.endswith(f"/{its_file}") and function == its_function:
                stages[stage] += 100 * cumulative / total
        whose = next((name for part, name in LIBRARIES.items() if part in f"{file} {function}"), PYTHON)
        libraries[whose] += 100 * own / total
    stages[REST] = 100 - sum(stages.values())
    return Shares(stages, dict(sorted(libraries.items(), key=lambda item: -item[1])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=100)
    options = parser.parse_args()
    with loaded(options.files) as repository:
        changes = list(islice(repository.changes("profile"), 2 * options.changes + 10))
        for change in changes[:10]:
            done(repository, change)
        profiled, plain = changes[10::2], changes[11::2]
        began = time.process_time()
        for change in plain:
            done(repository, change)
        cpu_ms = (time.process_time() - began) * 1000 / len(plain)
        profile = cProfile.Profile(time.process_time)
        with profile:
            for change in profiled:
                done(repository, change)
    found = shares(profile)
    calls = pstats.Stats(profile).total_calls // len(profiled)  # type: ignore[attr-defined]
    figures = {
        "cpu_ms_a_change_without_http": cpu_ms,
        "calls_a_change": calls,
        "percent_of_stages": found.stages,
        "percent_of_libraries": found.libraries,
    }
    print(line("profile", figures, []))


if __name__ == "__main__":
    main()
