"""What a command line gives an installer, itself or in requirements files: requirements, among other words."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_FILE: Final = re.compile(r"-r(.+)|--requirements?=(.+)", re.DOTALL)
_MOST_BYTES: Final = 4 << 20


def written(command: Sequence[str], folder: Path) -> list[str]:
    """All of it, in the order in which it is written; requirements files are found from a folder."""
    words = [word for word in command[1:] if not word.startswith("-")]
    lines = [line for file in _files(command) for line in content(folder / file).splitlines()]
    return [*words, *(line.partition("#")[0].partition(" --")[0].rstrip("\\ ") for line in lines)]


def content(path: Path) -> str:
    """The beginning of a file, nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _files(command: Sequence[str]) -> Iterator[str]:
    """Requirements files that a command line names, in each of the spellings of pip's option."""
    for word, after in zip(command, [*command[1:], ""], strict=True):
        if word in ("-r", "--requirement", "--requirements"):
            yield after
        elif match := _FILE.fullmatch(word):
            yield match[1] or match[2]
