"""What PostgreSQL does otherwise than SQLite, which lets one writer in at a time."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from keys import names
from keys.state import installable
from keys.times import stamp
from repo_service.accepting import intake
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.storage import tables
from tests.servers import postgres
from tests.service.bring import project, taken, written
from tests.service.door import Door, Silent
from tests.world import ADMIN, BECAUSE, OWNER, World, publishing, root_of_trust


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A server of our own."""
    with postgres() as url:
        yield url


@pytest.fixture
def world(tmp_path: Path, database: str) -> Iterator[World]:
    """A world whose journal is in PostgreSQL."""
    engine = create_engine(database)
    tables.metadata.drop_all(engine)
    world = World(tmp_path, f'database = "{database}"\n')
    yield world
    world.service.journal._engine.dispose()
    engine.dispose()


def test_a_registry_lives_on_postgresql_from_its_first_file_to_its_last(world: World) -> None:
    removing = r.Fact(0, stamp(world.now))
    world.do(publishing("foo"), publishing("foo", "2.0"), r.Yank("foo", "1.0", BECAUSE, OWNER))
    world.do(r.Grant("acme", "org-1", "Acme Corporation", ADMIN), r.Reserve("bar", OWNER))
    assert len(list(installable(world.client().page("foo").state))) == 2
    world.do(r.Unpublish("foo", "1.0", BECAUSE, removing, OWNER), r.Unpublish("foo", "2.0", BECAUSE, removing, OWNER))
    world.tick(days=365 // 2)
    world.service.round()
    world.tick(days=30)
    world.service.round()
    client = world.client()
    assert client.page("foo").state.state == "placeholder" and client.page("bar").state.state == "vacant"
    assert {release.state for release in client.page("foo").state.releases} == {"purged"}
    assert client.page("acme").state.namespace.owner == "Acme Corporation"


def test_of_two_publishers_at_once_one_signs_and_nothing_is_lost(world: World) -> None:
    """The generation is the compare-and-swap, here too; each sees one moment, also while the other commits."""
    at_once = threading.Barrier(3)

    def work(number: int) -> None:
        at_once.wait()
        for version in range(5):
            world.record(publishing(f"project-{number}", f"{version}.0"), key=f"{number} {version}")
            world.service.round()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.service.round()
    client = world.client()
    assert [len(client.page(f"project-{number}").state.releases) for number in range(3)] == [5, 5, 5]
    with world.service.journal.reading() as view:
        assert view.counts()["pending"] == 0


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


def test_an_import_by_several_processes_brings_everything_once_beside_others_that_write(world: World) -> None:
    """Locks, numbers of events and rows of names are this database's own."""
    lines = [project(f"project-{number}", "1.0", "2.0") for number in range(250)]
    stop = threading.Event()
    beside: list[str] = []

    def write() -> None:
        while not stop.wait(0.01):
            name = f"pr0ject-{len(beside)}"  # of the same family, and it looks like one that comes
            world.record(publishing(name, actor=r.Actor("system")), key=name)
            beside.append(name)

    thread = threading.Thread(target=write)
    thread.start()
    noted = taken(world, written(*lines), processes=2)
    stop.set()
    thread.join()
    assert noted.problems == [] and (noted.counted.grown, noted.counted.releases) == (250, 500)
    assert taken(world, written(*lines)).counted.known == 250
    yank = world.record(r.Yank(beside[0], "1.0", BECAUSE, OWNER))
    world.service.round()
    with world.service.journal.reading() as view:
        signed = view.signed_in([yank.id])[yank.id]
        events = view.events("project-7")
    assert signed.published
    assert [c.type_of(each.change) for each in events][:3] == ["project.created", *["release.published"] * 2]


def test_another_number_of_bins_moves_every_target_there(world: World) -> None:
    """The same bins by PostgreSQL's own arithmetic as by ours, or the commit refuses."""
    listed = [f"project-{number}" for number in range(20)]
    world.do(*map(publishing, listed))
    for bins in (1024, 8):
        world.take_in(root_of_trust(world.now, after=world.trust, bins=bins))
        stock = world.stock()
        stock.refresh()
        assert all(stock.get_targetinfo(names.page_path(name)) is not None for name in listed)


def test_while_the_database_is_away_the_api_says_so_and_afterwards_goes_on(tmp_path: Path) -> None:
    """Its connections died with it, and none of them is used again."""
    with postgres() as url:
        world = World(tmp_path, f'database = "{url}"\n')
        door = Door(world)
        assert door.publish("foo").status_code == 200
        engine = create_engine(url.replace("/tests?", "/postgres?"), isolation_level="AUTOCOMMIT")
        with engine.connect() as other:
            other.execute(text("ALTER DATABASE tests ALLOW_CONNECTIONS false"))
            other.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tests'"))
            refused = door.publish("bar")
            assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
            assert "Nothing" in refused.get_json()["detail"]
            other.execute(text("ALTER DATABASE tests ALLOW_CONNECTIONS true"))
        engine.dispose()
        assert door.publish("bar").status_code == 200
        world.service.journal._engine.dispose()


class Cutting(Silent):
    """Whoever is rung takes the database away."""

    def __init__(self, url: str) -> None:
        self.admin = create_engine(url.replace("/tests?", "/postgres?"), isolation_level="AUTOCOMMIT")

    def ring(self) -> None:
        with self.admin.connect() as other:
            other.execute(text("ALTER DATABASE tests ALLOW_CONNECTIONS false"))
            other.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tests'"))


def test_what_was_recorded_before_the_database_went_away_is_not_called_unwritten(tmp_path: Path) -> None:
    with postgres() as url:
        world, bell = World(tmp_path, f'database = "{url}"\n'), Cutting(url)
        answer = Door(world, bell=bell).publish("foo", Prefer="wait=1")
        assert (answer.status_code, answer.get_json()["status"]) == (202, "accepted"), answer.get_json()
        with bell.admin.connect() as other:
            other.execute(text("ALTER DATABASE tests ALLOW_CONNECTIONS true"))
        bell.admin.dispose()
        with world.service.journal.reading() as view:
            assert view.change(answer.get_json()["change"]) is not None
        world.service.journal._engine.dispose()
