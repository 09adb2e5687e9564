"""Which tool made a file: its name and version."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

DISTRIBUTION: Final = "tallystick"


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "from a checkout"


TOOL: Final = f"{DISTRIBUTION} {_version()}"
