"""A stage for an attack."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from client_verify.fetching.transport import Fetcher
from tests.client.conftest import Terminal
from tests.client.matrix.mirror import Mirror, serving
from tests.client.matrix.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Its person has less patience than they would have: a second."""
    monkeypatch.setattr("client_verify.fetching.sources.Fetcher", partial(Fetcher, patience=1))
    with serving(Mirror({})) as mirror:
        yield Stage(tmp_path, mirror, terminal)
