"""The installers that tests drive: real pip, uv, poetry and pdm, each with a project folder of its own.

    project = INSTALLERS["poetry"].project(tmp_path, "tallyflask==1.0", index=server.url)
    subprocess.run(project.command, cwd=project.folder, env=project.environment)
    assert project.installed() == ["tallyflask-1.0"]

Behind ``tallystick run`` leave ``index`` out, and let the command run in the folder with that environment. poetry and
pdm cannot share a venv with us: ``make`` gives each its own in ``.venv/tools`` (Makefile).
"""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from tests.servers import need

READY: Final = "it with `make .venv/.ready`"
_PYPROJECT: Final = """[project]
name = "app"
version = "1"
requires-python = ">={python}"
dependencies = [{dependencies}]
[tool.uv]
package = false
[tool.poetry]
package-mode = false
[tool.pdm]
distribution = false
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with an empty ``.venv``, the command that a person types in it to install, and their environment."""

    folder: Path
    command: tuple[str, ...]
    environment: dict[str, str]

    def again(self, *words: str) -> "Project":
        """The same folder with an empty environment once more, and another command of the same program."""
        venv.create(self.folder / ".venv", symlinks=True)
        return replace(self, command=(self.command[0], *words))

    def installed(self) -> list[str]:
        """What is in its environment, as name-version."""
        found = self.folder.glob(".venv/lib/*/site-packages/*.dist-info")
        return sorted(each.name.removesuffix(".dist-info") for each in found)


@dataclass(frozen=True, slots=True)
class Installer:
    """One way to install: what it is called, its program, and how a project says what it wants."""

    name: str
    program: str
    _prepare: Callable[["Installer", Path, tuple[str, ...], str], tuple[str, ...]]

    @property
    def path(self) -> str:
        """Its program; skips, or in CI fails, with one line that says what to do where it is missing."""
        return need(self.program, READY)

    @property
    def version(self) -> str:
        """As its program says it."""
        return _version(self.path)

    def project(self, folder: Path, *wanted: str, index: str = "") -> Project:
        """A fresh project that wants these requirements, such as ``tallyflask==1.0``; from one index if it is given.

        ``index`` is the address of a simple index with its final slash.
        """
        folder.mkdir(parents=True, exist_ok=True)
        venv.create(folder / ".venv", symlinks=True)
        words = self._prepare(self, folder, wanted, index)
        return Project(folder, (self.path, *words), _environment(folder, index))


def _environment(folder: Path, index: str) -> dict[str, str]:
    """Of somebody who has configured nothing. Nothing of it is shared with another project, so no cache is warm."""
    home = folder / "home"
    sources = {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index, "PDM_PYPI_URL": index} if index else {}
    return {
        **sources,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "HOME": str(home),
        "TERM": "dumb",
        "COLUMNS": "80",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_PYTHON": str(folder / ".venv"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_HTTP_RETRIES": "0",  # one question is told as well as four, and 8 s sooner
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "PDM_CHECK_UPDATE": "0",
        "PDM_NON_INTERACTIVE": "1",
    }


def _pip(self: Installer, folder: Path, wanted: tuple[str, ...], index: str) -> tuple[str, ...]:
    # --prefix, since --python starts a second pip.
    return ("install", "--prefix", str(folder / ".venv"), *wanted)


def _uv_pip(self: Installer, folder: Path, wanted: tuple[str, ...], index: str) -> tuple[str, ...]:
    return ("pip", "install", *wanted)


def _uv_sync(self: Installer, folder: Path, wanted: tuple[str, ...], index: str) -> tuple[str, ...]:
    _write_pyproject(folder, wanted)
    return ("sync",)


def _poetry(self: Installer, folder: Path, wanted: tuple[str, ...], index: str) -> tuple[str, ...]:
    source = f'[[tool.poetry.source]]\nname = "test"\nurl = "{index}"\npriority = "primary"\n' if index else ""
    _write_pyproject(folder, (), source)
    return ("add", "--no-interaction", *wanted)


def _pdm(self: Installer, folder: Path, wanted: tuple[str, ...], index: str) -> tuple[str, ...]:
    _write_pyproject(folder, ())
    return ("add", *wanted)


def _write_pyproject(folder: Path, wanted: tuple[str, ...], more: str = "") -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    dependencies = ", ".join(f'"{each}"' for each in wanted)
    (folder / "pyproject.toml").write_text(_PYPROJECT.format(python=python, dependencies=dependencies) + more)


@cache
def _version(path: str) -> str:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return said.partition(" from ")[0].strip()


INSTALLERS: Final = {
    each.name: each
    for each in (
        Installer("pip", "pip", _pip),
        Installer("uv", "uv", _uv_pip),
        Installer("uv sync", "uv", _uv_sync),
        Installer("poetry", "poetry", _poetry),
        Installer("pdm", "pdm", _pdm),
    )
}
