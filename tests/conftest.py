"""Fixtures that every room of the tests shares."""

from pathlib import Path

import pytest

from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A whole repository with its clock and keys, begun and published."""
    return World(tmp_path)
