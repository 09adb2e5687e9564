"""What the commands share: where they print, which repository they are about, and names as people write them."""

import argparse
import os
import sys
from typing import Final, TypeAlias

from client_verify.fetching.sources import Source, offline, over_http
from client_verify.installing.report import Entry, sentence
from client_verify.places import Places
from client_verify.refusals import Refused, Usage
from client_verify.verifier import Verifier
from keys import names

OFFLINE: Final = "TALLYSTICK_OFFLINE"
# argparse's own name for what add_subparsers gives; it has no public one
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
ABOUT = argparse.ArgumentParser(add_help=False)
ABOUT.add_argument("--repo", metavar="NAME", help="one pinned repository, instead of all of them")
ABOUT.add_argument(
    "--offline",
    dest="source",
    action="store_const",
    const=offline,
    help=f"use what this machine has verified, until its date ({OFFLINE}=1 does the same)",
)
JSON = argparse.ArgumentParser(add_help=False)
JSON.add_argument("--json", action="store_true", help="for programs, on standard output")


def verifier(arguments: argparse.Namespace, _: Places) -> Verifier:
    """A verifier of what is pinned, or of --repo; it has asked for the newest snapshot, and its warnings are said."""
    accepted = getattr(arguments, "accept_new_generation", ())
    made = Verifier.pinned(arguments.repo, accept_new_generation=accepted, source=source(arguments))
    made.open()
    for warning in made.warnings:
        complain(f"tallystick: warning: {warning}")
    return made


def source(arguments: argparse.Namespace) -> Source:
    """Where bytes come from: what the option says, else the environment."""
    given: Source | None = arguments.source
    return given or (over_http if os.environ.get(OFFLINE, "0") in ("", "0") else offline)


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
    """A line for the person, not for the pipe."""
    print(text, file=sys.stderr)
