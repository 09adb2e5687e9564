"""The release that a directory held before a newer one was verified, to put it back where something refuses the newer.

python-tuf writes as it verifies. What it lets in and the log does not was never here: a thief's high version would lock
out every honest one after it.
"""

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from keys import layout

_ROLES: Final = (layout.TIMESTAMP, layout.SNAPSHOT)  # the timestamp first: without its snapshot it is fetched again


class Before:
    """Of python-tuf's directory as it is now."""

    def __init__(self, directory: Path) -> None:
        self._files = {path: _content(path) for role in _ROLES for path in [directory / f"{role}.json"]}

    def put_back(self) -> None:
        """As it was then. Killed half way, the snapshot is fetched again."""
        for path, data in self._files.items():
            if data is None:
                path.unlink(missing_ok=True)
            elif data != _content(path):
                _replace(path, data)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _replace(path: Path, data: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
