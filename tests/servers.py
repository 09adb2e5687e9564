"""Programs that some tests need: found, or a skip that says what to install. In CI a skip is a failure."""

import os
import shutil
import socket

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
