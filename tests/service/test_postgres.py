"""What PostgreSQL does otherwise than SQLite, which lets one writer in at a time.

Runs where ``TALLYSTICK_TEST_POSTGRES`` names an empty database, as ``postgresql+psycopg://user@/name?host=/folder``.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import create_engine

from repo_service import intake
from repo_service.storage import tables
from tests.world import World, publishing

URL: Final = os.environ.get("TALLYSTICK_TEST_POSTGRES", "")
pytestmark = pytest.mark.skipif(not URL, reason="TALLYSTICK_TEST_POSTGRES names no database")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose journal is in PostgreSQL."""
    engine = create_engine(URL)
    tables.metadata.drop_all(engine)
    yield World(tmp_path, f'database = "{URL}"\n')
    tables.metadata.drop_all(engine)
    engine.dispose()


@pytest.mark.parametrize("number", range(5))
def test_of_look_alikes_that_come_at_once_one_is_taken(world: World, number: int) -> None:
    names = [f"foo{number}", f"f00{number}", f"fo0{number}", f"foo{number}"]
    at_once = threading.Barrier(len(names))
    taken: set[str] = set()
    refused: list[str] = []

    def take(name: str) -> None:
        at_once.wait()
        try:
            world.record(publishing(name), key=f"key of {threading.get_ident()}")
            taken.add(name)
        except intake.Refused as error:
            refused.extend(why.code for why in error.refusal.reasons)

    threads = [threading.Thread(target=take, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert set(refused) <= {"name_similar"}
