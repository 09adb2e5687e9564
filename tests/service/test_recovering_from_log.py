"""A database that is lost comes back from the public log and the public files, and what it cannot know it says."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from client_verify.answers import Found
from keys.times import stamp
from repo_service.accepting import intake
from repo_service.accepting.halting import clear_flag, set_flag
from repo_service.cli import main
from repo_service.domain import flags
from repo_service.domain import requests as r
from repo_service.mending.recovering import Recovered, recover, recover_lost
from repo_service.mending.retelling import NotRecovered
from repo_service.monitor.book import Book
from repo_service.monitor.following import follow, head_of
from repo_service.monitor.reading import Folder
from repo_service.publishing.publish import check_not_behind
from repo_service.storage import tables as t
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP, Behind
from repo_service.wiring import LOG_KEY, NEXT_LOG_KEY, open_service
from tests.domain.moves import requests
from tests.servers import postgres
from tests.service.dying import dying_at
from tests.service.test_fsck import copied, eventful, lines, newest, resigned, sql
from tests.world import ADMIN, BECAUSE, BEGIN, OWNER, STRANGER, World, log_key, publishing, root_of_trust

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
GONE = {"changes", "tokens", "skeletons", "lease", "alembic_version", "refusals", "escalations"}


def everything(folder: Path) -> World:
    """Every kind of event, a second root, another number of bins, a namespace, takedowns, texts."""
    world = eventful(folder)
    clear_flag(world.service.journal, flags.ClearFlag("new_names_halted", BECAUSE), "tests", None, world.now)
    world.do(r.Reserve("yours", STRANGER), r.Grant("corp", "org-2", "Corporation", ADMIN))
    owner = r.Actor("owner", "account-1", org="org-1")
    world.do(r.Share("acme", "org-3", "Third", owner), r.GrantChild("acme-sub", owner))
    world.do(r.Judge("foo", "quarantine", "case-7", ADMIN, "malware", ("2.0",), ("MAL-2026-1",)))
    world.do(r.Lock("baz", BECAUSE, ADMIN))
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
            its = [
                {**row, "body": _without_evidence(row["body"]), "release": max(row["release"], first)} for row in its
            ]
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


def test_a_monitor_sees_no_break(world: World, tmp_path: Path) -> None:
    book, public, pin = Book(tmp_path / "book"), Folder(world.public), world.trust.roots[0].data
    before = [*follow(public, book, pin, world.now)]
    lose(world)
    recovered(world)
    world.do(r.Clear("foo", BECAUSE, ADMIN))
    with world.service.journal.reading() as view:
        logged = view.newest_logged()
    assert [*follow(public, book, pin, world.now)] == [] and logged is not None
    assert head_of(book).size == logged.size, before
    book.close()


def test_a_namespace_of_which_nobody_knows_whose_it_is_is_handed_over_and_taken_by_nobody(world: World) -> None:
    lose(world)
    recovered(world)
    for org in ("org-1", "org-3", None):
        with pytest.raises(intake.Refused, match=r"actor\.org is not their id"):
            world.record(r.Share("acme", "org-9", "Ninth", r.Actor("owner", "account-1", org=org)))
    world.record(r.HandOver("acme", "org-1", "Acme Corporation", r.Actor("support", "account-7")))
    with world.service.journal.reading() as view:
        acme, mine = view.name("acme"), view.name("mine")
    assert acme.orgs == ("org-1",) and acme.state is not None and acme.state.namespace is not None
    assert acme.state.namespace.shared_with == (), "whom it was shared with nobody knows"
    assert mine.holder is None
    with pytest.raises(intake.Refused):
        world.record(r.Renew("mine", OWNER))
    world.service.round()
    assert sound(world)


def test_while_one_key_of_the_log_follows_the_other_it_comes_back_too(world: World) -> None:
    (world.service.folder / NEXT_LOG_KEY).write_text(log_key(2).written)
    world.reopen()
    world.do(r.Clear("foo", BECAUSE, ADMIN))
    assert lines(world) == []
    before = rows(world)
    lose(world)
    recovered(world)
    assert known(rows(world)) == known(before) and lines(world) == []


def test_whoever_dies_in_between_wrote_nothing_and_says_it_again(world: World) -> None:
    before = rows(world)
    lose(world)
    empty = rows(world)
    with dying_at("recover.written"):
        recovered(world)
    left = rows(world)
    assert {**left, "lease": []} == {**empty, "lease": []}
    assert recovered(world).generation == before["releases"][-1]["generation"]
    with pytest.raises(NotRecovered, match="this database is not empty"):
        recovered(world)
    assert known(rows(world)) == known(before)


def test_on_postgresql_too(template: World, server: str, tmp_path: Path) -> None:
    before = known(rows(template))
    world = copied(template, tmp_path / "world")
    (world.folder / "service" / "service.toml").write_text(f'database = "{server}"\n')
    world.service = open_service(world.folder / "service", clock=lambda: world.now)
    world.service.journal.create()
    recovered(world)
    assert known(rows(world)) == before and lines(world) == []
    world.do(r.Clear("foo", BECAUSE, ADMIN))
    with world.service.journal.reading() as view:
        assert view.events("foo")[-1].seq > 1_000_000
    world.service.journal._engine.dispose()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


def test_a_release_that_was_logged_and_not_pointed_to_is_finished(world: World) -> None:
    pointed = (world.public / TIMESTAMP).read_bytes()
    with dying_at("finish.log_pointed"):
        world.do(r.Clear("foo", BECAUSE, ADMIN))
    assert (world.public / TIMESTAMP).read_bytes() == pointed
    before = rows(world)
    lose(world)
    recovered(world)
    assert known(rows(world)) == known(before)
    world.service.round()
    assert (world.public / TIMESTAMP).read_bytes() == before["releases"][-1]["timestamp"]
    assert lines(world) == []
    assert isinstance(world.client("cached").page("foo"), Found)


def test_an_old_database_takes_it_over_too(world: World, tmp_path: Path) -> None:
    """The timestamp says nothing of it, and the log does."""
    world.service.journal.back_up(tmp_path / "backup")
    with dying_at("finish.log_pointed"):
        world.do(r.Clear("foo", BECAUSE, ADMIN))
    before = rows(world)
    lose(world)
    world.service.journal._engine.dispose()
    (world.folder / "service" / "journal.sqlite").unlink()
    for file in (world.folder / "service").glob("journal.sqlite-*"):
        file.unlink()
    world.service.journal.restore(tmp_path / "backup")
    with pytest.raises(Behind, match=r"the public log has \d+ leaves"):
        check_not_behind(world.service.press)
    assert isinstance(recover(world.service.press, world.now, lambda *_: None), Recovered)
    assert known(rows(world)) == known(before)
    world.service.round()
    assert lines(world) == []
    assert isinstance(world.client("cached").page("foo"), Found)


def test_a_text_that_was_taken_back_is_named_and_its_name_goes_on_from_its_page(world: World) -> None:
    before = rows(world)
    texts = [row["path"] for row in before["files"] if row["path"].startswith("log/texts/")]
    for path in texts:
        (world.public / path).unlink()
    lose(world)
    done = recovered(world)
    assert {f"log/texts/{digest}" for digest in done.gone} == set(texts)
    assert "foo" in done.paged and "mine" not in done.paged
    assert done.events == len(before["events"])
    after = rows(world)
    assert {row["name"] for row in after["recovered"]} == set(done.paged)
    states = [{row["name"]: row["state"] for row in found["names"]} for found in (before, after)]
    assert states[0] == states[1]
    assert lines(world) == []
    world.do(r.Clear("foo", BECAUSE, ADMIN))
    assert [line for line in lines(world) if "packages" not in line] == []


def signed_by_a_thief(world: World) -> None:
    """The newest bin of foo lists a page that the log has nothing of; snapshot and timestamp follow."""
    thief = copied(world, world.folder.parent / "thief")
    (thief.folder / "service" / LOG_KEY).unlink()
    shutil.rmtree(thief.public / "log")
    with thief.service.journal._engine.begin() as connection:
        connection.execute(t.logged.delete())
    thief.service = open_service(thief.folder / "service", clock=lambda: thief.now)
    thief.do(r.Unlock("baz", BECAUSE, ADMIN))
    shutil.copytree(thief.public, world.public, dirs_exist_ok=True)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (signed_by_a_thief, "is public, and the last release that is logged is another"),
        (lambda w: (w.public / CHECKPOINT).unlink(), "no public log"),
        (
            lambda w: _edit(w.public / CHECKPOINT, lambda data: data[:-9] + b"AAAAAAA=\n"),
            "on this checkpoint does not verify",
        ),
        (lambda w: _edit(_newest_tile(w), lambda data: data[::-1]), "the log: "),
        (lambda w: _edit(next((w.public / "log/texts").iterdir()), lambda data: data[::-1]), "not the text that"),
        (lambda w: (w.public / "metadata/2.root.json").unlink(), "not signed by enough keys|2.root.json is in the log"),
        (lambda w: _keyed(w, 2), "log.key of this folder is not the one"),
    ],
)
def test_what_is_not_what_the_log_says_is_not_recovered(
    world: World, damage: Callable[[World], object], why: str
) -> None:
    damage(world)
    lose(world)
    with pytest.raises(NotRecovered, match=why) as refused:
        recovered(world)
    assert str(refused.value).endswith("Nothing was written.")
    assert rows(world)["releases"] == [] and rows(world)["events"] == []


def page_without_its_event(world: World) -> None:
    """The log says one thing, and the page another: both signed."""
    world.record(r.Yank("foo", "3.0", BECAUSE, ADMIN))
    sql(world, "UPDATE events SET body = replace(body, '3.0', '2.0') WHERE release IS NULL")
    world.service.round()


def another_bin_of_its_version(world: World) -> None:
    """What the snapshot cannot tell apart, since it lists bins by version."""
    file = newest(world, "bin-5")
    file.write_bytes(resigned(file.read_bytes(), expires="2026-12-29T00:00:00Z"))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (
            page_without_its_event,
            "foo: its public page is not what the log's events lead to: the online key",
        ),
        (another_bin_of_its_version, "the public bins are not those that the log names"),
    ],
)
def test_what_the_online_key_signed_beside_the_log_does_not_become_ours(
    world: World, damage: Callable[[World], object], why: str
) -> None:
    damage(world)
    lose(world)
    with pytest.raises(NotRecovered, match=why):
        recovered(world)
    assert rows(world)["releases"] == []


def test_a_log_that_does_not_go_on_from_the_journals_is_not_taken_over(world: World, tmp_path: Path) -> None:
    sql(world, "UPDATE logged SET root = (SELECT root FROM logged ORDER BY generation LIMIT 1)")
    world.service.journal.back_up(tmp_path / "backup")
    world.do(r.Clear("foo", BECAUSE, ADMIN))
    set_back(world, tmp_path / "backup")
    before = rows(world)
    with pytest.raises(NotRecovered, match="the public log does not go on from the"):
        recover(world.service.press, world.now, lambda *_: None)
    assert {**rows(world), "lease": []} == {**before, "lease": []}


def test_another_root_than_the_one_that_is_trusted_recovers_nothing(world: World) -> None:
    lose(world)
    other = root_of_trust(holders=(4, 5, 6)).roots[0].data
    with pytest.raises(NotRecovered, match="others than this journal's, or than the one you trust"):
        recover_lost(world.service.press, other, world.now, lambda *_: None)


def _edit(file: Path, become: Callable[[bytes], bytes]) -> None:
    file.write_bytes(become(file.read_bytes()))


def _newest_tile(world: World) -> Path:
    return max((world.public / "log/tile/0").glob("*.p/*"), key=lambda path: int(path.name))


def _keyed(world: World, number: int) -> None:
    (world.folder / "service" / LOG_KEY).write_text(log_key(number).written)


@pytest.fixture
def late(tmp_path: Path) -> World:
    """Much had happened before there was a log; a backup of then is kept."""
    world = World(tmp_path / "late", log=None)
    world.do(publishing("foo"), publishing("bar"), r.Yank("foo", "1.0", BECAUSE, OWNER), r.Reserve("mine", OWNER))
    world.service.journal.back_up(tmp_path / "backup")
    world.do(publishing("bar", "2.0"), r.Archive("bar"))
    return world


def begin_log(world: World) -> None:
    world.trust = root_of_trust(world.now, world.trust)
    world.hold_log_key(world.folder / "service")
    world.reopen()
    world.take_in(world.trust)
    world.do(publishing("foo", "2.0"))


def set_back(world: World, backup: Path) -> None:
    lose(world)
    world.service.journal._engine.dispose()
    for file in (world.folder / "service").glob("journal.sqlite*"):
        file.unlink()
    world.service.journal.restore(backup)


def sound(world: World) -> bool:
    return [line for line in lines(world) if "packages" not in line] == []


def test_a_log_that_began_late_holds_everything_that_there_ever_was(late: World) -> None:
    begin_log(late)
    assert sound(late)
    before = rows(late)
    lose(late)
    assert recovered(late).events == len(before["events"])
    after = rows(late)
    assert after["events"][0]["release"] == after["logged"][0]["generation"], "the log knows no earlier one"
    assert sound(late)
    late.do(publishing("foo", "3.0"))
    assert sound(late)


def test_a_database_of_before_the_log_takes_back_what_the_log_has(late: World, tmp_path: Path) -> None:
    begin_log(late)
    before = rows(late)
    set_back(late, tmp_path / "backup")
    done = recover(late.service.press, late.now, lambda *_: None)
    assert done is not None and done.events == 3 and done.unknown == ()
    after = rows(late)
    keep = ("seq", "name", "serial", "type", "body", "reason")
    assert [[row[each] for each in keep] for row in after["events"]] == [
        [row[each] for each in keep] for row in before["events"]
    ]
    holders = [{row["name"]: row["holder"] for row in found["names"]} for found in (before, after)]
    assert holders[0] == holders[1]
    assert after["recovered"] == [] and sound(late)


@pytest.mark.parametrize("whose_page", ["of before", "of the same release"])
def test_names_that_went_on_from_their_pages_go_on_from_them_in_the_log(
    late: World, tmp_path: Path, whose_page: str
) -> None:
    set_back(late, tmp_path / "backup")
    assert recover(late.service.press, late.now, lambda *_: None) is not None
    if whose_page == "of the same release":
        late.record(r.Unarchive("bar"))
    begin_log(late)
    assert sound(late)
    late.do(publishing("bar", "4.0") if whose_page == "of the same release" else r.Unarchive("bar"))
    before = rows(late)
    lose(late)
    done = recovered(late)
    assert done.paged == () and "bar" in done.unknown
    after = rows(late)
    assert [row["name"] for row in after["recovered"]] == ["bar"]
    states = [{row["name"]: row["state"] for row in found["names"]} for found in (before, after)]
    assert states[0] == states[1]
    assert sound(late)


def test_the_command_says_what_is_lost_and_what_to_do(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root.json").write_bytes(world.trust.roots[0].data)
    home = str(world.folder / "service")
    lose(world)
    world.service.journal._engine.dispose()
    for file in (world.folder / "service").glob("journal.sqlite*"):
        file.unlink()
    assert main(["recover", home, "--from-log", str(tmp_path / "none.json")]) == 2
    assert "it should be a root.json of a ceremony. Nothing was written" in capsys.readouterr().err
    assert main(["recover", home, "--from-log", str(tmp_path / "root.json")]) == 0
    said = capsys.readouterr().out
    assert "  corp: its account or organisation is not known here" in said and "There are no tokens" in said
    assert main(["recover", home, "--from-log", str(tmp_path / "root.json")]) != 0
    assert "this database is not empty" in capsys.readouterr().err


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(requests(stamp(BEGIN)), min_size=60, max_size=90))
def test_whatever_was_asked_it_comes_back(asked: list[r.Request]) -> None:
    """Any verbs by anybody in any order; what was accepted is in the log, and is what the journal had."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "world")
        for number, request in enumerate(asked):
            with contextlib.suppress(intake.Refused, ValueError):
                world.record(request)
            if number % 7 == 0:
                world.tick(hours=9)
                world.service.round()
        world.service.round()
        before = rows(world)
        lose(world)
        recovered(world)
        assert known(rows(world)) == known(before)
        assert sound(world)
        world.service.journal._engine.dispose()
