"""What leads past the verified index on this machine and in a project: doctor."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from client_verify import trust
from client_verify.commands import terminal
from client_verify.directory import data_directory
from client_verify.installing import doctor
from client_verify.installing.doors.door import Door, Surroundings
from client_verify.installing.index import PORT, VARIABLE, usual_port
from client_verify.metadata.freshness import CLOCK_SKEW
from client_verify.places import Places
from client_verify.refusals import KINDS, Usage
from client_verify.standing import standing
from keys.times import moment


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "doctor",
        """
        Looks for other sources, caches and proxies: in variables, in the configuration
        of pip, uv, poetry and pdm at every level, in requirements, in lock files; and
        whether this machine's clock and pins are in order. It changes nothing.

          tallystick doctor --project ~/src/app

        Exit codes: 0 nothing found; 9 something leads past the verified index.
        """,
        [terminal.JSON],
    )
    command.add_argument("--project", type=Path, default=Path(), metavar="DIR", help="instead of this folder")
    command.add_argument("--port", type=int, metavar="N", help=f"instead of {VARIABLE} or {PORT}")
    command.set_defaults(answer=_doctor)


def _doctor(arguments: argparse.Namespace, where: Places) -> int:
    if not arguments.project.is_dir():
        raise Usage(f"{arguments.project} is no folder")
    port = usual_port(os.environ) if arguments.port is None else arguments.port
    around = Surroundings(os.environ, Path.home(), arguments.project.resolve(), port)
    found = [*_machine(where, datetime.now(UTC)), *doctor.doors(around)]
    if arguments.json:
        terminal.tell({"doors": [asdict(door) for door in found], "note": doctor.BARE})
    else:
        for door in found:
            print(f"{door.where}\n{terminal.folded(f'{door.what}.')}\n{terminal.folded(door.remedy)}")
        print(f"{_found(len(found))}\n{terminal.folded(doctor.BARE, '')}")
    return KINDS["bypass"].exit if found else 0


def _found(number: int) -> str:
    if number == 0:
        return "Nothing leads past the verified index here."
    return f"{terminal.count(number, 'thing')} to put right: what is listed above."


def _machine(where: Places, now: datetime) -> Iterator[Door]:
    """What of this machine weakens what is verified on it."""
    pins = trust.pins(where.roots)
    if not pins:
        yield Door(
            str(where.roots.own),
            "no repository is pinned, so nothing can be verified",
            "Begin with `tallystick trust add NAME --url URL --root FILE`.",
        )
    for pin in pins:
        verified = standing(pin, data_directory(where.data, pin)).verified
        signed_at = None if verified is None else verified.signed_at
        if signed_at is not None and _moment(signed_at) > now + CLOCK_SKEW:
            yield Door(
                "the clock",
                f'it is behind {signed_at}, when "{pin.name}" signed the newest metadata that was verified here: '
                "such a clock takes old metadata for good",
                "Set it.",
            )


def _moment(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
