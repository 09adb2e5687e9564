"""Programs that some tests need: found, or a skip that says what to install. In CI a skip is a failure."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def need(program: str, package: str) -> str:
    """The path of a program; skips with one line that says what to install where it is missing."""
    if path := shutil.which(program):
        return path
    message = f"{program} is missing; install {package}"
    if os.environ.get("TALLYSTICK_TESTS_MUST_RUN"):
        pytest.fail(message)
    pytest.skip(message)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostgresServer:
    """A throw-away PostgreSQL with one empty database; ``url`` is its address, as SQLAlchemy writes it.

    It listens on a socket in its folder and nowhere else. PostgreSQL refuses to run as root, so root hands it over.
    """

    def __init__(self, own: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # Debian keeps it off the PATH
        self._programs = Path(str(found[-1]) if found else need("initdb", "postgresql")).parent
        self._own, self._data = own, str(own / "data")
        self._handed_over: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(own, "postgres")
            self._handed_over = ["runuser", "-u", "postgres", "--"]
        self.url = f"postgresql+psycopg://tallystick@/tests?host={own}"
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "tallystick", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-F -c listen_addresses='' -c unix_socket_directories={self._own}"
        self._run("pg_ctl", "-D", self._data, "-l", str(self._own / "log"), "-w", "-o", options, "start")

    def create(self) -> None:
        """Make the empty database."""
        self._run("createdb", "-h", str(self._own), "-U", "tallystick", "tests")

    def crash(self) -> None:
        """End it without a checkpoint and whatever it is doing: the next start recovers."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._handed_over, str(self._programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server that runs, and is gone at the end."""
    own = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path is short
    try:
        server = PostgresServer(own)
        server.start()
        try:
            server.create()
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(own)


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a throw-away PostgreSQL server's one empty database."""
    with postgres_server() as server:
        yield server.url
