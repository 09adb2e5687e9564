"""Where the client keeps things on this machine: its trust, what it has verified, and a cache that may be lost."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import PlatformDirs

HOME: Final = "TALLYSTICK_HOME"
_APPLICATION: Final = "tallystick"


@dataclass(frozen=True, slots=True)
class Roots:
    """Where pins lie: ``own`` are this user's; ``shipped`` came for all users, by an administrator or in a package.

    The first of ``shipped`` that has a name wins, as in XDG_CONFIG_DIRS. Nothing here ever writes there.
    """

    own: Path
    shipped: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """``roots`` holds pins, ``data`` what was verified, ``blobs`` files by their SHA-256, ``log`` what was refused."""

    roots: Roots
    data: Path
    blobs: Path
    log: Path


def places(environ: Mapping[str, str]) -> Places:
    """The directories of this user, or all of them below ``TALLYSTICK_HOME``."""
    if home := environ.get(HOME):
        base = Path(home)
        config, data, cache = base / "config", base / "data", base / "cache"
    else:
        dirs = PlatformDirs(_APPLICATION, appauthor=False)
        config, data, cache = dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path
    return Places(Roots(config / "roots", _shipped()), data, cache / "blobs", data / "refusals.jsonl")


def _shipped() -> tuple[Path, ...]:
    """What applies to all users: /etc first, then XDG_CONFIG_DIRS or its like, then what wheels installed beside us."""
    site = PlatformDirs(_APPLICATION, appauthor=False, multipath=True).site_config_dir.split(os.pathsep)
    folders = [f"/etc/{_APPLICATION}", *site, f"{sys.prefix}/etc/{_APPLICATION}"]
    return tuple(Path(folder, "roots") for folder in dict.fromkeys(folders))
