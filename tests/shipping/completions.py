"""The completions of docs/completions, made from the parsers by shtab: ``python -m tests.shipping.completions`` writes
them again.
"""

import argparse
import copy
from pathlib import Path
from typing import Any, Final

import shtab

from tests.shipping.manual import PAGES, ROOT

FOLDER: Final = ROOT / "docs" / "completions"
FILES: Final = {"bash": "{}", "zsh": "_{}", "fish": "{}.fish"}
"""How each shell wants the file of a command to be called."""


def write() -> None:
    """Every completion again."""
    for shell, name in FILES.items():
        (FOLDER / shell).mkdir(parents=True, exist_ok=True)
        for page in PAGES:
            (FOLDER / shell / name.format(page.name)).write_text(written(page.parser, shell), "utf-8")


def written(parser: argparse.ArgumentParser, shell: str) -> str:
    """What a shell reads to complete a command."""
    own = copy.deepcopy(parser)
    _mark(own)
    return str(shtab.complete(own, shell=shell)) + "\n"


def _mark(parser: argparse.ArgumentParser) -> None:
    """Say where a path is wanted, in the attribute that shtab reads, and make of a command's story its one line."""
    for action in parser._actions:
        marked: Any = action
        if isinstance(action, argparse._SubParsersAction):
            for listed in action._choices_actions:
                command: argparse.ArgumentParser = action.choices[listed.dest]  # type: ignore[index]
                command.description = listed.help
                _mark(command)
        elif action.type is Path:
            marked.complete = shtab.DIR if "DIR" in str(action.metavar) else shtab.FILE


if __name__ == "__main__":
    write()
