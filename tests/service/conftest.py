"""The door of a world, for the tests of the service."""

from pathlib import Path

import pytest

from tests.service.door import Door
from tests.world import World


@pytest.fixture
def door(world: World) -> Door:
    """The API with an admin's token and a bell that publishes at once."""
    return Door(world)


@pytest.fixture(scope="module")
def quiet_door(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """One door for many requests that change nothing."""
    return Door(World(Path(tmp_path_factory.mktemp("quiet"))))
