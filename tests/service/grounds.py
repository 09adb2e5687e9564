"""Where the crash matrix builds its worlds: a database and a depot that can be copied whole, as after a power cut."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import create_engine, text

from repo_service.operating.settings import SETTINGS
from repo_service.storage.depot import TIMESTAMP
from repo_service.wiring import open_service
from tests.servers import S3Server
from tests.world import World

_BEGUN: Final = "begun"


class Ground(Protocol):
    """Makes worlds in a folder of its own."""

    name: str
    folder: Path

    def begin(self) -> World:
        """The world that the others are copies of."""

    def copy(self, world: World, name: str) -> World:
        """All that a world's processes left, opened anew in another place. Nobody may be using the world."""

    def clear(self, world: World) -> None:
        """Let go of a copy."""


class Embedded:
    """SQLite and a local disk: everything is in the world's folder."""

    name = "embedded"

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
    """PostgreSQL, where a database is copied by the server, and S3, where a depot is a prefix of a bucket."""

    name = "scaled"

    def __init__(self, folder: Path, server: str, bucket: S3Server) -> None:
        self.folder = folder
        self._server = server
        self._bucket = bucket
        self._engine = create_engine(server, isolation_level="AUTOCOMMIT")

    def begin(self) -> World:
        self._sql(f'CREATE DATABASE "{_BEGUN}"')
        return World(self.folder / _BEGUN, self._settings(_BEGUN), begin=now())

    def copy(self, world: World, name: str) -> World:
        _close(world)  # a template must have no visitors
        self._sql(f'CREATE DATABASE "{_plain(name)}" TEMPLATE "{_BEGUN}" STRATEGY FILE_COPY')
        shutil.copytree(world.folder, self.folder / name)
        (self.folder / name / "service" / SETTINGS).write_text(self._settings(_plain(name)))
        other = opened(world, self.folder / name)
        self._copy_bucket(world, other)
        return other

    def clear(self, world: World) -> None:
        _close(world)
        self._sql(f'DROP DATABASE "{_plain(world.folder.name)}" WITH (FORCE)')
        shutil.rmtree(world.folder)

    def close(self) -> None:
        self._engine.dispose()

    def _copy_bucket(self, world: World, other: World) -> None:
        files = [(path, world.service.depot.read(path) or b"") for path in world.service.depot.paths("")]
        other.service.depot.add((path, data) for path, data in files if path != TIMESTAMP)
        other.service.depot.point(dict(files)[TIMESTAMP])

    def _settings(self, name: str) -> str:
        database = self._server.replace("/tests?", f"/{name}?")
        return f'database = "{database}"\npublic = "{self._bucket.url(f"{self.folder.name}/{name}")}"\n'

    def _sql(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))


def _plain(name: str) -> str:
    """A name that databases and buckets take."""
    return re.sub(r"[^a-z0-9]+", "_", name)


@contextmanager
def scaled(folder: Path, server: str, bucket: S3Server) -> Iterator[Scaled]:
    """A ground on a PostgreSQL server and in a bucket; its connections are closed at the end."""
    ground = Scaled(folder, server, bucket)
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
