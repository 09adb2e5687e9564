"""What the commands share: where they print, which repository they are about, and names as people write them."""

import argparse
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from textwrap import dedent, fill
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from client_verify import disk
from client_verify.accepted import NOTHING, Accepted
from client_verify.installing.report import Entry, sentence, wrapped
from client_verify.places import Places
from client_verify.refusals import USAGE, Refused, Usage
from keys import names

# What verifies takes longer to load than `tallystick explain` or a mistyped command takes altogether: it is imported
# where it is asked for, below.
if TYPE_CHECKING:
    from client_verify.fetching.sources import Source
    from client_verify.verifier import Verifier

OFFLINE: Final = "TALLYSTICK_OFFLINE"
# argparse's own name for what add_subparsers gives; it has no public one
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
ABOUT = argparse.ArgumentParser(add_help=False)
ABOUT.add_argument("--repo", metavar="NAME", help="one pinned repository, instead of all of them")
ABOUT.add_argument(
    "--offline",
    action="store_true",
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
ENDED_BY: Final = (signal.SIGTERM, signal.SIGHUP)
_WIDTH = 78
_COLUMNS: Final = 80


def command(
    commands: Commands, name: str, story: str, parents: Sequence[argparse.ArgumentParser] = ()
) -> argparse.ArgumentParser:
    """A command of the list in client_verify/cli.py. Its help is a story: the first paragraph stands before the
    options, the rest (examples, exit codes) after them.
    """
    return subcommand(commands, name, "", story, parents)


def subcommand(
    family: Commands, name: str, summary: str, story: str, parents: Sequence[argparse.ArgumentParser] = ()
) -> argparse.ArgumentParser:
    """A command within a command, with its line in the list of these."""
    before, _, after = dedent(story).strip("\n").partition("\n\n")
    return family.add_parser(
        name,
        parents=[*parents],
        help=summary,
        description=before,
        epilog=after,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def verifier(arguments: argparse.Namespace, _: Places, accepted: Accepted = NOTHING) -> "Verifier":
    """A verifier of what is pinned, or of --repo; it has asked for the newest snapshot, and its warnings are said."""
    from client_verify.verifier import Verifier

    made = arguments.verifier = Verifier.pinned(arguments.repo, accepted=accepted, source=source(arguments))
    made.open()
    warn_of_all(arguments)
    return made


def warn_of_all(arguments: argparse.Namespace) -> None:
    """Say what a person should know of what was asked of the repositories so far, if anything was."""
    if (made := getattr(arguments, "verifier", None)) is not None:
        for warning in made.warnings:
            warn(arguments, warning)


def warn(arguments: argparse.Namespace, sentence: str) -> None:
    """Say a warning, once for each command."""
    arguments.warned = said = getattr(arguments, "warned", set[str]())
    if sentence not in said:
        said.add(sentence)
        complain(f"tallystick: warning: {sentence}")


def source(arguments: argparse.Namespace) -> "Source":
    """Where bytes come from: what the option says, else the environment."""
    from client_verify.fetching.sources import offline, over_http

    return offline if arguments.offline or os.environ.get(OFFLINE, "0") not in ("", "0") else over_http


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


def keep(where: Places, entry: Entry, program: str) -> None:
    """Record a refusal for `tallystick log`; a warning if that cannot be."""
    from client_verify.installing import record

    try:
        record.append(where.log, record.refusal(entry, program, datetime.now(UTC)))
    except OSError as error:
        complain(f"tallystick: warning: this refusal could not be recorded in {where.log}: {error.strerror}")


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


def count(number: int, what: str, many: str | None = None) -> str:
    """``1 file``, ``2 files``; ``many`` where an s is not enough."""
    return f"{number} {what if number == 1 else many or f'{what}s'}"


def size(bytes_: int) -> str:
    """A number of bytes as people read it."""
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if bytes_ >= length:
            return f"{bytes_ / length:.1f} {unit}"
    return f"{bytes_} bytes"


@contextmanager
def manners() -> Iterator[None]:
    """What a person expects of any command: a character that their terminal cannot show is shown as its number; where
    nobody reads on (`| head`) it ends, silently; and a signal that ends it lets it take its temporary files away.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Whoever started us with `nohup` has said that SIGHUP is nothing to us.
    ours = [number for number in ENDED_BY if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _end)
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:  # of the output: of all else each command has its own words
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains of it at its end, too
        if isinstance(error, BrokenPipeError):
            raise SystemExit(128 + signal.SIGPIPE) from None
        complain(f"tallystick: what was asked for cannot be printed: {disk.complaint(error)}")
        raise SystemExit(USAGE) from None
    except KeyboardInterrupt:
        complain("tallystick: interrupted. Each file that was written is whole: run it again.")
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
