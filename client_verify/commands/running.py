"""Installers behind the verified index: run."""

import argparse
import os
from datetime import UTC, datetime

from client_verify.commands import terminal
from client_verify.installing import record, run
from client_verify.installing.report import Entry, sentence
from client_verify.places import Places
from client_verify.refusals import Refused, Usage


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = commands.add_parser(
        "run", parents=[terminal.ABOUT, terminal.ACCEPTING], help="run pip, uv, poetry or pdm behind the verified index"
    )
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="-- INSTALLER ARGUMENT...")
    command.set_defaults(answer=_run)


def _run(arguments: argparse.Namespace, where: Places) -> int:
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise Usage("which installer? For example: tallystick run -- pip install flask")
    run.check(command, os.environ)
    accepted = terminal.accepted(arguments, run.pinned(command, os.environ))
    try:
        verifier = terminal.verifier(arguments, where, accepted)
    except Refused as refused:
        consequence = f"Nothing from this repository was passed to {run.program(command)}, which was not run."
        keep(where, Entry("the repository", refused.code, refused.detail), run.program(command))
        return terminal.refusal(refused, "the repository", consequence)
    child, report = run.installer(command, verifier, os.environ)
    for entry in report.refused(child):
        terminal.complain(sentence(entry, f"Nothing of it was passed to {run.program(command)}."))
        keep(where, entry, run.program(command))
    for warning in report.warnings():
        terminal.complain(f"tallystick: warning: {warning}")
    for note in report.notes():
        terminal.complain(f"tallystick: note: {note}")
    return report.exit_code(child)


def keep(where: Places, entry: Entry, program: str) -> None:
    """Record a refusal for `tallystick log`; a warning if that cannot be."""
    try:
        record.append(where.log, record.refusal(entry, program, datetime.now(UTC)))
    except OSError as error:
        terminal.complain(f"tallystick: warning: this refusal could not be recorded in {where.log}: {error.strerror}")
