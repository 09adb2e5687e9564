"""What was refused on this machine, and what it keeps only to be faster: log, cache."""

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from client_verify.commands import terminal
from client_verify.fetching import room
from client_verify.installing import record
from client_verify.installing.record import Refusal
from client_verify.places import Places
from client_verify.refusals import KINDS
from keys import strict
from keys.times import moment

_SPAN: Final = re.compile(r"([1-9]\d{0,5})([smhdw])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "log",
        """
        What was refused on this machine, the newest last.

        Example:
          tallystick log --since 2h
        """,
        [terminal.JSON],
    )
    command.add_argument("--since", type=_span, metavar="1h", help="only of the last 30m, 1h, 7d ...")
    command.set_defaults(answer=_log)

    parser = terminal.command(
        commands,
        "cache",
        """
        Files that were downloaded and verified, by their SHA-256. They are verified
        again on every use and may go at any time.

        What was verified about names and repositories is no cache: nothing here
        touches it. TALLYSTICK_CACHE_LIMIT (bytes, or 500M, 2G) is the most that stays.
        """,
    )
    family = parser.add_subparsers(required=True, metavar="COMMAND")
    command = terminal.subcommand(
        family, "info", "how much is kept, and where", "How many files are kept, and where.", [terminal.JSON]
    )
    command.set_defaults(answer=_info)
    command = terminal.subcommand(
        family,
        "purge",
        "delete downloaded files",
        """
        Delete downloaded files: all, or those that were not used for a while.

        Example:
          tallystick cache purge --older-than 30d
        """,
        [terminal.JSON],
    )
    command.add_argument("--older-than", type=_span, metavar="30d", help="only what was not used for so long")
    command.set_defaults(answer=_purge)


def as_json(refusal: Refusal) -> dict[str, Any]:
    """``at, repository, subject, code, detail, program, exit``."""
    return {**strict.dump(refusal), "exit": KINDS[refusal.code].exit}


def as_text(refusal: Refusal) -> Iterator[str]:
    """A refusal of the past for a person."""
    whose = f' of "{refusal.repository}"' if refusal.repository else ""
    yield f"{refusal.at}  {refusal.subject}{whose}: {KINDS[refusal.code].title}"
    see = f"See: tallystick explain {refusal.code}"
    yield terminal.folded(f"{refusal.detail.rstrip('.')}. In {refusal.program}. {see}")


def cache_as_json(where: Places) -> dict[str, Any]:
    """``directory``, ``files``, ``bytes``, and the ``limit`` of these."""
    sizes = [entry.stat().st_size for entry in room.kept(where.blobs)]
    limits = {"limit": where.cache_limit}
    return {"directory": str(where.blobs), "files": len(sizes), "bytes": sum(sizes), **limits}


def cache_line(where: Places) -> str:
    """How much is kept, in one line."""
    cached = cache_as_json(where)
    held = f"{terminal.size(cached['bytes'])} of at most {terminal.size(cached['limit'])}"
    return f"cache: {terminal.count(cached['files'], 'file')}, {held}, in {cached['directory']}"


def _log(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``refusals`` (each as ``as_json``) and ``unreadable``, the number of lines that cannot be read."""
    known = record.read(where.log)
    earliest = datetime.now(UTC) - arguments.since if arguments.since else None
    noted = [each for each in known.refusals if earliest is None or moment(each.at) >= earliest]
    if arguments.json:
        terminal.tell({"refusals": [as_json(each) for each in noted], "unreadable": known.unreadable})
        return 0
    for each in noted:
        print("\n".join(as_text(each)))
    if not noted:
        print(f"Nothing was refused{' since then' if arguments.since else ''}.")
    if known.unreadable:
        terminal.complain(f"tallystick: warning: {known.unreadable} lines of {where.log} cannot be read")
    return 0


def _info(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: as ``cache_as_json``."""
    if arguments.json:
        terminal.tell(cache_as_json(where))
    else:
        print(cache_line(where))
    return 0


def _purge(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``deleted`` and ``kept``, each a number of files, and ``bytes`` that are free now."""
    latest = (datetime.now(UTC) - (arguments.older_than or timedelta())).timestamp()
    there = list(room.kept(where.blobs))
    old = [entry for entry in there if entry.stat().st_mtime <= latest]
    freed = sum(entry.stat().st_size for entry in old)
    for entry in old:
        Path(entry.path).unlink(missing_ok=True)
    if arguments.json:
        terminal.tell({"deleted": len(old), "kept": len(there) - len(old), "bytes": freed})
    else:
        print(f"{terminal.count(len(old), 'file')} deleted, {terminal.size(freed)}; {len(there) - len(old)} kept.")
        print("What was verified about names and repositories is untouched.")
    return 0


def _span(text: str) -> timedelta:
    if not (match := _SPAN.fullmatch(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time: write 30m, 1h, 7d or 2w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
