"""Every side door of one place: what bypasses the verified index there, and what of this machine weakens it."""

from collections.abc import Iterator
from typing import Final

from client_verify.installing.doors import pdm, pip, poetry, project, uv, variables
from client_verify.installing.doors.door import Door, Surroundings

BARE: Final = (
    "Nothing intercepts an installer that is typed without `tallystick run --`: it asks whichever index it is "
    "configured for (`tallystick config` prints what leads it to `tallystick serve`), and then there is no fence."
)
"""What no search can find."""

_RUNS: Final = {"pip": (), "uv": ("uv",), "uvx": ("uv",), "poetry": (), "pdm": ("pdm", "uv")}
_DETOURS: Final = {"uv": uv.detours, "pdm": pdm.detours}


def doors(around: Surroundings) -> Iterator[Door]:
    """All of them, those of the environment first."""
    for family in (variables, pip, uv, poetry, pdm, project):
        yield from family.doors(around)


def detours(program: str, around: Surroundings) -> Iterator[Door]:
    """Those that lead past `tallystick run` as well. A program that is no installer may start any of them."""
    for installer in _RUNS.get(program.rstrip("0123456789."), tuple(_DETOURS)):
        yield from _DETOURS[installer](around)
