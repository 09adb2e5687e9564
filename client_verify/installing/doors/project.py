"""The project itself: requirements with an address of their own, and lock files that record one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from client_verify.installing.doors.door import Door, Surroundings, Text, strings, table, text, texts

LOCKS: Final = ("uv.lock", "pylock.toml", "pylock.*.toml", "poetry.lock", "pdm.lock")
_ADDRESS: Final = re.compile(r"""["'](?P<url>(?:[a-z]+\+)?(?:https?|ssh|git|ftp|file)://[^"'\s]+)["']""")


def doors(around: Surroundings) -> Iterator[Door]:
    """In pyproject.toml, and in the lock files beside it."""
    if (file := text(around.project / "pyproject.toml")) is not None:
        for requirement in requirements(file.toml()):
            yield from _direct(around, file, requirement)
    for lock in texts(locks(around.project)):
        yield from _locked(around, lock)


def locks(project: Path) -> list[Path]:
    """The lock files of a project."""
    return sorted({path for pattern in LOCKS for path in project.glob(pattern)})


def requirements(pyproject: dict[str, Any]) -> list[str]:
    """What a project asks for, in every group."""
    project = table(pyproject, "project")
    groups = [*table(project, "optional-dependencies").values(), *table(pyproject, "dependency-groups").values()]
    lists = [project.get("dependencies"), table(pyproject, "build-system").get("requires"), *groups]
    return [each for several in lists for each in strings(several)]


def _direct(around: Surroundings, file: Text, requirement: str) -> Iterator[Door]:
    try:
        url = Requirement(requirement).url
    except InvalidRequirement:
        return  # every installer says so
    if url is not None and around.elsewhere(url):
        remedy = "Remove the address. Behind `tallystick run` it is refused."
        yield Door(file.at(url), f"a requirement comes straight from {url:.200}", remedy)


def _locked(around: Surroundings, lock: Text) -> Iterator[Door]:
    """One for each host, at the first line that names it: a lock of a large project has thousands."""
    hosts: dict[str, list[str]] = {}
    for found in _ADDRESS.finditer(lock.content):
        if around.elsewhere(found["url"]):
            hosts.setdefault(urlsplit(found["url"]).netloc or "this machine", []).append(found["url"])
    for host, urls in hosts.items():
        yield Door(
            lock.at(urls[0]),
            f"{len(urls)} addresses on {host} are recorded, and asked by who installs from this lock file",
            f"Check it with `tallystick lock verify {lock.path.name}`, "
            f"or lead it here with `tallystick lock rewrite {lock.path.name} --to loopback`.",
        )
