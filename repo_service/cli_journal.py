"""``tallystick-service`` for whoever keeps the database and the public files: do they agree, and what if not."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repo_service.wiring import Service, open_service

Open = Callable[[Path], Service]


def add_to(commands: Any, opened: Open) -> None:
    """Add these commands to a parser's; ``opened`` opens a service that was begun, in a folder."""

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=run)
        command.add_argument("folder", metavar="DIR", type=Path, help="the service's folder")
        return command

    del opened  # TODO
    add("migrate", _migrate, "move the tables of a database that an older tallystick made on; stop the service first")


def _migrate(options: argparse.Namespace) -> int:
    steps = open_service(options.folder).journal.migrate()
    print(f"Moved on by {', '.join(steps)}." if steps else "The tables are those of this tallystick already.")
    return 0
