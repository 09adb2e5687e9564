"""guard.toml: which keys, who may ask, and how much is too much."""

import os
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from keys import strict
from repo_service.guarding.rules import Limits

FILE: Final = "guard.toml"
DATABASE: Final = "guard.sqlite"
_LONGEST_SOCKET: Final = 100


class BadGuard(Exception):
    """The guard cannot work like this; the message says why and what to do. Nothing was signed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """guard.toml. Durations are in seconds. ``uids`` are the users who may ask; without it only the guard's own."""

    keys: tuple[str, ...] = ("online.key",)
    socket: str = "guard.sock"
    uids: tuple[int, ...] = ()
    rehearsal: bool = False
    timestamp_s: int = 3 * 86_400
    snapshot_s: int = 7 * 86_400
    bin_s: int = 30 * 86_400
    yanks_an_hour: int = 500
    removals_an_hour: int = 200
    files_an_hour: int = 20_000

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= 2 or len({*self.keys}) < len(self.keys):
            raise ValueError("keys names one key, or two while one takes the other's place")
        if not 0 < self.timestamp_s <= self.snapshot_s <= self.bin_s:
            raise ValueError("timestamp_s, snapshot_s and bin_s: each must live at least as long as the one before")
        if min(self.yanks_an_hour, self.removals_an_hour, self.files_an_hour) < 1:
            raise ValueError("a limit is at least 1 an hour; a guard that allows nothing stops the registry")

    @property
    def limits(self) -> Limits:
        """The same limits as the rules want them."""
        return Limits(
            timedelta(seconds=self.timestamp_s), timedelta(seconds=self.snapshot_s), timedelta(seconds=self.bin_s),
            self.yanks_an_hour, self.removals_an_hour, self.files_an_hour,
        )  # fmt: skip

    @property
    def allowed(self) -> frozenset[int]:
        """The numbers of the users who may ask: by default the guard's own alone."""
        return frozenset(self.uids or (os.geteuid(),))


TEMPLATE: Final = """\
# Settings of this signing guard (docs/OPERATIONS.md, "The guard"). What is commented out shows its default.

keys = ["{key}"]                # files in this folder; two while one key takes the other's place
# socket = "guard.sock"                 # where the service asks; relative to this folder
# uids = []                             # the users who may ask, by number; none: the guard's own user only
# rehearsal = false                     # true: a root that was made to practise with is taken too

# For how long anything may be signed: as in service.toml, or longer.
# timestamp_s = 259200
# snapshot_s = 604800
# bin_s = 2592000

# How much may go within an hour; beyond it only a waiver of the root holders helps.
# yanks_an_hour = 500                   # releases
# removals_an_hour = 200                # projects, releases or files that are no longer installable
# files_an_hour = 20000                 # files that are no longer listed
"""


def read(folder: Path) -> Settings:
    """The settings of the guard in a folder. Raises BadGuard."""
    path = folder / FILE
    try:
        return strict.load(Settings, tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise BadGuard(f"{path} is missing; `tallystick-service guard {folder} key` begins a guard") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, strict.Malformed) as error:
        raise BadGuard(f"{path}: {error}. Nothing was signed.") from None


def socket_of(folder: Path, its: Settings) -> Path:
    """Where the guard listens. BadGuard if no system takes so long an address."""
    path = folder.absolute() / its.socket
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise BadGuard(f"{path} is too long for a socket; set socket in guard.toml to a shorter path")
    return path
