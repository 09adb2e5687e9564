"""What the commands share: where they print, which repository they are about, and names as people write them."""

import argparse
import shutil
import sys
from typing import Final, TypeAlias

from client_verify.installing.report import Entry, sentence, wrapped
from client_verify.places import Places
from client_verify.refusals import Refused, Usage
from client_verify.verifier import Verifier
from keys import names

# argparse's own name for what add_subparsers gives; it has no public one
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
ABOUT = argparse.ArgumentParser(add_help=False)
ABOUT.add_argument("--repo", metavar="NAME", help="one pinned repository, instead of all of them")
_COLUMNS: Final = 80
JSON = argparse.ArgumentParser(add_help=False)
JSON.add_argument("--json", action="store_true", help="for programs, on standard output")


def verifier(arguments: argparse.Namespace, _: Places) -> Verifier:
    """A verifier of what is pinned, or of --repo; it has asked for the newest snapshot, and its warnings are said."""
    made = Verifier.pinned(arguments.repo, accept_new_generation=getattr(arguments, "accept_new_generation", ()))
    made.open()
    for warning in made.warnings:
        complain(f"tallystick: warning: {warning}")
    return made


def name(text: str) -> str:
    """The normal form of a project's name; Usage if it can be none."""
    try:
        return names.normalise(text)
    except names.InvalidName as error:
        raise Usage(str(error)) from None


def refusal(refused: Refused, subject: str, consequence: str) -> int:
    """Say what was refused and what that means; its exit code."""
    complain(sentence(Entry(subject, refused.code, refused.detail), consequence))
    return refused.kind.exit


def complain(text: str) -> None:
    """Lines for the person, not for the pipe, in the width of their terminal (or ``COLUMNS``)."""
    print(wrapped(text, shutil.get_terminal_size((_COLUMNS, 0)).columns), file=sys.stderr)
