"""What the commands share: where they print, which repository they are about, and names as people write them."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from textwrap import dedent, fill
from typing import Final, TypeAlias

from client_verify.accepted import NOTHING, Accepted
from client_verify.fetching.sources import Source, offline, over_http
from client_verify.installing.report import Entry, sentence, wrapped
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
ACCEPTING = argparse.ArgumentParser(add_help=False)
ACCEPTING.add_argument(
    "--accept-new-generation", metavar="NAME", action="append", default=[], help="its new holder is the right one"
)
ACCEPTING.add_argument(
    "--allow-security-yanked", metavar="NAME", action="append", default=[], help="install what is yanked for security"
)
ACCEPTING.add_argument(
    "--accept-yanks", metavar="NAME", action="append", default=[], help="go back to a lower version of it at once"
)
JSON = argparse.ArgumentParser(add_help=False)
JSON.add_argument("--json", action="store_true", help="for programs, on standard output")
_WIDTH = 78
_COLUMNS: Final = 80


def command(
    commands: Commands, name: str, summary: str, story: str, parents: Sequence[argparse.ArgumentParser] = ()
) -> argparse.ArgumentParser:
    """A command whose help is a story: its first paragraph stands before the options, the rest (examples, exit codes)
    after them.
    """
    before, _, after = dedent(story).strip("\n").partition("\n\n")
    return commands.add_parser(
        name,
        parents=[*parents],
        help=summary,
        description=before,
        epilog=after,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def verifier(arguments: argparse.Namespace, _: Places, accepted: Accepted = NOTHING) -> Verifier:
    """A verifier of what is pinned, or of --repo; it has asked for the newest snapshot, and its warnings are said."""
    made = Verifier.pinned(arguments.repo, accepted=accepted, source=source(arguments))
    made.open()
    for warning in made.warnings:
        complain(f"tallystick: warning: {warning}")
    return made


def source(arguments: argparse.Namespace) -> Source:
    """Where bytes come from: what the option says, else the environment."""
    given: Source | None = arguments.source
    return given or (over_http if os.environ.get(OFFLINE, "0") in ("", "0") else offline)


def accepted(arguments: argparse.Namespace, pinned: Iterable[tuple[str, str]] = ()) -> Accepted:
    """What was accepted with the options of ACCEPTING; ``pinned`` are the exact versions that were asked for."""
    return Accepted(
        frozenset(map(name, arguments.accept_new_generation)),
        frozenset(map(name, arguments.allow_security_yanked)),
        frozenset(map(name, arguments.accept_yanks)),
        frozenset(pinned),
    )


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


def tell(document: object) -> None:
    """A document for a program: JSON with sorted keys."""
    print(json.dumps(document, indent=2, sort_keys=True))


def folded(text: str, indent: str = "  ", hanging: str = "") -> str:
    """A sentence of any length as lines of a terminal; addresses and digests stay whole."""
    further = indent + hanging
    return fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )


def span(time: timedelta) -> str:
    """How long something is, in the one unit that people would name: ``2 days``, ``40 seconds``."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}s"
    return count(seconds, "second")


def count(number: int, what: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def size(bytes_: int) -> str:
    """A number of bytes as people read it."""
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if bytes_ >= length:
            return f"{bytes_ / length:.1f} {unit}"
    return f"{bytes_} bytes"
