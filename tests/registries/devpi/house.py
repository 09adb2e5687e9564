"""A house that runs devpi: a real devpi-server with our plugin, a real service beside it, and people who use both.

devpi-server comes from ``.venv/tools/devpi``, where ``make`` puts it with our own tree.
"""

import base64
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from repo_service.domain.changes import type_of
from tests.paper import Artifact
from tests.servers import answers, free_port, missing, until
from tests.world import World

ROOT: Final = Path(__file__).parents[3]
VENV: Final = ROOT / ".venv" / "tools" / "devpi" / "bin"
GUIDE: Final = (ROOT / "docs" / "howto" / "devpi.md").read_text()
INDEX: Final = "root/prod"
_WEAK: Final = ("--argon2-memory-cost", "1024", "--argon2-time-cost", "1")
"""How devpi-server derives the key for its log-in tokens is what it begins with, and takes ten seconds."""


def block(name: str) -> str:
    """The file of a name, as the guide shows it."""
    found = re.search(rf"```toml\n# {re.escape(name)}\n(.*?)```", GUIDE, re.DOTALL)
    assert found, f"the guide shows no {name}"
    return found[1]


def program(name: str) -> str:
    """A program of devpi's environment; a skip that says what to do where it is missing."""
    if not (VENV / name).exists():
        missing(f"{name} in {VENV}", "it with `make .venv/.ready`")
    return str(VENV / name)


@dataclass
class House:
    """Start and stop either server at will; ``upload``, ``push`` and ``remove`` are what people do."""

    folder: Path
    world: World = field(init=False)
    ports: tuple[int, int] = field(init=False)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        policy, own = self.folder / "policy.toml", self.folder / "devpi"
        policy.write_text(block("policy.toml"))
        self.world = World(self.folder / "world", f'policy = "{policy}"\n', datetime.now(UTC).replace(microsecond=0))
        self.ports = free_port(), free_port()
        own.mkdir()
        (own / "tallystick.token").write_text(f"{self.world.token('registry', 'devpi')}\n")
        said = block("tallystick.toml").replace("https://tallystick.example", self.service)
        self.file.write_text(said.replace("https://devpi.example", self.devpi))
        self._run("devpi-init", "--serverdir", str(own / "server"))

    @property
    def service(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def devpi(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def file(self) -> Path:
        return self.folder / "devpi" / "tallystick.toml"

    @property
    def outbox(self) -> Path:
        return self.folder / "devpi" / "outbox.sqlite"

    def start_service(self) -> None:
        home = str(self.world.service.folder)
        self._start("service", self.service, sys.executable, "-m", "repo_service.cli", "serve", home, "--port")

    def start_devpi(self) -> None:
        self._start(
            "devpi", self.devpi, program("devpi-server"), "--serverdir", str(self.folder / "devpi" / "server"),
            "--offline-mode", "--tallystick", str(self.file), *_WEAK, "--port",
        )  # fmt: skip

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        server = self._running.pop(name)
        server.send_signal(how)
        server.wait(30)

    def stop_all(self) -> None:
        for name in list(self._running):
            self.stop(name, signal.SIGKILL)

    def create(self, index: str, volatile: bool) -> None:
        self.api("PUT", f"/{index}", {"type": "stage", "bases": [], "volatile": volatile})

    def upload(self, index: str, *artifacts: Artifact) -> None:
        """By real twine."""
        files = []
        for each in artifacts:
            path = self.folder / "dist" / each.filename
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(each.data)
            files.append(str(path))
        to = f"{self.devpi}/{index}/"
        quiet = "--non-interactive", "--disable-progress-bar"
        self._run("twine", "upload", *quiet, "--repository-url", to, "-u", "root", "-p", "", *files)

    def push(self, project: str, version: str) -> None:
        """Promote, as ``devpi push`` does."""
        self.api("POST", "/root/dev", {"name": project, "version": version, "targetindex": INDEX})

    def remove(self, path: str) -> None:
        """A project, a version or a file, as ``devpi remove`` does."""
        self.api("DELETE", f"/{INDEX}/{path}")

    def file_path(self, project: str, filename: str) -> str:
        """Where a file of the index lies, below it."""
        listing = json.loads(self.api("GET", f"/{INDEX}/+simple/{project}/"))
        (url,) = [each["url"] for each in listing["files"] if each["filename"] == filename]
        return str(url).removeprefix("../../")

    def api(self, method: str, path: str, body: object = None) -> bytes:
        """devpi's own API, as root."""
        request = urllib.request.Request(
            self.devpi + path, None if body is None else json.dumps(body).encode(), method=method,
            headers={
                "Content-Type": "application/json", "X-Devpi-Auth": base64.b64encode(b"root:").decode(),
                "Accept": "application/vnd.pypi.simple.v1+json, application/json",
            },
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:
            data: bytes = answer.read()
            return data

    def tallystick_devpi(self, *arguments: str) -> tuple[int, str]:
        """The operator's command: its exit status, and what it said."""
        command, *rest = arguments
        ran = subprocess.run(
            [program("tallystick-devpi"), command, str(self.file), *rest], capture_output=True, text=True
        )
        return ran.returncode, " ".join((ran.stdout + ran.stderr).split())

    def events(self, name: str) -> list[tuple[str, str | None]]:
        """What happened to a name, as the service wrote it down: types and versions, in order."""
        with self.world.service.journal.reading() as view:
            return [(type_of(each.change), getattr(each.change, "version", None)) for each in view.events(name)]

    def becomes(self, name: str, *wanted: tuple[str, str | None]) -> None:
        """Wait until exactly this happened to a name, all of it is signed, and nothing more waits."""
        until(
            lambda: self.events(name) == list(wanted) and self.is_signed(name) and self.is_quiet(name),
            60,
            lambda: f"{self.events(name)}\n{self.said()}",
        )

    def is_signed(self, name: str) -> bool:
        """Whether a snapshot holds all that happened to a name."""
        with self.world.service.journal.reading() as view:
            events = [each.seq for each in view.events(name)]
            return len(view.signing(events)) == len(events)

    def is_quiet(self, name: str) -> bool:
        """Whether nothing of a project waits in the outbox any more."""
        return not self.rows(f"standing = 'waiting' AND project = '{name}'")

    def rows(self, where: str) -> list[Any]:
        with closing(sqlite3.connect(self.outbox)) as db:
            return list(db.execute(f"SELECT project, version, standing FROM rows WHERE {where}"))

    def said(self) -> str:
        """What devpi-server said last."""
        return (self.folder / "devpi.log").read_text(errors="replace")[-3000:]

    @contextmanager
    def locked_outbox(self) -> Iterator[None]:
        """While it lasts, nobody can write to the outbox."""
        with closing(sqlite3.connect(self.outbox, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")

    def _start(self, name: str, url: str, *command: str) -> None:
        port = url.rpartition(":")[2]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen([*command, port], stdout=log, stderr=subprocess.STDOUT, env=_clean())
        began = self._running[name]
        until(lambda: began.poll() is not None or answers(int(port)), 90, self.said)
        assert began.poll() is None, (self.folder / f"{name}.log").read_text()[-3000:]

    def _run(self, name: str, *arguments: str) -> None:
        ran = subprocess.run([program(name), *arguments], capture_output=True, text=True, env=_clean())
        assert ran.returncode == 0, ran.stdout + ran.stderr


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DEVPI", "TWINE"))}
