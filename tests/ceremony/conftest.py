from pathlib import Path

import pytest

from tests.ceremony.table import Table


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table with four real holders and a service."""
    table = Table(tmp_path)
    table.seat("alice", "bob", "carol", "dan", "service")
    return table
