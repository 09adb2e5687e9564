"""Where the crash matrix builds its worlds: a database and a depot that can be copied whole, as after a power cut."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import create_engine, text

from repo_service.wiring import SETTINGS, open_service
from tests.world import World

_BEGUN: Final = "begun"


class Ground(Protocol):
    """Makes worlds in a folder of its own."""

    folder: Path

    def begin(self) -> World:
        """The world that the others are copies of."""

    def copy(self, world: World, name: str) -> World:
        """All that a world's processes left, opened anew in another place. Nobody may be using the world."""

    def clear(self, world: World) -> None:
        """Let go of a copy."""


class Embedded:
    """SQLite and a local disk: everything is in the world's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self) -> World:
        return World(self.folder / _BEGUN, begin=now())

    def copy(self, world: World, name: str) -> World:
        shutil.copytree(world.folder, self.folder / name)
        return opened(world, self.folder / name)

    def clear(self, world: World) -> None:
        _close(world)
        shutil.rmtree(world.folder)


class Scaled:
    """PostgreSQL, where a database is copied by the server, beside a local depot."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self._server = server
        self._engine = create_engine(server, isolation_level="AUTOCOMMIT")

    def begin(self) -> World:
        self._sql(f'CREATE DATABASE "{_BEGUN}"')
        return World(self.folder / _BEGUN, self._settings(_BEGUN), begin=now())

    def copy(self, world: World, name: str) -> World:
        database = re.sub(r"[^a-z0-9]+", "_", name)
        _close(world)  # a template must have no visitors
        self._sql(f'CREATE DATABASE "{database}" TEMPLATE "{_BEGUN}" STRATEGY FILE_COPY')
        shutil.copytree(world.folder, self.folder / name)
        (self.folder / name / "service" / SETTINGS).write_text(self._settings(database))
        return opened(world, self.folder / name)

    def clear(self, world: World) -> None:
        _close(world)
        self._sql(f'DROP DATABASE "{re.sub(r"[^a-z0-9]+", "_", world.folder.name)}" WITH (FORCE)')
        shutil.rmtree(world.folder)

    def close(self) -> None:
        self._engine.dispose()

    def _settings(self, database: str) -> str:
        return f'database = "{self._server.replace("/tests?", f"/{database}?")}"\n'

    def _sql(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def scaled(folder: Path, server: str) -> Iterator[Scaled]:
    """A ground on a PostgreSQL server; its connections are closed at the end."""
    ground = Scaled(folder, server)
    try:
        yield ground
    finally:
        ground.close()


def now() -> datetime:
    """The time that a service of its own process goes by."""
    return datetime.now(UTC).replace(microsecond=0)


def opened(world: World, folder: Path) -> World:
    """A world as another folder has it, at the time that it is."""
    other = object.__new__(World)
    other.__dict__.update(world.__dict__)
    other.folder = folder
    other.service = open_service(folder / "service", clock=now)
    return other


def _close(world: World) -> None:
    world.service.journal._engine.dispose()
