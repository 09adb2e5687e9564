"""Where the client keeps things on this machine: its trust, what it has verified, and a cache that may be lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import PlatformDirs

HOME: Final = "TALLYSTICK_HOME"


@dataclass(frozen=True, slots=True)
class Places:
    """``roots`` holds what people pinned, ``data`` what was verified, ``blobs`` files by their SHA-256."""

    roots: Path
    data: Path
    blobs: Path


def places(environ: Mapping[str, str]) -> Places:
    """The directories of this user, or all of them below ``TALLYSTICK_HOME``."""
    if home := environ.get(HOME):
        base = Path(home)
        config, data, cache = base / "config", base / "data", base / "cache"
    else:
        dirs = PlatformDirs("tallystick", appauthor=False)
        config, data, cache = dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path
    return Places(config / "roots", data, cache / "blobs")
