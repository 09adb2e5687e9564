"""Where the client keeps things on this machine: its trust, what it has verified, and a cache that may be lost."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import PlatformDirs

from client_verify.fetching.room import LIMIT
from client_verify.refusals import Usage

HOME: Final = "TALLYSTICK_HOME"
CACHE_LIMIT: Final = "TALLYSTICK_CACHE_LIMIT"
_SIZE: Final = re.compile(r"(\d{1,15})([KMG]?)", re.ASCII | re.IGNORECASE)
_SHIFTS: Final = {"": 0, "K": 10, "M": 20, "G": 30}
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
    """``roots`` holds pins, ``data`` what was verified, ``log`` what was refused, ``blobs`` files by their SHA-256, of
    which ``cache_limit`` bytes are kept.
    """

    roots: Roots
    data: Path
    blobs: Path
    log: Path
    cache_limit: int = LIMIT


def places(environ: Mapping[str, str]) -> Places:
    """The directories of this user, or all of them below ``TALLYSTICK_HOME``."""
    if home := environ.get(HOME):
        base = Path(home)
        config, data, cache = base / "config", base / "data", base / "cache"
    else:
        dirs = PlatformDirs(_APPLICATION, appauthor=False)
        config, data, cache = dirs.user_config_path, dirs.user_data_path, dirs.user_cache_path
    return Places(Roots(config / "roots", _shipped()), data, cache / "blobs", data / "refusals.jsonl", _limit(environ))


def _limit(environ: Mapping[str, str]) -> int:
    if not (text := environ.get(CACHE_LIMIT)):
        return LIMIT
    if not (match := _SIZE.fullmatch(text)):
        raise Usage(f"{CACHE_LIMIT} is a number of bytes, or one with K, M or G behind it, not {text!r:.80}")
    return int(match[1]) << _SHIFTS[match[2].upper()]


def _shipped() -> tuple[Path, ...]:
    """What applies to all users: /etc first, then XDG_CONFIG_DIRS or its like, then what wheels installed beside us."""
    site = PlatformDirs(_APPLICATION, appauthor=False, multipath=True).site_config_dir.split(os.pathsep)
    folders = [f"/etc/{_APPLICATION}", *site, f"{sys.prefix}/etc/{_APPLICATION}"]
    return tuple(Path(folder, "roots") for folder in dict.fromkeys(folders))
