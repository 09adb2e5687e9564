"""What a monitor keeps, for tests that look at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repo_service.monitor.book import Book


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A book with nothing in it, in ``tmp_path / "monitor"``."""
    kept = Book(tmp_path / "monitor")
    yield kept
    kept.close()
