"""A database that is lost comes back from the public log and the public files, and what it cannot know it says."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from client_verify.answers import Found
from keys.encoding import sha256
from repo_service.accepting.halting import set_flag
from repo_service.cli import main
from repo_service.domain import flags
from repo_service.domain import requests as r
from repo_service.mending.recovering import Recovered, recover, recover_lost
from repo_service.mending.retelling import NotRecovered
from repo_service.storage import tables as t
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP
from repo_service.wiring import LOG_KEY, open_service
from tests.servers import postgres
from tests.service.dying import dying_at
from tests.service.test_fsck import copied, eventful, lines
from tests.world import ADMIN, BECAUSE, OWNER, STRANGER, World, log_key, publishing, root_of_trust

Rows = dict[str, list[dict[str, Any]]]
LOST = {
    "events": {"actor", "holder", "approver", "org", "change", "lane"},
    "names": {"edition", "holder", "org", "granted", "notice_at"},
    "releases": {"epoch", "timestamp"},
    "policies": {"approved_by", "seq"},
    "flags": {"client"},
    "files": {"release", "position"},
    "logged": {"checkpoint", "cosigned"},
    "roles": {"renew_at"},
}
"""Columns that no public file says."""
GONE = {"changes", "tokens", "skeletons", "lease", "alembic_version", "refusals", "escalations", "followed"}


def everything(folder: Path) -> World:
    """Every kind of event, a second root, another number of bins, a namespace, takedowns, texts."""
    world = eventful(folder)
    world.service.round()
    world.do(r.Reserve("yours", STRANGER), r.Grant("corp", "org-2", "Corporation", ADMIN))
    owner = r.Actor("owner", "account-1", org="org-1")
    world.do(r.Share("acme", "org-3", "Third", owner), r.GrantChild("acme-sub", owner))
    world.do(r.Judge("foo", "quarantine", "case-7", ADMIN, "malware", ("2.0",), ("MAL-2026-1",)))
    world.do(r.Deprecate("baz", BECAUSE, None, ADMIN) if False else r.Lock("baz", BECAUSE, ADMIN))
    world.take_in(root_of_trust(world.now, world.trust, holders=(1, 2, 4), held=("pip", "corporate")))
    world.take_in(root_of_trust(world.now, world.trust, holders=(1, 2, 4), held=("pip", "corporate"), bins=8))
    set_flag(world.service.journal, flags.SetFlag("uploads_halted", BECAUSE), "tests", None, world.now)
    world.tick(hours=7)
    world.service.round()
    assert isinstance(world.client("cached").page("bar"), Found)
    return world


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return everything(tmp_path_factory.mktemp("template"))


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copied(template, tmp_path / "world")


def rows(world: World) -> Rows:
    """All that the journal says, table by table."""
    found = {}
    with world.service.journal.reading() as view:
        for table in t.metadata.sorted_tables:
            found[table.name] = [dict(row) for row in view._connection.execute(select(table)).mappings()]
    return found


def lose(world: World) -> None:
    """The database is gone."""
    world.service.journal._engine.dispose()
    for file in (world.folder / "service").glob("journal.sqlite*"):
        file.unlink()
    world.service = open_service(world.folder / "service", clock=lambda: world.now)
    world.service.journal.create()


def recovered(world: World) -> Recovered:
    return recover_lost(world.service.press, world.trust.roots[0].data, world.now, lambda *_: None)


def known(found: Rows) -> dict[str, list[str]]:
    """What must be the same: without what no public file says, and without files that nothing names any more."""
    first = min(row["generation"] for row in found["logged"])
    told = {}
    for table, its in found.items():
        if table in GONE:
            continue
        if table == "files":
            its = [row for row in its if row["superseded"] is None]
        if table == "bodies":
            current = {row["path"] for row in found["files"] if row["superseded"] is None}
            its = [row for row in its if row["path"] in current]
        if table == "events":
            its = [{**row, "body": _without_evidence(row["body"]), "release": max(row["release"], first)} for row in its]
        told[table] = sorted(repr({k: v for k, v in row.items() if k not in LOST.get(table, ())}) for row in its)
    return told


def _without_evidence(body: str) -> str:
    plain = json.loads(body)
    return json.dumps({key: value for key, value in plain.items() if key not in ("evidence", "case")})


def test_all_comes_back_but_for_what_it_says_and_it_goes_on(world: World) -> None:
    before, public = rows(world), _public(world)
    lose(world)
    done = recovered(world)
    after = rows(world)
    assert _public(world) == public, "recovery writes to the journal alone"
    assert known(after) == known(before)
    assert done.events == len(before["events"]) and done.paged == () and done.gone == ()
    assert set(done.unknown) == {row["name"] for row in before["names"]}
    assert after["tokens"] == [] and after["changes"] == [] and after["recovered"] == []
    assert after["releases"][-1]["timestamp"] == before["releases"][-1]["timestamp"]
    assert lines(world) == []
    world.do(r.Clear("foo", BECAUSE, ADMIN), r.Restore("bar", "1.0", BECAUSE, ADMIN))
    assert [line for line in lines(world) if "packages" not in line] == []
    for client in ("cached", "fresh"):
        assert isinstance(world.client(client).page("foo"), Found)


def _public(world: World) -> dict[str, bytes]:
    files = world.public.rglob("*")
    return {str(path.relative_to(world.public)): path.read_bytes() for path in files if path.is_file()}
