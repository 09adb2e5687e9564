"""Where an attack happens: a repository, the mirror that somebody controls, and a person with an installer."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from client_verify import trust
from client_verify.directory import data_directory
from client_verify.fetching.transport import PATIENCE_SECONDS
from client_verify.places import HOME, places
from keys.state import Mark, Release
from tests import paper
from tests.client.conftest import Terminal
from tests.client.matrix.mirror import Mirror
from tests.installers import INSTALLERS, Project
from tests.servers import free_port

ONE: Final = paper.wheel("tallyflask", "1.0")
TWO: Final = paper.wheel("tallyflask", "2.0")
EVIL: Final = paper.wheel("tallyflask", "1.0", says="steal")
PUBLISHED: Final = datetime(2026, 11, 2, tzinfo=UTC)
"""When everything happened that the page of tallyflask tells, so that its bytes are the same every day."""
_ROOT: Final = Path(__file__).parents[3]
_PROGRAM: Final = re.compile(r"\b(passed to|given to) (pip|uv|poetry|pdm)\b")
_VOLATILE: Final = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "YYYY-MM-DDThh:mm:ssZ"),
    (re.compile(r"\b[0-9a-f]{16}…"), "0123456789abcdef…"),
    (re.compile(r"\b\d+ bytes arrived"), "NNNNN bytes arrived"),
    (_PROGRAM, r"\1 INSTALLER"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: the exit code, what is installed, and what tallystick said when the installer had ended."""

    code: int
    installed: tuple[str, ...]
    told: str


class Stage:
    """tallyflask 1.0 and 2.0 are published and signed; one machine, one person, one pin.

    ``environment`` is what that person has set besides, ``patience`` how many seconds they wait for a slow mirror.
    """

    def __init__(self, folder: Path, mirror: Mirror, terminal: Terminal) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.folder = folder
        self.mirror = mirror
        self.home = folder / "home"
        # Other tests run beside this one, and an address that a lock file records is to be the same again.
        self.environment = {"TALLYSTICK_PORT": str(free_port())}
        self.patience = PATIENCE_SECONDS
        self.log_trust = trust.DEFAULT_LOG
        self._terminal = terminal
        self.releases: tuple[Release, ...] = (
            paper.release(PUBLISHED, "1.0", ONE),
            paper.release(PUBLISHED, "2.0", TWO),
        )
        self.begin()

    def begin(self, at: datetime | None = None, forge: paper.Forge = paper.as_signed) -> None:
        """A new repository, of today or of another day; it is what is pinned."""
        self.repository = paper.Paper(at or self.now, forge=forge)
        self.mirror.files = self.repository.files
        for artifact in (ONE, TWO, EVIL):
            self.repository.add_file("tallyflask", artifact.filename, artifact.data, artifact.metadata)
        self.say(*self.releases, at=at)

    def say(self, *releases: Release, serial: int = 1, at: datetime | None = None, **changes: Any) -> None:
        """Sign this state of tallyflask."""
        self.repository.say(replace(paper.project(PUBLISHED, "tallyflask", *releases, serial=serial), **changes))
        self.repository.publish(at or self.now)

    def mark(self, text: str) -> Mark:
        return paper.mark(PUBLISHED, "admin", text=text)

    def verify(self) -> None:
        """Let this machine see what is signed now."""
        with self.as_person():
            assert self._terminal("show", "tallyflask") == 0, self._terminal.err

    def project(self, installer: str, wanted: str = "tallyflask==1.0") -> Project:
        return INSTALLERS[installer].project(self.folder / installer.replace(" ", "-"), wanted)

    def run(self, installer: str, project: Project | None = None) -> Outcome:
        """Somebody types ``tallystick run -- INSTALLER …`` for tallyflask 1.0, in a fresh project if they have none."""
        project = project or self.project(installer)
        with self.as_person(project):
            code = self._terminal("run", "--", *project.command)
        return Outcome(code, tuple(project.installed()), told(self._terminal.err))

    def start(self, project: Project, first: str = "pass") -> subprocess.Popen[str]:
        """The same in a process of its own, which runs a statement first; its output is one text."""
        return subprocess.Popen(
            self.command(project, first),
            cwd=project.folder,
            env=self.process_environment(project),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, project: Project, first: str = "pass") -> list[str]:
        """What ``start`` starts; the repository is pinned."""
        with self.as_person():
            pass
        code = f"import os, sys\n{first}\nfrom client_verify.cli import main\nsys.exit(main())"
        return [sys.executable, "-c", code, "run", "--", *project.command]

    def process_environment(self, project: Project) -> dict[str, str]:
        ours = {HOME: str(self.home), "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        return project.environment | self.environment | ours

    @property
    def printed(self) -> str:
        """All that the last run printed, the installer's own words too."""
        return self._terminal.out + self._terminal.err

    @contextmanager
    def as_person(self, project: Project | None = None) -> Iterator[None]:
        """Their environment, folder and pin."""
        environment = project.environment if project else {"PATH": os.environ["PATH"]}
        before = Path.cwd()
        with patch.dict(os.environ, {**environment, **self.environment, HOME: str(self.home)}, clear=True):
            trust.add(places(os.environ).roots, self.pin)
            os.chdir(project.folder if project else self.folder)
            try:
                yield
            finally:
                os.chdir(before)

    @property
    def pin(self) -> trust.Pin:
        return trust.Pin("acme", self.mirror.url, self.repository.root, log=self.log_trust)

    @property
    def data(self) -> Path:
        """What this machine keeps of the repository."""
        return data_directory(places({HOME: str(self.home)}).data, self.pin)


def told(printed: str) -> str:
    """What tallystick says after the installer's own words, with what differs from day to day replaced."""
    said = re.search(r"^tallystick: .*", printed, re.MULTILINE | re.DOTALL)
    text = said[0] if said else ""
    for pattern, instead in _VOLATILE:
        text = pattern.sub(instead, text)
    return text
