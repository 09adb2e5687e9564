"""Events by what they are about: every filter, page after page, and never the whole table."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from keys.times import stamp
from repo_service.domain import requests as r
from repo_service.storage import searching
from repo_service.storage.searching import Found, Search, Wanted
from tests.world import ADMIN, BECAUSE, BEGIN, OWNER, World, publishing


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Forty hours, in each of which a name is published; every tenth is yanked, and the last one waits."""
    world = World(Path(tmp_path_factory.mktemp("searching")))
    for number in range(40):
        asked: list[r.Request] = [publishing(f"name-{number}")]
        asked += [r.Yank(f"name-{number}", "1.0", BECAUSE, ADMIN)] if number % 10 == 0 else []
        for each in asked:
            world.record(each)
        world.tick(hours=1)
        if number < 39:
            world.service.round()
    world.record(r.Archive("name-7", actor=OWNER))
    return world


def search(world: World, before: int | None = None, limit: int = 1000, **wanted: Any) -> Found:
    with world.service.journal.reading_with(Search) as view:
        return view.found(Wanted(**wanted), before, limit)


def said(found: Found) -> list[tuple[str, str]]:
    return [(told.event.name, type(told.event.change).__name__) for told in found.events]


def test_without_a_filter_everything_comes_the_newest_first_each_once_over_all_pages(world: World) -> None:
    numbers, before = list[int](), None
    while True:
        found = search(world, before, 7)
        numbers += [told.event.seq for told in found.events]
        if (before := found.before) is None:
            break
    assert numbers == sorted(numbers, reverse=True) and numbers == list(range(85, 0, -1))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"name": "name-10"}, ["ReleaseYanked", "ReleasePublished", "ProjectCreated"]),
        ({"name": "name-10", "by": "admin"}, ["ReleaseYanked"]),
        ({"name": "nobody"}, []),
        ({"type": "release.yanked"}, ["ReleaseYanked"] * 4),
        ({"type": "release.yanked", "state": "pending"}, []),
        ({"state": "pending"}, ["ProjectArchived", "ReleasePublished", "ProjectCreated"]),
        ({"state": "signed", "by": "admin"}, ["ReleaseYanked"] * 4),
        ({"type": "project.archived"}, ["ProjectArchived"]),
        ({"since": BEGIN + timedelta(hours=39)}, ["ProjectArchived", "ReleasePublished", "ProjectCreated"]),
        ({"until": BEGIN}, ["ReleaseYanked", "ReleasePublished", "ProjectCreated"]),
        (
            {"since": BEGIN + timedelta(hours=10), "until": BEGIN + timedelta(hours=10), "by": "admin"},
            ["ReleaseYanked"],
        ),
    ],
)
def test_a_filter_finds_exactly_what_it_says(world: World, wanted: dict[str, Any], expected: list[str]) -> None:
    assert [kind for _, kind in said(search(world, **wanted))] == expected


def test_what_signs_an_event_is_said_and_that_nothing_does_yet(world: World) -> None:
    archived, *_, created = search(world, name="name-7").events
    assert archived.signed is None and created.signed is not None
    assert created.signed.published and created.signed.signed_at == stamp(BEGIN + timedelta(hours=8))


def test_where_no_index_leads_a_page_looks_at_so_many_and_says_how_far_it_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "WINDOW", 20)
    found, pages, names = search(world, 66, by="admin"), 1, list[str]()
    assert (said(found), found.before, found.looked_to) == ([], 46, stamp(BEGIN + timedelta(hours=21)))
    while found.before is not None:
        found = search(world, found.before, by="admin")
        names += [name for name, _ in said(found)]
        pages += 1
    assert names == ["name-20", "name-10", "name-0"] and pages == 4
    assert len(search(world, type="release.yanked").events) == 4, "an index leads there"


@pytest.fixture
def statements(world: World) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database."""
    asked, engine = list[tuple[str, Any]](), world.service.journal._engine
    heard = lambda conn, cursor, text, values, *_: asked.append((text, values))  # noqa: E731
    event.listen(engine, "before_cursor_execute", heard)
    yield asked
    event.remove(engine, "before_cursor_execute", heard)


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        ({"name": "name-10"}, "(name=?)"),
        ({"name": "name-10", "type": "release.yanked"}, ""),
        ({"type": "release.yanked"}, "INDEX rare (type=?"),
        ({"type": "release.yanked", "state": "signed"}, "INDEX rare (type=?"),
        ({"state": "pending"}, "INDEX signed (release=?"),
        ({"by": "admin"}, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ({"since": BEGIN}, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ],
)
def test_no_question_scans_the_table_of_events(
    world: World, statements: list[tuple[str, Any]], wanted: dict[str, Any], by: str
) -> None:
    search(world, **wanted)
    with world.service.journal._engine.connect() as connection:
        asked = [each for each in statements if each[0].lstrip().startswith("SELECT")]
        plans = [str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()) for text, values in asked]
    assert not [plan for plan in plans if "SCAN events" in plan] and by in plans[-1], plans
