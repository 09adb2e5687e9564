"""The plugin's own file: which index of devpi is signed by which service.

    outbox = "outbox.sqlite"

    [indexes."root/prod"]
    service = "https://tallystick.example"
    token_file = "tallystick.token"
    files = "https://devpi.example"

Paths are beside the file. ``files`` is devpi as installers reach it: the addresses of files that are signed begin so.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keys import strict
from repo_service.calling.line import checked_address


class BadConfiguration(Exception):
    """The file cannot be used; the message says what is wrong with it, and nothing was done."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index of devpi, ``USER/NAME``, and the service that signs it and no other."""

    service: str
    token_file: Path
    files: str
    reconcile_s: int

    @property
    def token(self) -> str:
        """Read each time, so that a new one needs no restart. OSError if it cannot be read."""
        return self.token_file.read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class Configuration:
    """Which indexes are signed, and where what happened in them waits."""

    outbox: Path
    indexes: dict[str, Index]


@dataclass(frozen=True, slots=True)
class _Index:
    service: str
    token_file: str
    files: str
    reconcile_s: int = 3600

    def __post_init__(self) -> None:
        checked_address(self.service)
        if not self.files.startswith(("https://", "http://")):
            raise ValueError(f"files is an address that begins with https://, not {self.files!r:.80}")
        if self.reconcile_s < 1:
            raise ValueError(f"reconcile_s is {self.reconcile_s}; it is a number of seconds, at least 1")


def read(path: Path) -> Configuration:
    """The configuration in a file. Raises BadConfiguration."""
    try:
        return _configuration(tomllib.loads(path.read_text(encoding="utf-8")), path.absolute().parent)
    except (OSError, ValueError) as error:
        raise BadConfiguration(f"{path}: {error}. Nothing was done") from None


def _configuration(said: dict[str, Any], folder: Path) -> Configuration:
    indexes = said.pop("indexes", {})
    if unknown := sorted(said.keys() - {"outbox"}):
        raise ValueError(f"there is no setting {unknown[0]!r}")
    if not isinstance(indexes, dict) or not indexes:
        raise ValueError('no index is named; write [indexes."root/prod"]')
    found = {name: _index(strict.load(_Index, own, f"indexes.{name}"), folder) for name, own in indexes.items()}
    if wrong := [name for name in found if len(name.split("/")) != 2]:
        raise ValueError(f"{wrong[0]!r} is no index; devpi calls them USER/NAME, such as root/prod")
    services = [index.service for index in found.values()]
    if len(set(services)) < len(services):
        raise ValueError("two indexes have the same service; each is signed by a service of its own")
    return Configuration(folder / strict.load(str, said.get("outbox", "outbox.sqlite"), "outbox"), found)


def _index(own: _Index, folder: Path) -> Index:
    return Index(own.service.rstrip("/"), folder / own.token_file, own.files.rstrip("/"), own.reconcile_s)
