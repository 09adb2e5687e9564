"""What every command of a service begins with, its folder opened, and ends with, its exit status."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keys.signing import SignerAway, SignerFailed, SignerOvertaken, SignerRefused
from repo_service.build.check import WouldBeRefused
from repo_service.commands.table import Run, command
from repo_service.domain.announcing import NotAnnounced
from repo_service.domain.clock import ClockWentBack
from repo_service.mending.retelling import NotRecovered
from repo_service.operating.settings import BadSettings
from repo_service.publishing.clocks import ClocksDiffer
from repo_service.publishing.publish import LeaseHeld
from repo_service.publishing.recording import LogKeyMissing
from repo_service.publishing.roots import NotTakenIn
from repo_service.storage.backups import NotCopied
from repo_service.storage.depot import Behind, Diverged, Unavailable, Unfit
from repo_service.storage.schema import WrongSchema
from repo_service.storage.tables import DatabaseAway
from repo_service.wiring import Service, open_service

if TYPE_CHECKING:
    from repo_service.commands.table import Commands

Exits = Mapping[type[Exception], int]
EXITS: Final[Exits] = {
    BadSettings: 2,
    NotAnnounced: 2,
    FileExistsError: 2,
    WrongSchema: 2,
    NotTakenIn: 3,
    WouldBeRefused: 4,
    LogKeyMissing: 4,
    ClockWentBack: 4,
    ClocksDiffer: 4,
    SignerFailed: 4,
    SignerRefused: 4,
    SignerOvertaken: 4,
    SignerAway: 5,
    Unfit: 2,
    Diverged: 5,
    Behind: 5,
    Unavailable: 5,
    DatabaseAway: 5,
    LeaseHeld: 5,
    NotCopied: 2,
    NotRecovered: 5,
}
"""What can go wrong with any of them, and how a script can tell."""


def add(commands: "Commands", name: str, run: Run, exits: Exits = EXITS) -> argparse.ArgumentParser:
    """Add a command on a service's folder, whose failures have these exit statuses."""
    parser = command(commands, name)
    parser.set_defaults(command=answered(run, exits))
    parser.add_argument("folder", metavar="DIR", type=Path, help="the service's folder")
    return parser


def answered(run: Run, exits: Exits = EXITS) -> Run:
    """The same command, which says in one line what went wrong."""

    def answer(options: argparse.Namespace) -> int:
        try:
            return run(options)
        except tuple(exits) as error:
            print(f"tallystick-service: {error}", file=sys.stderr)
            return exits[type(error)]

    return answer


def begun(folder: Path) -> Service:
    """A service that ``init`` has begun."""
    service = open_service(folder)
    service.journal.check()
    with service.journal.reading() as view:
        if not view.roles():
            raise BadSettings(
                f"{folder} has no root yet: `tallystick-service init {folder} --sealed SEALED` takes a ceremony's "
                "files in. Nothing was written."
            )
    return service


def current(folder: Path) -> Service:
    """A service that was begun, and whose database is not an older one that was restored."""
    service = begun(folder)
    service.check_not_behind()
    return service


def opened(opening: Callable[[Path], Service], run: Callable[[Service, argparse.Namespace], int]) -> Run:
    """A command of an open service, as one of its folder."""
    return lambda options: run(opening(options.folder), options)
