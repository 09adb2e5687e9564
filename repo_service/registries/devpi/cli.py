"""``tallystick-devpi``: what waits in a devpi-server's outbox, and what a person can do about it.

It works on the outbox alone, beside a devpi-server that runs or does not.
"""

import argparse
import json
import secrets
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from repo_service.registries.devpi import configuration
from repo_service.registries.devpi.configuration import Configuration
from repo_service.registries.devpi.outbox import Outbox, Row

DONE: Final = 0
NEEDS_YOU: Final = 1
USAGE: Final = 2


class NotDone(Exception):
    """What was asked for cannot be done; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0: all is well; 1: something waits for a person; 2: it cannot be done."""
    options = parser().parse_args(arguments)
    try:
        own = configuration.read(options.file)
        if not own.outbox.exists():  # made here it might be a file that devpi-server's user cannot write
            raise NotDone(
                f"{own.outbox} is not there: no devpi-server was started with this file yet. Nothing was done"
            )
        return int(options.command(own, Outbox(own.outbox), options))
    except (NotDone, configuration.BadConfiguration) as error:
        print(f"tallystick-devpi: {error}", file=sys.stderr)
        return USAGE


def parser() -> argparse.ArgumentParser:
    """Every command, with its options."""
    whole = argparse.ArgumentParser("tallystick-devpi", description="what devpi-server's outbox holds, and what to do")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: object, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=command)
        made.add_argument("file", metavar="FILE", type=Path, help="the file that devpi-server --tallystick names")
        return made

    add("status", _status, "what waits, since when and why; exit status 1 if it waits for a person")
    reconcile = add(
        "reconcile", _reconcile, "let devpi-server compare each index with what is signed, and send the rest"
    )
    reconcile.add_argument(
        "--gone", dest="what", action="store_const", const="gone", default="changed",
        help="also unpublish every project that is signed and that the index does not have",
    )  # fmt: skip
    reconcile.add_argument("--wait", type=float, default=60, metavar="SECONDS", help="for its answer (default: 60)")
    for name, command, text in (
        ("retry", _retry, "send a refused row again"),
        ("skip", _skip, "never send a row; the project's next ones go out"),
    ):
        add(name, command, text).add_argument(
            "rows", metavar="ROW", type=int, nargs="+", help="its number, as status prints it"
        )
    return whole


def _status(own: Configuration, outbox: Outbox, _: argparse.Namespace) -> int:
    needs_you = False
    for name, index in own.indexes.items():
        rows, trouble = outbox.open_rows(name), outbox.noted(name, "trouble")
        refused = [row for row in rows if row.standing == "refused"]
        needs_you = needs_you or bool(refused or trouble)
        print(f"{name} -> {index.service}")
        _say(f"waiting: {_waiting([row for row in rows if row.standing == 'waiting'])}")
        if trouble:
            _say("trouble since " + trouble.replace(" ", ": ", 1))
        _say(_compared(outbox.noted(name, "compared")))
        for row in refused:
            _say(f"refused: {_named(row)}")
            for line in (row.why or "").splitlines():
                _say(f"  {line.strip()}")
    return NEEDS_YOU if needs_you else DONE


def _reconcile(own: Configuration, outbox: Outbox, options: argparse.Namespace) -> int:
    asked = {name: secrets.token_hex(8) for name in own.indexes}
    for name, identifier in asked.items():
        outbox.note(name, "asked", f"{identifier} {options.what}")
    ends = time.monotonic() + options.wait
    for name, identifier in asked.items():
        while json.loads(outbox.noted(name, "compared") or "{}").get("asked") != identifier:
            if time.monotonic() >= ends:
                trouble = (
                    outbox.noted(name, "trouble") or "no devpi-server runs with this file, or it has much to compare"
                )
                raise NotDone(f"{name} is not compared yet: {trouble.rstrip('.')}. It will be; look at status")
            time.sleep(0.2)
        print(name)
        _say(_compared(outbox.noted(name, "compared")))
    return DONE


def _retry(_: Configuration, outbox: Outbox, options: argparse.Namespace) -> int:
    for row in [_open(outbox, number) for number in options.rows]:
        outbox.retry(row)
        print(f"will be sent again: {_named(row)}")
    return DONE


def _skip(_: Configuration, outbox: Outbox, options: argparse.Namespace) -> int:
    for row in [_open(outbox, number) for number in options.rows]:
        outbox.skip(row)
        print(f"will never be sent: {_named(row)}")
    return DONE


def _open(outbox: Outbox, number: int) -> Row:
    row = outbox.row(number)
    if row is None or row.standing not in ("waiting", "refused"):
        raise NotDone(f"no row {number} waits; status lists those that do. Nothing was changed")
    return row


def _waiting(rows: Sequence[Row]) -> str:
    if not rows:
        return "nothing"
    return f"{_counted(len(rows))}, the first since {rows[0].at}: {_named(rows[0])}"


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _compared(report: str) -> str:
    if not report:
        return "never compared with what is signed"
    said = json.loads(report)
    text = f"compared at {said['at']} (devpi's serial {said['serial']}): {_counted(said['added'])} to send"
    if not (gone := said["gone"]):
        return text
    shown = ", ".join(gone[:5]) + (", …" if len(gone) > 5 else "")
    return f"{text}; signed, and not in the index: {len(gone)} ({shown}), which reconcile --gone unpublishes"


def _named(row: Row) -> str:
    what = "" if row.stood.files else " (gone)"
    return f"row {row.number}, {row.stood.project} {row.stood.version}{what}, devpi's serial {row.stood.serial}"


def _say(text: str) -> None:
    """A line below an index, folded."""
    indent = "  " + " " * (len(text) - len(text.lstrip()))
    print(
        textwrap.fill(
            text.strip(), 80, initial_indent=indent, subsequent_indent=f"{indent}  ",
            break_long_words=False, break_on_hyphens=False,
        )
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
