"""The ``tallystick`` command: pin a repository, run an installer behind it, ask about names and files.

Exit codes: 0 done; 2 usage or configuration; 3 to 9 refused (`tallystick explain` lists them); of ``run`` otherwise the
installer's own.
"""

import argparse
import logging
import os
import sqlite3
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from client_verify import disk, trust
from client_verify.commands import (
    asking,
    examining,
    explaining,
    history,
    locking,
    obtaining,
    remembering,
    running,
    serving,
    standing,
    terminal,
    trusting,
)
from client_verify.installing.report import Entry
from client_verify.places import Places, places
from client_verify.refusals import USAGE, ClientError, Refused

FAMILIES: Final = (
    running,
    serving,
    examining,
    asking,
    obtaining,
    locking,
    trusting,
    standing,
    remembering,
    history,
    explaining,
)
ORIENTATION: Final = """\
tallystick installs only what a registry has signed.

  tallystick trust add acme --url URL --root FILE   trust a registry
  tallystick run -- pip install flask               install what it has signed
  tallystick show flask                             what is signed about a name
  tallystick status                                 what is verified, how long
  tallystick explain                                what a refusal means

Every command: tallystick --help. One command: tallystick show --help.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    logging.getLogger("waitress").setLevel(logging.ERROR)  # its queue warnings would land between pip's own lines
    arguments = _parser().parse_args(argv)
    try:
        where = places(os.environ)
        return int(arguments.answer(arguments, where))
    except Refused as refused:
        subject = getattr(arguments, "name", None) or "the repository"
        running.keep(where, Entry(subject, refused.code, refused.detail), "tallystick")
        _tell_program(arguments, refused.code, refused.detail, refused.kind.exit)
        return terminal.refusal(refused, subject, "Nothing from this repository was used.")
    except (ClientError, OSError, sqlite3.Error) as error:
        what = str(error) if isinstance(error, ClientError) else disk.complaint(error)
        _tell_program(arguments, "usage", what, USAGE)
        terminal.complain(f"tallystick: {what}")
        return USAGE


def _tell_program(arguments: argparse.Namespace, code: str, detail: str, exit_code: int) -> None:
    """With --json a command that could not answer says so in one object, too: ``refused``, ``detail`` and ``exit``."""
    if getattr(arguments, "json", False):
        terminal.tell({"refused": code, "detail": detail, "exit": exit_code})


def _orient(_: argparse.Namespace, where: Places) -> int:
    pinned = ", ".join(pin.name for pin in trust.pins(where.roots))
    print(ORIENTATION)
    print(f"Trusted here: {pinned}." if pinned else "Nothing is trusted here yet: begin with the first line.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tallystick",
        description="Install only what a registry has signed.",
        epilog="Exit codes: 0 done; 2 usage or configuration; 3 to 9 refused (tallystick explain).",
    )
    parser.add_argument("--version", action="version", version=f"tallystick {version('tallystick')}")
    parser.set_defaults(answer=_orient)
    commands = parser.add_subparsers(metavar="COMMAND")
    for family in FAMILIES:
        family.add(commands)
    return parser
