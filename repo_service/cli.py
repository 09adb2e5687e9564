"""``tallystick-service``: the registry's side, for the person who runs it."""

import argparse
import importlib
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version

from repo_service.commands.table import COMMANDS, command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    words = sys.argv[1:] if arguments is None else arguments
    options = (parser(words[:1]) if words and words[0] in COMMANDS else _list()).parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.command
    return run(options)


def parser(names: Iterable[str] = COMMANDS) -> argparse.ArgumentParser:
    """What these commands are told. Only what they need is loaded, and one that holds a key needs little."""
    whole = _empty()
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for module in dict.fromkeys(COMMANDS[name][0] for name in names):
        importlib.import_module(f"repo_service.commands.{module}").add(commands)
    return whole


def _list() -> argparse.ArgumentParser:
    """Every command by name, for who asks for help or spelled one wrong."""
    whole = _empty()
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        command(commands, name)
    return whole


def _empty() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="tallystick-service",
        description="Signed state for a package registry: its API, its publisher and its public files.",
        epilog="Begin with: key DIR, then a ceremony (tallystick-ceremony), then init DIR, then serve DIR.",
    )
    whole.add_argument("--version", action="version", version=f"tallystick-service {version('tallystick')}")
    return whole


if __name__ == "__main__":
    sys.exit(main())
