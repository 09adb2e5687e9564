"""docs/examples/registry: a registry's changes become signed state in their order, once, also while nobody answers."""

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from keys.times import stamp
from repo_service.calling.api import Api
from repo_service.calling.line import Patience
from repo_service.domain.requests import Actor, Auth, Contact
from tests import loopback, servers
from tests.servers import free_port
from tests.world import World

EXAMPLE: Final = Path(__file__).parents[2] / "docs/examples/registry/warehouse_like.py"
QUICK: Final = Patience(total_s=0.3, first_s=0.05)


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("warehouse_like", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # SQLAlchemy looks its annotations up there
    spec.loader.exec_module(module)
    return module


registry = _loaded()


@dataclass(frozen=True)
class Shop:
    """A registry with a database of its own, and the service that signs for it."""

    folder: Path
    engine: sqlalchemy.Engine
    world: World
    port: int
    token: str
    woken: threading.Event

    @property
    def api(self) -> Api:
        return Api(f"http://127.0.0.1:{self.port}", self.token)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The service is up as long as the block lasts."""
        command = loopback.service(self.world.service.folder, self.port)
        with loopback.process(command, stderr=subprocess.DEVNULL):
            yield

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """A transaction of the registry, as an owner who was asked for their key just now."""
        now = stamp(datetime.now(UTC))
        actor = Actor("owner", "account-1", Contact("verified", now), "account-2", auth=Auth("session", True, now))
        with Session(self.engine, info={"actor": actor}) as session:
            yield session
            session.commit()

    def send(self) -> int:
        waiting: int = registry.send_waiting(self.engine, self.api)
        return waiting

    def send_to_nobody(self) -> int:
        waiting: int = registry.send_waiting(self.engine, Api(f"http://127.0.0.1:{self.port}", self.token, QUICK))
        return waiting

    def events(self, name: str) -> list[str]:
        return [event.type for event in self.api.history(name)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose sessions are hooked, for the module: each test has names of its own."""
    folder, woken = tmp_path_factory.mktemp("shop"), threading.Event()
    world = World(folder / "world", 'policy = "pypi"\n', begin=datetime.now(UTC).replace(microsecond=0))
    engine = sqlalchemy.create_engine(f"sqlite:///{folder}/registry.db")
    registry.Base.metadata.create_all(engine)
    registry.hook(woken.set)
    yield Shop(folder, engine, world, free_port(), world.token("registry", "shop"), woken)
    engine.dispose()


def file(filename: str, content: str = "ab") -> object:
    return registry.File(filename=filename, sha256=content * 32, size=7, url=f"https://files.test/{filename}")


def uploaded(session: Session, project: str, version: str, *filenames: str, content: str = "ab") -> None:
    """What an upload does in a registry: it has never heard of us."""
    found = session.scalars(sqlalchemy.select(registry.Project).filter_by(name=project)).first()
    found = found or registry.Project(name=project)
    release = next((each for each in found.releases if each.version == version), None)
    release = release or registry.Release(version=version, project=found)
    release.files += [file(each, content) for each in filenames]
    session.add(found)


def release_of(session: Session, project: str, version: str) -> object:
    query = sqlalchemy.select(registry.Release).join(registry.Project).filter_by(name=project)
    return session.scalars(query.where(registry.Release.version == version)).one()


def rows(shop: Shop, name: str) -> list[str]:
    with Session(shop.engine) as session:
        found = session.scalars(
            sqlalchemy.select(registry.Outbox).filter_by(name=name).order_by(registry.Outbox.number)
        )
        return [registry.request_of(each.request).__class__.__name__ for each in found]


def test_every_change_becomes_signed_state_in_order_and_once_though_nobody_answers_and_the_worker_is_killed(
    shop: Shop,
) -> None:
    with shop.changing() as session:
        uploaded(session, "Acme-Tool", "1.0", "acme_tool-1.0-py3-none-any.whl", "acme_tool-1.0.tar.gz")
    with shop.changing() as session:
        uploaded(session, "Acme-Tool", "2.0", "acme_tool-2.0.tar.gz")
    with shop.changing() as session:
        uploaded(session, "other", "1.0", "other-1.0.tar.gz")
    # Nobody answers: all of it waits.
    assert shop.send_to_nobody() == 3
    with shop.serving():
        assert shop.send() == 0
        said = ["project.created", "release.published", "release.published"]
        assert shop.events("acme-tool") == said
        state = shop.api.name("acme-tool")
        assert state is not None and state.display == "Acme-Tool" and len(state.releases[0].files) == 2
    # Down again, and the owner goes on working.
    with shop.changing() as session:
        release = release_of(session, "Acme-Tool", "1.0")
        release.yanked, release.yanked_reason = True, "does not start"
    with shop.changing() as session:
        session.delete(release_of(session, "Acme-Tool", "1.0").files[1])
    with shop.changing() as session:
        release_of(session, "Acme-Tool", "1.0").yanked = False
    with shop.changing() as session:
        session.delete(release_of(session, "Acme-Tool", "1.0"))
    with shop.changing() as session:
        release_of(session, "Acme-Tool", "2.0").project.archived = True
    assert shop.send_to_nobody() == 5
    with shop.serving():
        assert killed_after_sending(shop) and killed_after_sending(shop)
        assert shop.send() == 0 and shop.send() == 0
        said += ["release.yanked", "file.removed", "release.unyanked", "release.unpublished", "project.archived"]
        assert shop.events("acme-tool") == said
        with shop.changing() as session:
            session.delete(release_of(session, "Acme-Tool", "2.0").project)
        assert shop.send() == 0
        assert shop.events("acme-tool")[len(said) :][0] == "release.unpublished"
        state = shop.api.name("acme-tool")
        assert state is not None and state.state == "placeholder"
        refused_rows_wait(shop)


def killed_after_sending(shop: Shop) -> bool:
    """A worker that dies between the answer and the mark that it came."""
    code = (
        "import os, sys, importlib.util as u\n"
        f"spec = u.spec_from_file_location('warehouse_like', {str(EXAMPLE)!r})\n"
        "its = u.module_from_spec(spec); sys.modules['warehouse_like'] = its; spec.loader.exec_module(its)\n"
        "class Dies(its.Api):\n"
        "    def send(self, *asked, **said):\n"
        "        print(super().send(*asked, **said).changed, flush=True)\n"
        "        os._exit(9)\n"
        f"api = Dies('http://127.0.0.1:{shop.port}', sys.argv[1])\n"
        f"its.send_waiting(its.create_engine({str(shop.engine.url)!r}), api)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, shop.token], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (9, "True\n"), done.stderr
    return True


def refused_rows_wait(shop: Shop) -> None:
    """A refusal stops its own name until a person has looked, and no other."""
    with shop.changing() as session:
        uploaded(session, "other", "1.0", "other-1.0.tar.gz", content="ef")  # other bytes, the same name
    with shop.changing() as session:
        release_of(session, "other", "1.0").yanked = True
    with shop.changing() as session:
        uploaded(session, "third", "1.0", "third-1.0.tar.gz")
    assert shop.send() == 2 and shop.send() == 2
    assert shop.events("third") == ["project.created", "release.published"]
    assert "release.yanked" not in shop.events("other")
    with Session(shop.engine) as session:
        refused = sqlalchemy.select(registry.Outbox).where(registry.Outbox.refused.is_not(None))
        (row,) = session.scalars(refused)
        assert "Nothing was written" in row.refused


def test_what_is_rolled_back_is_not_in_the_outbox_and_wakes_nobody(shop: Shop) -> None:
    shop.woken.clear()
    with pytest.raises(RuntimeError), shop.changing() as session:
        uploaded(session, "undone", "1.0", "undone-1.0.tar.gz")
        session.flush()
        raise RuntimeError
    assert rows(shop, "undone") == [] and not shop.woken.is_set()
    with shop.changing() as session:
        uploaded(session, "done", "1.0", "done-1.0.tar.gz")
    assert rows(shop, "done") == ["Publish"] and shop.woken.is_set()


def test_one_flush_says_what_comes_before_what_goes_and_says_nothing_twice(shop: Shop) -> None:
    with shop.changing() as session:
        uploaded(session, "many", "1.0", "many-1.0.tar.gz")
        release = registry.Release(version="2.0", yanked=True, files=[file("many-2.0.tar.gz")])
        session.scalars(sqlalchemy.select(registry.Project).filter_by(name="many")).one().releases.append(release)
    assert rows(shop, "many") == ["Publish", "Publish", "Yank"]
    with shop.changing() as session:
        uploaded(session, "many", "3.0", "many-3.0.tar.gz")
        session.delete(release_of(session, "many", "1.0"))
    assert rows(shop, "many")[3:] == ["Unpublish", "Publish"] or rows(shop, "many")[3:] == ["Publish", "Unpublish"]
    with shop.changing() as session:
        session.delete(release_of(session, "many", "2.0").project)
    assert rows(shop, "many")[5:] == ["UnpublishProject"]


def test_rows_of_one_name_are_numbered_in_the_order_in_which_their_changes_become_true(shop: Shop) -> None:
    with servers.postgres() as url:
        engine = sqlalchemy.create_engine(url)
        registry.Base.metadata.create_all(engine)
        theirs = Shop(shop.folder, engine, shop.world, shop.port, shop.token, shop.woken)
        with theirs.changing() as session:
            uploaded(session, "busy", "1.0", "busy-1.0.tar.gz")
            uploaded(session, "calm", "1.0", "calm-1.0.tar.gz")
        done: list[str] = []

        def archive() -> None:
            with theirs.changing() as session:
                release_of(session, "busy", "1.0").project.archived = True
                session.flush()  # waits for who has the turn
                done.append("archived")

        later = threading.Thread(target=archive)
        with theirs.changing() as session:
            release_of(session, "busy", "1.0").yanked = True
            session.flush()
            later.start()
            with theirs.changing() as other:
                release_of(other, "calm", "1.0").yanked = True  # another name waits for nobody
            later.join(0.5)
            done.append("yanked")
        later.join(20)
        assert done == ["yanked", "archived"]
        assert rows(theirs, "busy") == ["Publish", "Yank", "Archive"] and rows(theirs, "calm") == ["Publish", "Yank"]
        engine.dispose()
