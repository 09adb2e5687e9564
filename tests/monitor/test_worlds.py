"""What happens once in a registry's life is replayed as well: other bins, other keys, the other layout, and a log that
begins when the registry has lived for long.
"""

from pathlib import Path
from random import Random

import pytest

from ceremony.plan import Log
from keys import sealed
from repo_service.domain import requests as r
from repo_service.monitor.auditing import EVERYTHING, audit
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.reading import Folder
from repo_service.wiring import LOG_KEY
from tests.world import BECAUSE, OWNER, World, log_key, online_key, publishing, root_of_trust


def found(world: World, book: Book) -> list[Finding]:
    return [*audit(Folder(world.public), book, world.trust.roots[0].data, world.now, EVERYTHING, Random(1))]


def lived(world: World) -> World:
    for version in ("1.0", "2.0", "3.0"):
        world.do(publishing("foo", version), publishing("bar", version, content=version.encode()))
        world.tick(hours=1)
    world.do(r.Yank("foo", "1.0", BECAUSE, OWNER))
    return world


@pytest.mark.parametrize("targets", ["full", "compact"])
def test_in_either_layout(targets: str, tmp_path: Path, book: Book) -> None:
    world = lived(World(tmp_path / "world", f'layout = "{targets}"\n'))
    assert found(world, book) == []


def test_a_layout_that_is_changed(tmp_path: Path, book: Book) -> None:
    world = lived(World(tmp_path / "world"))
    (world.service.folder / "service.toml").write_text('layout = "compact"\n')
    world.reopen()
    world.do(publishing("foo", "4.0"))
    assert found(world, book) == []
    world.do(publishing("bar", "4.0"))
    assert found(world, book) == []


def test_more_bins_and_fewer(tmp_path: Path, book: Book) -> None:
    world = lived(World(tmp_path / "world"))
    for bins in (64, 128, 8):
        world.take_in(root_of_trust(world.now, world.trust, bins=bins))
        assert found(world, book) == []
        world.do(publishing("foo", f"{bins}.0"))
        assert found(world, book) == []


def test_a_name_that_is_held_and_let_go(tmp_path: Path, book: Book) -> None:
    world = lived(World(tmp_path / "world"))
    for held in (("foo",), ()):
        world.take_in(root_of_trust(world.now, world.trust, held=held))
        assert found(world, book) == []
        world.do(publishing("bar", f"{len(held)}.7"))
        assert found(world, book) == []


def test_an_online_key_that_is_replaced(tmp_path: Path, book: Book) -> None:
    world = lived(World(tmp_path / "world"))
    sealed.write_private(world.service.folder / "online-next.key", sealed.plain(online_key(2)._private))
    world.reopen()
    world.service.round()
    assert found(world, book) == []
    world.take_in(root_of_trust(world.now, world.trust, online_number=2))
    assert found(world, book) == []


def test_a_log_that_begins_late(tmp_path: Path, book: Book) -> None:
    world = lived(World(tmp_path / "world", log=None))
    sealed.write_private(world.service.folder / LOG_KEY, log_key().written.encode())
    world.reopen()
    world.take_in(root_of_trust(world.now, world.trust, log=Log((str(log_key().key),))))
    assert found(world, book) == []
    world.do(publishing("foo", "4.0"), r.Unyank("foo", "1.0", BECAUSE, OWNER))
    assert found(world, book) == []
