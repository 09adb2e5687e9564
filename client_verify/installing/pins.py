"""Which exact versions somebody asked for: on the command line, in pyproject.toml, in a lock file.

Where one of them was removed an installer says only that there is no such version; who pinned it is to learn why.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from client_verify.installing.doors import project
from client_verify.installing.doors.door import tables, text, texts
from keys import names

Pin = tuple[str, str]
"""A name in its normal form, and a version."""


def of_requirements(requirements: Iterable[str]) -> Iterator[Pin]:
    """Those that are exact: ``flask==1.0``."""
    for each in requirements:
        try:
            requirement = Requirement(each)
            name = names.normalise(requirement.name)
        except (InvalidRequirement, names.InvalidName):
            continue
        match list(requirement.specifier):
            case [only] if only.operator in ("==", "===") and not only.version.endswith(".*"):
                yield name, only.version


def of_project(folder: Path) -> Iterator[Pin]:
    """What pyproject.toml asks for exactly, and what the lock files beside it do."""
    if (file := text(folder / "pyproject.toml")) is not None:
        yield from of_requirements(project.requirements(file.toml()))
    for lock in texts(project.locks(folder)):
        yield from _locked(lock.toml())


def _locked(lock: dict[str, Any]) -> Iterator[Pin]:
    # uv, poetry and pdm call the list "package", PEP 751 "packages"; all give a name and a version.
    for package in (*tables(lock.get("package")), *tables(lock.get("packages"))):
        match package:
            case {"name": str(name), "version": str(version)}:
                yield from of_requirements([f"{name}=={version}"])
