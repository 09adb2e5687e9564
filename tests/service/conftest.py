"""The door of a world, for the tests of the service."""

from pathlib import Path
from typing import Any

import pytest

from tests.service.door import OWNER, Door, sdist
from tests.world import World


@pytest.fixture
def door(world: World) -> Door:
    """The API with an admin's token and a bell that publishes at once."""
    return Door(world)


@pytest.fixture(scope="module")
def quiet_door(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """One door for many requests that change nothing."""
    return Door(World(Path(tmp_path_factory.mktemp("quiet"))))


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> tuple[Door, dict[str, Any]]:
    """A registry that holds foo 1.0, signed, and what it says about its API."""
    door = Door(World(tmp_path_factory.mktemp("openapi"), "client_per_minute = 1000000\nname_per_minute = 1000000\n"))
    said = door.upload("foo-1.0.tar.gz", sdist()).get_json()
    assert door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": OWNER}).status_code == 200
    return door, door.client.get("/v1/openapi.json").get_json()
