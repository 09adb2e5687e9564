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


@contextmanager
def postgres() -> Iterator[str]:
    """A throw-away PostgreSQL server with one empty database; gives its address, as SQLAlchemy writes it.

    It listens on a socket in its folder and nowhere else. PostgreSQL refuses to run as root, so root hands it over.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # Debian keeps it off the PATH
    initdb = str(found[-1]) if found else need("initdb", "postgresql")
    programs, own = Path(initdb).parent, Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path is short
    handed_over: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(own, "postgres")
        handed_over = ["runuser", "-u", "postgres", "--"]
    data = str(own / "data")

    def run(program: str, *arguments: str) -> None:
        command = [*handed_over, str(programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    try:
        run("initdb", "-D", data, "-A", "trust", "-U", "tallystick", "--no-sync")
        options = f"-F -c listen_addresses='' -c unix_socket_directories={own}"
        run("pg_ctl", "-D", data, "-l", str(own / "log"), "-w", "-o", options, "start")
        try:
            run("createdb", "-h", str(own), "-U", "tallystick", "tests")
            yield f"postgresql+psycopg://tallystick@/tests?host={own}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(own)
