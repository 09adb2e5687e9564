"""What a refusal means and what to do: explain."""

import argparse
from textwrap import fill

from client_verify.commands import terminal
from client_verify.places import Places
from client_verify.refusals import KINDS


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = commands.add_parser("explain", help="what a refusal means and what to do")
    command.add_argument("code", nargs="?", choices=sorted(KINDS))
    command.set_defaults(answer=_explain)


def _explain(arguments: argparse.Namespace, _: Places) -> int:
    for code in [arguments.code] if arguments.code else KINDS:
        kind = KINDS[code]
        print(f"{code} (exit code {kind.exit}): {kind.title}")
        print(fill(kind.explanation, 78, initial_indent="  ", subsequent_indent="  "))
    return 0
