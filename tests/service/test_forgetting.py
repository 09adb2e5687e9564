"""A text of the log can be taken back: its file goes for good, and everything else goes on."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from keys.encoding import sha256
from keys.tlog import tiles
from repo_service.cli import main
from repo_service.domain import requests as r
from repo_service.mending import collecting
from repo_service.mending.rebuilding import rebuild
from tests.service.dying import dying_at
from tests.service.test_fsck import copied, eventful, lines
from tests.world import ADMIN, BECAUSE, World, publishing


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return eventful(tmp_path_factory.mktemp("template"))


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copied(template, tmp_path / "copy")


def texts(world: World) -> list[Path]:
    return sorted((world.public / "log/texts").iterdir())


def leaves(world: World) -> Iterator[bytes]:
    bundle = max((world.public / "log/tile/entries").glob("*.p/*"), key=lambda path: int(path.name))
    yield from tiles.unbundled(bundle.read_bytes(), int(bundle.name))


def _turn(number: int) -> r.Request:
    return r.Unlock("bar", BECAUSE, ADMIN) if number % 2 else r.Lock("bar", BECAUSE, ADMIN)


def forget(world: World, digest: str) -> int:
    return main(["forget-text", str(world.folder / "service"), digest])


def test_the_file_goes_and_nothing_misses_it_or_makes_it_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    first, before = texts(world)[0], [*leaves(world)]
    assert first.read_bytes()[16:] in (b"it steals tokens", b"Acme Corporation")
    assert forget(world, first.name) == 0
    assert "is gone, and nothing makes it again" in capsys.readouterr().out
    assert first not in texts(world) and [*leaves(world)] == before
    assert lines(world) == []
    assert [*rebuild(world.service.press, lambda *_: None)] == [] and first not in texts(world)
    world.do(r.Clear("baz", BECAUSE, ADMIN))
    assert first not in texts(world) and lines(world) == []


def test_it_is_gone_from_the_journal_too(world: World) -> None:
    first = texts(world)[0]
    body = first.read_bytes()
    forget(world, first.name)
    with world.service.journal.reading() as view:
        assert view.file(f"log/texts/{first.name}") is None
    assert sha256(body) == first.name
    assert any(first.name in json.dumps(json.loads(leaf)) for leaf in leaves(world)), "the leaf stays"


def test_it_can_be_said_again_and_for_what_was_never_there(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for digest in (texts(world)[0].name, texts(world)[0].name, "0" * 64):
        assert forget(world, digest) == 0
    assert capsys.readouterr().out.count("is not there, or not any more. Nothing was written") == 2
    with pytest.raises(SystemExit):
        forget(world, "../checkpoint")


def test_whoever_dies_in_between_says_it_again(world: World) -> None:
    first = texts(world)[0]
    with dying_at("forget.journal"):
        forget(world, first.name)
    assert lines(world) == [] and first in texts(world)
    forget(world, first.name)
    assert first not in texts(world)


def test_what_is_collected_of_the_log_is_what_nothing_names(world: World) -> None:
    """Partial tiles, rows of bins and proofs that were replaced go; full tiles, bundles and texts stay."""
    forget(world, texts(world)[0].name)
    world.do(*(publishing("foo", f"7.{number}") for number in range(200)))
    for number in range(30):
        world.tick(hours=20)
        world.do(*(() if number % 3 else (_turn(number),)))
    kept = {path.relative_to(world.public).as_posix() for path in (world.public / "log").rglob("*") if path.is_file()}
    for _ in range(2):
        collecting.collect(world.service.journal, world.service.depot, timedelta(days=7), world.now)
        world.tick(days=1, hours=1)
    left = {path.relative_to(world.public).as_posix() for path in (world.public / "log").rglob("*") if path.is_file()}
    gone = kept - left
    assert {path.split("/")[1] for path in gone} == {"tile", "bins", "proofs"}
    assert all(".p/" in path for path in gone if "/tile/" in path)
    assert {"log/tile/0/000", "log/tile/entries/000", "log/checkpoint"} <= left
    world.service.round()
    assert [line for line in lines(world) if "packages" not in line] == []
