"""Loaded by poetry, in poetry's own process: what poetry calls PyPI becomes the verified index.

poetry has no setting for it: the address of PyPI is written in its code, and a source in pyproject.toml would get into
poetry.lock, for everybody. This folder is on ``PYTHONPATH`` when `tallystick run` starts poetry, which finds the plugin
as it finds any other. Nothing is verified here: if poetry does not load it, its requests to pypi.org are refused.
"""

import os
import sys
from pathlib import Path

from poetry.core.packages.package import Package
from poetry.plugins.application_plugin import ApplicationPlugin
from poetry.repositories import pypi_repository
from poetry.repositories.legacy_repository import LegacyRepository

# What poetry starts, and what it looks into for installed packages, is not to find us.
sys.path[:] = [each for each in sys.path if Path(each) != Path(__file__).parent]
if before := os.environ.pop("TALLYSTICK_PYTHONPATH", ""):
    os.environ["PYTHONPATH"] = before
else:
    os.environ.pop("PYTHONPATH", None)


class VerifiedPyPI(LegacyRepository):
    """PyPI by name, so that poetry.lock names no source, as always; the simple index of `tallystick run` by address."""

    def __init__(self, **options):
        options.pop("fallback", None)  # to the archives where PyPI's own JSON says nothing of dependencies: always here
        super().__init__("PyPI", os.environ["TALLYSTICK_INDEX"], **options)

    def _package(self, name, version, yanked):
        return Package(name, version, yanked=yanked)

    def package(self, name, version):
        """A package that names no source, as one from PyPI names none."""
        package = super().package(name, version)
        package._source_type = package._source_url = package._source_reference = None
        return package


class VerifiedIndex(ApplicationPlugin):
    """Activated before poetry reads a project; its code looks the class up whenever it needs one."""

    def activate(self, _application):
        """Stand in for PyPI."""
        pypi_repository.PyPiRepository = VerifiedPyPI
