"""A stage for an attack."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client_verify.fetching.transport import Fetcher
from tests.client.conftest import Terminal
from tests.client.matrix.mirror import Mirror, serving
from tests.client.matrix.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Where an attack is slow, its person has less patience than they would have."""
    with serving(Mirror({})) as mirror:
        made = Stage(tmp_path, mirror, terminal)
        monkeypatch.setattr("client_verify.fetching.sources.Fetcher", lambda: Fetcher(patience=made.patience))
        yield made
