"""Commands where there is no network: in a network namespace of their own, and where a socket ends the process."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.servers import need

FORBIDDEN: Final = 97
"""How a command ends in ``without_sockets`` that makes a socket or starts a program."""
_GUARD: Final = str(Path(__file__).with_name("no_sockets.py"))


def in_no_network(command: Iterable[str]) -> list[str]:
    """The command in a namespace that has no interface but a loopback that is down."""
    return [*_namespace(), *command]


def without_sockets(program: Path, python: str = sys.executable) -> list[str]:
    """The Python program (a script or a bundle) in a Python that dies, with ``FORBIDDEN``, of the first socket."""
    return [python, _GUARD, str(program)]


@functools.cache
def _namespace() -> tuple[str, ...]:
    unshare = need("unshare", "util-linux")
    command = (unshare, "--net") if os.geteuid() == 0 else (unshare, "--map-root-user", "--net")
    tried = subprocess.run([*command, "true"], capture_output=True, text=True)
    if tried.returncode == 0:
        return command
    message = f"a network namespace is not permitted here: {tried.stderr.strip()}"
    if os.environ.get("TALLYSTICK_TESTS_MUST_RUN"):
        pytest.fail(message)
    pytest.skip(message)
