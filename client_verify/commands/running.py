"""Installers behind the verified index: run."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from client_verify.commands import terminal
from client_verify.installing import run
from client_verify.installing.report import sentence
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
    accepted = terminal.accepted(arguments, run.pinned(command))
    try:
        verifier = terminal.verifier(arguments, where, accepted)
    except Refused as refused:
        consequence = f"Nothing from this repository was passed to {_program(command)}, which was not run."
        return terminal.refusal(refused, "the repository", consequence)
    child, report = run.installer(command, verifier, os.environ)
    for entry in report.refused(child):
        terminal.complain(sentence(entry, f"Nothing of it was passed to {_program(command)}."))
    for warning in report.warnings():
        terminal.complain(f"tallystick: warning: {warning}")
    return report.exit_code(child)


def _program(command: Sequence[str]) -> str:
    # `python -m pip` is pip to whoever typed it.
    module = command[1:3] if command[1:2] == ["-m"] else []
    return module[1] if len(module) == 2 else Path(command[0]).name
