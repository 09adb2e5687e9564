"""Where what a large release holds waits for its commit, so that memory need not hold it.

A release that changes the number of bins signs all of them; of PyPI they would be two gigabytes. One of an import has
pages and targets by the hundred thousand.
"""

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Generic, TypeVar

from repo_service.build.assemble import Placed
from repo_service.build.growth import LogFile
from repo_service.build.metadata import Role
from repo_service.build.pages import Page, Target

Kept = TypeVar("Kept", Role, Page, LogFile)


class _File:
    """A temporary file that has no name and goes with its process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this object lives
        weakref.finalize(self, self._file.close)
        self._end = 0

    def append(self, data: bytes) -> tuple[int, int]:
        """Where it lies: its start and its length."""
        start = self._end
        self._file.write(data)
        self._end += len(data)
        return start, len(data)

    def read(self, start: int, length: int) -> bytes:
        self._file.flush()
        data = os.pread(self._file.fileno(), length, start)
        assert len(data) == length, "a temporary file lost its end"
        return data


class Spool(Generic[Kept]):
    """Signed files, or pages, whose bytes are in a file. See ``assemble.Roles``."""

    def __init__(self) -> None:
        self._file = _File()
        self._places: list[tuple[Kept, int, int]] = []

    def append(self, one: Kept) -> None:
        """As ``Roles``: its bytes go into the file, and the rest of it stays in memory."""
        self._places.append((replace(one, body=b""), *self._file.append(one.body)))

    def extend(self, many: Iterable[Kept]) -> None:
        """As ``Roles``, one by one, so that no more than one body is in memory."""
        for one in many:
            self.append(one)

    def __getitem__(self, number: int) -> Kept:
        one, start, length = self._places[number]
        return replace(one, body=self._file.read(start, length))

    def __contains__(self, one: object) -> bool:
        return any(one == each for each in self)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Kept]:
        return (self[number] for number in range(len(self._places)))


class SpooledTargets:
    """Targets in a file, found again by their bins. See ``assemble.Placements``."""

    def __init__(self) -> None:
        self._file = _File()
        self._places: dict[int, array[int]] = {}

    def append(self, placed: Placed) -> None:
        """Into the file. Its place there, two numbers, stays in memory."""
        # Neither names nor paths nor canonical JSON of what we sign hold a line's end.
        written = "\n".join((placed.name, placed.target.path, placed.target.entry)).encode()
        self._places.setdefault(placed.bin, array("Q")).extend(self._file.append(written))

    def bins(self) -> Iterable[int]:
        """As ``Placements``."""
        return self._places.keys()

    def of(self, number: int) -> Sequence[Placed]:
        """As ``Placements``, read from the file."""
        places = self._places.get(number, ())
        return [self._read(number, *place) for place in zip(places[::2], places[1::2], strict=True)]

    def __iter__(self) -> Iterator[Placed]:
        return chain.from_iterable(map(self.of, sorted(self._places)))

    def _read(self, number: int, start: int, length: int) -> Placed:
        name, path, entry = self._file.read(start, length).decode().split("\n")
        return Placed(number, name, Target.said(path, entry))
