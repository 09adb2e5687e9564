"""What a lock file says will be installed: files of a registry, things that no registry speaks for, and local trees."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a registry. ``filename`` is None where the lock names hashes alone, ``url`` where it names no address.

    ``name`` is in its normal form; ``sha256`` in lower-case hexadecimal. Every text is one clean line.
    """

    name: str
    version: str | None
    filename: str | None
    sha256: str
    size: int | None = None
    url: str | None = None

    @property
    def what(self) -> str:
        """The release as a person writes it."""
        return self.name if self.version is None else f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Unverifiable:
    """What an installer would install although nothing signed speaks about it, and why. ``sha256s`` are in it."""

    what: str
    why: str
    sha256s: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Local:
    """A source tree on this machine: the project itself, a workspace's member, an editable dependency."""

    what: str
    path: str


@dataclass(frozen=True, slots=True)
class Index:
    """The address of an index from which the lock was made or will be installed."""

    url: str


Item = Entry | Unverifiable | Local | Index


@dataclass(frozen=True, slots=True)
class Lock:
    """All that a lock file says."""

    entries: tuple[Entry, ...]
    unverifiable: tuple[Unverifiable, ...]
    local: tuple[Local, ...]
    indexes: tuple[Index, ...]

    @classmethod
    def of(cls, items: Iterable[Item]) -> "Lock":
        """Sorted by what they are, in their order, once each."""
        found = dict.fromkeys(items)
        return cls(
            tuple(item for item in found if isinstance(item, Entry)),
            tuple(item for item in found if isinstance(item, Unverifiable)),
            tuple(item for item in found if isinstance(item, Local)),
            tuple(item for item in found if isinstance(item, Index)),
        )
