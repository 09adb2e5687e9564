"""Which repositories are trusted, and what was verified last: trust add, list, show, remove; status."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from client_verify import trust
from client_verify.commands import describe, terminal
from client_verify.places import Places
from client_verify.refusals import Usage
from client_verify.session import data_directory


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = commands.add_parser("status", help="what is pinned, and what was verified last")
    command.set_defaults(answer=_status)
    _add_trust(commands.add_parser("trust", help="pin, list or remove repositories"))


def _add_trust(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("add", help="trust a repository from this root on")
    command.add_argument("name")
    command.add_argument("--url", required=True)
    command.add_argument("--root", required=True, type=Path, metavar="FILE")
    command.add_argument("--fingerprint", metavar="sha256:HEX")
    command.add_argument(
        "--prefix", action="append", default=[], help="speak only for this name and names that begin with it and '-'"
    )
    command.add_argument(
        "--mirror", action="append", default=[], metavar="URL", help="another address of the same files"
    )
    command.set_defaults(answer=_add)

    command = commands.add_parser("list", help="every pinned repository")
    command.set_defaults(answer=_list)

    command = commands.add_parser("show", help="the pinned root file")
    command.add_argument("name")
    command.set_defaults(answer=_show)

    command = commands.add_parser("remove", help="trust it no longer; keep what was verified")
    command.add_argument("name")
    command.set_defaults(answer=_remove)


def _status(_: argparse.Namespace, where: Places) -> int:
    for pin in trust.pins(where.roots):
        print("\n".join(describe.status(pin, data_directory(where.data, pin), datetime.now(UTC))))
    return 0


def _add(arguments: argparse.Namespace, where: Places) -> int:
    pin = trust.checked(arguments.name, arguments.url, arguments.root.read_bytes(), arguments.prefix, arguments.mirror)
    if arguments.fingerprint not in (None, pin.fingerprint):
        raise Usage(
            f"the root file's fingerprint is {pin.fingerprint}, not {arguments.fingerprint}. "
            "It is not the file that you were told about. Nothing was written."
        )
    trust.add(where.roots, pin)
    print(f"{pin.name} is pinned: {pin.url}\n  root {pin.fingerprint}")
    if pin.prefixes:
        print(f"  for {', '.join(pin.prefixes)}, and names that begin with one of them and '-'")
    if arguments.fingerprint is None:
        print("  Compare this fingerprint with one that you got by another way.")
    if pin.is_rehearsal:
        terminal.complain(
            "tallystick: warning: THIS IS A REHEARSAL ROOT. Its keys are thrown away; trust nothing it signs."
        )
    return 0


def _list(_: argparse.Namespace, where: Places) -> int:
    for pin in trust.pins(where.roots):
        print(f"{pin.name}  {pin.url}  {pin.fingerprint}")
    return 0


def _show(arguments: argparse.Namespace, where: Places) -> int:
    sys.stdout.buffer.write(trust.load(where.roots, arguments.name).root)
    return 0


def _remove(arguments: argparse.Namespace, where: Places) -> int:
    trust.remove(where.roots, arguments.name)
    print(f"{arguments.name} is no longer trusted. What was verified stays in {where.data}.")
    return 0
