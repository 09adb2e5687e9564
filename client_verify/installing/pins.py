"""What somebody asked for: on the command line, in requirements files, in pyproject.toml, in a lock file.

Where it was removed an installer says only that there is no such version; who asked for it is to learn why. And who
named an exact version did not have it chosen (client_verify.withdrawals).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from client_verify.installing.doors import project
from client_verify.installing.doors.door import tables, text, texts
from keys import names

Pin = tuple[str, str]
"""A name in its normal form, and a version."""


def read(requirements: Iterable[str]) -> Iterator[Requirement]:
    """Those that are requirements and apply to this machine, their names in normal form."""
    for each in requirements:
        try:
            requirement = Requirement(each)
            requirement.name = names.normalise(requirement.name)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement
        except ValueError:  # InvalidRequirement, InvalidName, a marker that cannot be evaluated
            continue


def version(requirement: Requirement) -> str | None:
    """The one version that a requirement allows, if it is exact: ``flask==1.0``."""
    match list(requirement.specifier):
        case [only] if only.operator in ("==", "===") and not only.version.endswith(".*"):
            return only.version
    return None


def of_requirements(requirements: Iterable[str]) -> Iterator[Pin]:
    """Those that are exact."""
    for requirement in read(requirements):
        if (exact := version(requirement)) is not None:
            yield requirement.name, exact


def of_project(folder: Path) -> Iterator[str]:
    """What pyproject.toml asks for, and what the lock files beside it do."""
    if (file := text(folder / "pyproject.toml")) is not None:
        yield from project.requirements(file.toml())
    for lock in texts(project.locks(folder)):
        yield from _locked(lock.toml())


def _locked(lock: dict[str, Any]) -> Iterator[str]:
    # uv, poetry and pdm call the list "package", PEP 751 "packages"; all give a name and a version.
    for package in (*tables(lock.get("package")), *tables(lock.get("packages"))):
        match package:
            case {"name": str(name), "version": str(version)}:
                yield f"{name}=={version}"
