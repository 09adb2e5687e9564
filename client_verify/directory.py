"""A repository's data directory: where it lies, and whose turn it is in it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from client_verify.remembering.memory import Memory
from client_verify.trust import Pin
from keys.encoding import sha256

MEMORY: Final = "memory.sqlite"


def data_directory(data: Path, pin: Pin) -> Path:
    """Where a repository's verified state lies: another address is another repository."""
    return data / f"{pin.name}-{sha256(pin.url.encode())[:16]}"


def forget(directory: Path, name: str) -> bool:
    """Begin again with a name whose page the registry contradicted, in its data directory; False if it did not."""
    with alone(directory):
        return Memory(directory / MEMORY).forget(name)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """One at a time, as python-tuf asks for a metadata directory: flock keeps out processes and threads alike."""
    with (directory / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
