"""A file of lines, one project each (docs/FORMAT.md, "Import")."""

from collections.abc import Iterator
from typing import IO

from keys.encoding import sha256
from repo_service.importing.entries import MAX_LINE, Entry, Problem


def lines(file: IO[bytes], name: str) -> Iterator[Entry | Problem]:
    """Every line, not read yet, with its place. An empty line is none."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            yield Problem(f"{name}:{number}", f"is longer than {MAX_LINE} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
        elif said := line.strip():
            yield Entry(f"{name}:{number}", sha256(said), said)
