"""Installers behind the verified index: run."""

import argparse
import os

from client_verify.commands import terminal
from client_verify.installing import run
from client_verify.installing.report import Entry, sentence
from client_verify.places import Places
from client_verify.refusals import Refused, Usage


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "run",
        """
        Runs an installer as you would type it, and lets it have only what the pinned
        repositories have signed: from an index on this machine that ends with it,
        behind a fence against every other source. What was refused is said after the
        installer's own output.

          tallystick run -- pip install flask
          tallystick run -- uv sync --frozen
          tallystick run -- python -m pip install -r requirements.txt
          tallystick run --offline -- poetry install

        What is yanked is installed only by who names it (flask==3.1.2), with a warning.

        Exit codes: the installer's own if nothing was refused; else 3 rollback,
        4 expired, 5 invalid, 6 other bytes than signed, 7 may not be installed, 8 out
        of reach, 9 led past the index (tallystick explain). 2 if it was not run: the
        command or its configuration is mistaken, or nothing is pinned.
        """,
        [terminal.ABOUT, terminal.ACCEPTING],
    )
    command.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- INSTALLER ARGUMENT...", help="pip, uv, poetry or pdm"
    )
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
        terminal.keep(where, Entry("the repository", refused.code, refused.detail), run.program(command))
        return terminal.refusal(refused, "the repository", consequence)
    child, report = run.installer(command, verifier, os.environ)
    for entry in report.refused(child):
        terminal.complain(sentence(entry, f"Nothing of it was passed to {run.program(command)}."))
        terminal.keep(where, entry, run.program(command))
    for warning in report.warnings():
        terminal.warn(arguments, warning)
    for note in report.notes():
        terminal.complain(f"tallystick: note: {note}")
    return report.exit_code(child)
