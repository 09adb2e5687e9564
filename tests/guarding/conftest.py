"""A guarded world, whose guard ends with its test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guarding.guarded import GuardedWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GuardedWorld]:
    made = GuardedWorld(tmp_path)
    yield made
    made.close()
