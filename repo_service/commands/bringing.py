"""``tallystick-service import``: what another registry holds, from a folder, a file, standard input or its index."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from repo_service.commands import opening
from repo_service.commands.opening import EXITS, current
from repo_service.importing import folder, index, ndjson
from repo_service.importing.entries import Entry, Problem
from repo_service.importing.index import NoIndex
from repo_service.importing.preparing import Halted
from repo_service.importing.running import Run, run
from repo_service.importing.telling import PROBLEMS, SHOWN, Telling
from repo_service.operating.serving import stopped_by_signals
from repo_service.operating.settings import BadSettings
from repo_service.wiring import Service

if TYPE_CHECKING:
    from repo_service.commands.table import Commands

OWN_EXITS: Final = {**EXITS, NoIndex: 2, Halted: 4}
"""What can go wrong with this command, and how a script can tell."""
AGAIN: Final = "What was recorded stays; the same command goes on from there"


def add(commands: "Commands") -> None:
    """Add this family to the parser."""
    command = opening.add(commands, "import", _import, OWN_EXITS)
    command.add_argument(
        "source", metavar="SOURCE", help="a folder, FILE.ndjson, - (NDJSON), or an index's simple/ URL"
    )
    command.add_argument("--only", metavar="NAME", nargs="+", default=(), help="of an index, only these projects")
    command.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="that read and decide (default: one a core; 0: none)"
    )


def _import(options: argparse.Namespace) -> int:
    with stopped_by_signals(_interrupt):
        return bring(current(options.folder), options)


def _interrupt() -> None:
    """What a signal does to an import: the transaction in hand leaves nothing behind."""
    raise KeyboardInterrupt


def bring(service: Service, options: argparse.Namespace) -> int:
    """Take it all, publish it, and say what was left out; 1 if anything was."""
    telling = Telling(sys.stderr, options.folder / PROBLEMS)
    processes = max(0, options.processes)
    its = Run(service.journal, service.database, service.clock, processes)
    try:
        with _source(service, options, telling) as source:
            run(its, source, telling)
    except KeyboardInterrupt:
        telling.end()
        print(f"tallystick-service: stopped. {AGAIN}.", file=sys.stderr)
        return 130
    telling.end()
    _publish_all(service)
    return _summary(telling)


@contextmanager
def _source(service: Service, options: argparse.Namespace, telling: Telling) -> Iterator[Iterable[Entry | Problem]]:
    said: str = options.source
    if options.only and not said.startswith(("https://", "http://")):
        raise BadSettings("--only is for an index; leave it out, or give the index's URL. Nothing was written.")
    if said.startswith(("https://", "http://")):
        with service.journal.reading() as view:
            rule = view.policy(service.clock()).version_rule
        yield index.projects(said, options.only, rule)
    elif said == "-":
        yield ndjson.lines(sys.stdin.buffer, "standard input")
    elif Path(said).is_dir():
        yield folder.projects(Path(said), service.depot)
    elif Path(said).is_file():
        with Path(said).open("rb") as file:
            telling.total, telling.done = os.fstat(file.fileno()).st_size, file.tell
            yield ndjson.lines(file, said)
    else:
        raise BadSettings(f"{said} is neither a folder, a file, - nor a URL. Nothing was written.")


def _publish_all(service: Service) -> None:
    """Sign until nothing waits; another publisher may be at it too."""
    while service.round() or service.waits():
        pass


def _summary(telling: Telling) -> int:
    its = telling.counted
    print(
        f"{telling.entries} projects read: {its.grown} are new or grew, by {its.releases} releases and "
        f"{its.files} files; {its.known} were taken before. Signed and public now."
    )
    for problem in telling.problems:
        print(f"  left out: {problem}", file=sys.stderr)
    if telling.left > SHOWN:
        print(f"  … {telling.left} in all: {telling.problems_file}", file=sys.stderr)
    elif telling.left:
        telling.problems_file.unlink()
    return 1 if telling.left else 0
