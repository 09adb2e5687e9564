"""Fixtures that every room of the tests shares."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests import servers
from tests.servers import S3Server, need
from tests.world import World

LONG: Final = (
    "service/test_crash_matrix.py", "walks/test_ceremony_doc.py", "client/matrix/test_states.py",
    "shipping/test_wheels.py", "client/test_poetry_and_pdm.py", "registries/devpi/test_devpi.py",
    "walks/test_emergencies.py", "soak/test_soak.py", "client/matrix/test_attacks.py", "walks/test_client_doc.py",
    "walks/test_any_history.py", "console/test_pages.py",
)  # fmt: skip
"""Files that take a minute and more: begun last, they would keep all workers but one waiting."""
TUF_JS: Final = "tuf-js@6.0.2"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; the Makefile tells the workers to keep this order."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A whole repository with its clock and keys, begun and published."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    """moto's S3 for the whole session; whoever uses it takes a prefix of their own."""
    with servers.moto() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_server() -> Iterator[S3Server]:
    """A real S3 server for the whole session; whoever uses it takes a prefix of their own."""
    with servers.seaweedfs() as server:
        yield server


@pytest.fixture(scope="session")
def tuf_js_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``require('tuf-js')`` works, for the whole session."""
    npm = need("npm", "Node.js with npm")
    folder = tmp_path_factory.mktemp("tuf-js")
    subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund", TUF_JS], cwd=folder, check=True)
    return folder
