"""What was refused on this machine, and what it keeps only to be faster: log, cache."""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from client_verify.commands import terminal
from client_verify.places import Places
from client_verify.refusals import KINDS
from keys import strict
from keys.times import moment

_SPAN: Final = re.compile(r"([1-9]\d{0,5})([smhdw])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Noted:
    """A line of the log: when, of what, which kind and why, in which program's run, and of which repository."""

    at: str
    subject: str
    code: str
    detail: str
    program: str
    repository: str | None = None

    def __post_init__(self) -> None:
        moment(self.at)


@dataclass(frozen=True, slots=True)
class Log:
    """The refusals in the order in which they came, and how many lines could not be read."""

    noted: list[Noted]
    unreadable: int


def read(path: Path) -> Log:
    """The log, one JSON object a line; empty if nothing was ever refused."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    read = [noted for line in lines if (noted := _noted(line)) is not None]
    return Log(read, len(lines) - len(read))


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "log",
        "what was refused on this machine",
        """
        What was refused on this machine, the newest last.

          tallystick log --since 2h
        """,
        [terminal.JSON],
    )
    command.add_argument("--since", type=_span, metavar="1h", help="only of the last 30m, 1h, 7d ...")
    command.set_defaults(answer=_log)

    parser = terminal.command(
        commands,
        "cache",
        "what is kept only to be faster: info, purge",
        """
        Files that were downloaded and verified, by their SHA-256. They are verified
        again on every use and may go at any time.

        What was verified about names and repositories is no cache: nothing here
        touches it. TALLYSTICK_CACHE_LIMIT (bytes, or 500M, 2G) is the most that stays.
        """,
    )
    family = parser.add_subparsers(required=True, metavar="COMMAND")
    command = terminal.command(
        family, "info", "how much is kept, and where", "How many files are kept, and where.", [terminal.JSON]
    )
    command.set_defaults(answer=_info)
    command = terminal.command(
        family,
        "purge",
        "delete downloaded files",
        """
        Delete downloaded files: all, or those that were not used for a while.

          tallystick cache purge --older-than 30d
        """,
        [terminal.JSON],
    )
    command.add_argument("--older-than", type=_span, metavar="30d", help="only what was not used for so long")
    command.set_defaults(answer=_purge)


def as_json(noted: Noted) -> dict[str, Any]:
    """``at, subject, code, detail, program, repository, exit``."""
    kind = next((kind for code, kind in KINDS.items() if code == noted.code), None)
    return {**strict.dump(noted), "exit": kind and kind.exit}


def as_text(noted: Noted) -> Iterator[str]:
    """A line of the log for a person."""
    kind = next((kind for code, kind in KINDS.items() if code == noted.code), None)
    whose = f' of "{noted.repository}"' if noted.repository else ""
    yield f"{noted.at}  {noted.subject}{whose}: {kind.title if kind else noted.code}"
    yield terminal.folded(f"{noted.detail.rstrip('.')}. In {noted.program}; see: tallystick explain {noted.code}")


def cache_as_json(where: Places) -> dict[str, Any]:
    """``directory``, ``files`` and ``bytes``."""
    sizes = [path.stat().st_size for path in _blobs(where)]
    return {"directory": str(where.blobs), "files": len(sizes), "bytes": sum(sizes)}


def cache_line(where: Places) -> str:
    """How much is kept, in one line."""
    cached = cache_as_json(where)
    return f"cache: {cached['files']} files, {terminal.size(cached['bytes'])}, in {cached['directory']}"


def _log(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``refusals`` (each as ``as_json``) and ``unreadable``, the number of lines that cannot be read."""
    log = read(where.log)
    earliest = datetime.now(UTC) - arguments.since if arguments.since else None
    noted = [each for each in log.noted if earliest is None or moment(each.at) >= earliest]
    if arguments.json:
        terminal.tell({"refusals": [as_json(each) for each in noted], "unreadable": log.unreadable})
        return 0
    for each in noted:
        print("\n".join(as_text(each)))
    if not noted:
        print(f"Nothing was refused{' since then' if arguments.since else ''}.")
    if log.unreadable:
        terminal.complain(f"tallystick: warning: {log.unreadable} lines of {where.log} cannot be read")
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
    all_of_them = list(_blobs(where))
    old = [path for path in all_of_them if path.stat().st_mtime <= latest]
    freed = sum(path.stat().st_size for path in old)
    for path in old:
        path.unlink(missing_ok=True)
    if arguments.json:
        terminal.tell({"deleted": len(old), "kept": len(all_of_them) - len(old), "bytes": freed})
    else:
        print(f"{len(old)} files deleted, {terminal.size(freed)}; {len(all_of_them) - len(old)} kept.")
        print("What was verified about names and repositories is untouched.")
    return 0


def _blobs(where: Places) -> Iterator[Path]:
    return (path for path in where.blobs.iterdir() if path.is_file()) if where.blobs.is_dir() else iter(())


def _noted(line: bytes) -> Noted | None:
    try:
        noted = strict.load(Noted, strict.parse(line))
        for text in (noted.subject, noted.detail, noted.program):
            strict.line(text)  # a hostile server's words must not move the cursor
    except ValueError:
        return None
    return noted


def _span(text: str) -> timedelta:
    if not (match := _SPAN.fullmatch(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time: write 30m, 1h, 7d or 2w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
