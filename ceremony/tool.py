"""Which tool made a file: its name and version."""

from typing import Final

from ceremony import built

DISTRIBUTION: Final = "tallystick"


def _version() -> str:
    if its := built.read():
        return f"{its.version}, commit {its.commit:.12}"
    from importlib.metadata import PackageNotFoundError, version  # slow to load, and of no use within a bundle

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "from a checkout"


TOOL: Final = f"{DISTRIBUTION} {_version()}"
