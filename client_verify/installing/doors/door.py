"""A side door, and the files in which doors are looked for: where it is, what comes in by it, what to do about it."""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from client_verify.installing.index import LOOPBACK

LARGEST: Final = 64 << 20
"""Bytes of a file that is read for doors: lock files are large."""


@dataclass(frozen=True, slots=True)
class Door:
    """``where`` is a variable, or a file with the line if one could be found; ``what`` and ``remedy`` are sentences."""

    where: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an installer would find: its person's variables and home, the project's folder, and the port of ours."""

    environ: Mapping[str, str]
    home: Path
    project: Path
    port: int

    @property
    def cache_home(self) -> Path:
        """As platformdirs finds it, which poetry asks."""
        own = "Library/Caches" if sys.platform == "darwin" else ".cache"
        return Path(self.environ.get("XDG_CACHE_HOME") or self.home / own)

    @property
    def config_homes(self) -> list[Path]:
        """Where a person configures programs; the second is macOS's."""
        own = self.environ.get("XDG_CONFIG_HOME")
        return [Path(own) if own else self.home / ".config", self.home / "Library" / "Application Support"]

    @property
    def config_dirs(self) -> list[Path]:
        """Where an administrator configures for all users."""
        return [Path(each) for each in (self.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if each]

    def above(self) -> list[Path]:
        """The project's folder and those around it, the nearest first."""
        return [self.project, *self.project.parents]

    def elsewhere(self, url: str) -> bool:
        """Is this the address of another place than the verified index? A path is one."""
        parts = urlsplit(url)
        return parts.scheme != "http" or parts.netloc not in (f"{LOOPBACK}:{self.port}", f"localhost:{self.port}")


@dataclass(frozen=True, slots=True)
class Text:
    """A file that was there and could be read."""

    path: Path
    content: str

    def at(self, *words: str) -> str:
        """The file, and the first line that has all of these words."""
        for number, line in enumerate(self.content.splitlines(), 1):
            if all(word in line for word in words):
                return f"{self.path}:{number}"
        return str(self.path)

    def toml(self) -> dict[str, Any]:
        """Its tables; none if it is not TOML, which its installer will say."""
        try:
            return tomllib.loads(self.content)
        except tomllib.TOMLDecodeError:
            return {}


def text(path: Path) -> Text | None:
    """A file, unless it is not there, larger than anything that is read for doors, or not ours to read."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        return Text(path, path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def texts(paths: Iterator[Path] | list[Path]) -> Iterator[Text]:
    """Those of the files that can be read, each once."""
    return (found for path in dict.fromkeys(paths) if (found := text(path)) is not None)


def table(value: object, *keys: str) -> dict[str, Any]:
    """The table at these keys, or an empty one: what others wrote has any shape."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def tables(value: object) -> list[dict[str, Any]]:
    """The tables of an array of tables."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """One string or several."""
    several = value if isinstance(value, list) else [value]
    return [each for each in several if isinstance(each, str)]
