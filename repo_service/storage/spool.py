"""Where the bytes of many signed files wait for their commit, so that memory need not hold them.

A release that changes the number of bins signs all of them; of PyPI they would be two gigabytes.
"""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from datetime import datetime

from repo_service.build.metadata import Role


class Spool:
    """Signed files in a temporary file that has no name and goes with its process. See ``assemble.Roles``."""

    def __init__(self) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this object lives
        weakref.finalize(self, file.close)
        self._descriptor = file.fileno()
        self._end = 0
        self._places: list[tuple[str, int, datetime, int, int]] = []

    def append(self, role: Role) -> None:
        written = 0
        while written < len(role.body):
            written += os.pwrite(self._descriptor, role.body[written:], self._end + written)
        self._places.append((role.name, role.version, role.expires, self._end, len(role.body)))
        self._end += len(role.body)

    def extend(self, roles: Iterable[Role]) -> None:
        for role in roles:
            self.append(role)

    def __getitem__(self, number: int) -> Role:
        name, version, expires, start, length = self._places[number]
        body = os.pread(self._descriptor, length, start)
        assert len(body) == length, "a temporary file lost its end"
        return Role(name, version, expires, body)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Role]:
        return (self[number] for number in range(len(self._places)))
