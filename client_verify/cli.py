"""The ``tallystick`` command: pin a repository, run an installer behind it, ask about names and files.

Exit codes: 0 done; 2 usage or configuration; 3 to 9 refused (`tallystick explain` lists them); of ``run`` otherwise the
installer's own.
"""

import argparse
import logging
import os
import sqlite3
from collections.abc import Sequence
from typing import Final

from client_verify.commands import asking, explaining, locking, running, terminal, trusting
from client_verify.places import places
from client_verify.refusals import USAGE, ClientError, Refused

FAMILIES: Final = (running, asking, locking, trusting, explaining)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    logging.getLogger("waitress").setLevel(logging.ERROR)  # its queue warnings would land between pip's own lines
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.answer(arguments, places(os.environ)))
    except Refused as refused:
        subject = getattr(arguments, "name", None) or "the repository"
        return terminal.refusal(refused, subject, "Nothing from this repository was used.")
    except (ClientError, OSError, sqlite3.Error) as error:
        terminal.complain(f"tallystick: {error}")
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallystick", description="Install only what a registry has signed.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for family in FAMILIES:
        family.add(commands)
    return parser
