"""Fixtures that every room of the tests shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.servers import S3Server
from tests.world import World


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
