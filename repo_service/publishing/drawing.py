"""The deltas to what has just become public (docs/FORMAT.md, "Deltas"), written beside it when everything else is done.

Best effort: who dies here, or finds an older file gone, leaves a delta out, and clients download that file whole.
"""

import logging
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Final, Protocol

from keys import layout
from keys.deltas import Step, drawn_with, is_anchor
from keys.encoding import sha256
from repo_service.build.deltas import Origin, bin_delta, thorough_delta
from repo_service.build.metadata import metadata_path

MOST_BINS: Final = 512
"""Of one release. Whoever signs all bins again wants it over with; clients take most of theirs whole, once."""

logger: Final = logging.getLogger(__name__)


class Shelf(Protocol):
    """What drawing needs of a depot (storage/depot.py)."""

    def add(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Make files durable that never change."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if there is none."""


class Signed(Protocol):
    """What drawing needs of a signed file (build/metadata.py's Role)."""

    @property
    def name(self) -> str:
        """Of its role."""

    @property
    def version(self) -> int:
        """By which its file is named."""

    @property
    def body(self) -> bytes:
        """The whole file, with its signatures."""

    @property
    def digest(self) -> str:
        """The SHA-256 of ``body``, in hex."""


class Drawer:
    """Draws deltas into a depot, for one release after the other, and keeps the anchor in use at hand."""

    def __init__(self, depot: Shelf) -> None:
        self._depot = depot
        self._in_use: tuple[int, Origin] | None = None
        self._one_at_a_time = Lock()  # who publishes next need not wait for the last one's deltas

    def draw(self, roles: Iterable[Signed]) -> int:
        """Write the deltas to the files that a release signed, once it is public; how many there were.

        Never raises: a release is whole without them. Again is fine.
        """
        try:
            with self._one_at_a_time:
                files = list(self._deltas(roles))
            self._depot.add(files)
        except Exception:
            # Whatever it was, what is published stands; a depot that is broken stops the next release by itself. Also a
            # delta that another publisher drew with another zstd (Diverged): both are right.
            logger.warning("deltas were left out", exc_info=True)
            return 0
        return len(files)

    def _deltas(self, roles: Iterable[Signed]) -> Iterator[tuple[str, bytes]]:
        bins = 0
        for role in roles:
            if role.name.startswith(f"{layout.BIN_PREFIX}-"):
                bins += 1
                if bins <= MOST_BINS:
                    yield from self._deltas_of(role)
            elif role.name == layout.SNAPSHOT:
                yield from self._deltas_of(role)

    def _deltas_of(self, role: Signed) -> Iterator[tuple[str, bytes]]:
        for step in drawn_with(role.name, role.version):
            its = step.new == role.version
            new = role.body if its else self._read(step.role, step.new)
            if new and (delta := self._delta(step, new, role.digest if its else sha256(new))):
                yield step.path, delta

    def _delta(self, step: Step, new: bytes, digest: str) -> bytes | None:
        if self._in_use and (step.role, step.old) == (layout.SNAPSHOT, self._in_use[0]):
            return self._in_use[1].delta(new, digest)
        if (old := self._read(step.role, step.old) if step.old else b"") is None:
            return None
        if step.role != layout.SNAPSHOT:
            return bin_delta(old, new, digest)
        if is_anchor(step.new):
            return thorough_delta(old, new)
        origin = Origin(old)
        self._in_use = (step.old, origin)
        return origin.delta(new, digest)

    def _read(self, role: str, version: int) -> bytes | None:
        return self._depot.read(metadata_path(role, version))
