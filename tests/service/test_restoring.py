"""Backups, and what happens when one is restored: the newest goes on, an old one stops loudly and is brought up."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from client_verify.answers import Found
from keys.encoding import sha256
from repo_service.accepting import intake
from repo_service.accepting.halting import set_flag
from repo_service.cli import main
from repo_service.domain import flags
from repo_service.domain import requests as r
from repo_service.mending import fsck
from repo_service.mending.recovering import Recovered, recover
from repo_service.mending.retelling import NotRecovered
from repo_service.storage import tables as t
from repo_service.storage.backups import NotCopied
from repo_service.storage.depot import TIMESTAMP, Behind
from repo_service.wiring import open_service
from tests.servers import postgres
from tests.service.test_fsck import copied, eventful, lines, sql
from tests.world import ADMIN, BECAUSE, OWNER, World, publishing, root_of_trust


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Much has happened, and a client has seen it."""
    world = eventful(tmp_path_factory.mktemp("template"))
    assert isinstance(world.client("cached").page("foo"), Found)
    return world


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copied(template, tmp_path / "world")


def journal(world: World) -> Path:
    return world.folder / "service" / "journal.sqlite"


def reopen(world: World) -> None:
    world.service.journal._engine.dispose()
    world.service = open_service(world.folder / "service", clock=lambda: world.now)


def set_back(world: World, backup: Path) -> None:
    """The database is lost, and this backup is all there is."""
    world.service.journal._engine.dispose()
    for file in journal(world).parent.glob("journal.sqlite*"):
        file.unlink()
    reopen(world)
    world.service.journal.restore(backup)


def public_files(world: World) -> dict[str, bytes]:
    files = world.public.rglob("*")
    return {str(path.relative_to(world.public)): path.read_bytes() for path in files if path.is_file()}


def generation(world: World) -> int:
    with world.service.journal.reading() as view:
        head = view.head()
    assert head is not None
    return head.generation


def look(world: World, *clients: str) -> None:
    for client in (*clients, f"fresh-{len(list(world.folder.iterdir()))}"):
        assert isinstance(world.client(client).page("foo"), Found)


# Backups.


def test_a_backup_is_one_whole_file_for_its_owner_and_never_overwritten(world: World, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    world.service.journal.back_up(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup"]
    before = file.read_bytes()
    with pytest.raises(NotCopied, match=r"exists; it is never overwritten. Nothing was written."):
        world.service.journal.back_up(file)
    assert file.read_bytes() == before


def test_a_backup_sees_one_moment_while_others_write(world: World, tmp_path: Path) -> None:
    taken = []
    connect = sqlite3.connect

    class Slow(sqlite3.Connection):
        def backup(self, target: sqlite3.Connection, **options: object) -> None:
            def between(*_: object) -> None:
                if not taken:
                    taken.append(world.record(publishing("foo", "8.0")))

            super().backup(target, pages=5, progress=between)

    sqlite3.connect = lambda *a, **k: connect(*a, factory=Slow, **k)  # type: ignore[assignment]
    try:
        world.service.journal.back_up(tmp_path / "backup")
    finally:
        sqlite3.connect = connect
    assert taken
    set_back(world, tmp_path / "backup")
    world.service.round()
    assert lines(world, fsck.examine_quickly) == []


def test_the_newest_backup_goes_on(world: World, tmp_path: Path) -> None:
    world.service.journal.back_up(tmp_path / "backup")
    set_back(world, tmp_path / "backup")
    assert lines(world) == []
    world.do(publishing("foo", "8.0"))
    look(world, "cached")


@pytest.mark.parametrize("beside", ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"])
def test_nothing_is_restored_over_a_database_or_beside_the_rest_of_one(
    world: World, tmp_path: Path, beside: str
) -> None:
    world.service.journal.back_up(tmp_path / "backup")
    set_back(world, tmp_path / "backup")
    world.service.journal._engine.dispose()
    for file in journal(world).parent.glob("journal.sqlite*"):
        file.unlink()
    (journal(world).parent / beside).write_bytes(b"left")
    with pytest.raises(NotCopied, match=f"{beside} exists; move it away"):
        world.service.journal.restore(tmp_path / "backup")
    assert [path.name for path in journal(world).parent.glob("journal.sqlite*")] == [beside]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"rubbish" * 999])
def test_a_damaged_backup_is_not_restored(world: World, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    world.service.journal.back_up(tmp_path / "backup")
    (tmp_path / "backup").write_bytes(damage((tmp_path / "backup").read_bytes()))
    with pytest.raises(NotCopied, match="Nothing was written"):
        set_back(world, tmp_path / "backup")
    assert not journal(world).exists()


# An old backup behind newer public files.


@pytest.fixture(scope="module")
def old_template(template: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A backup was made; much happened since; the database was lost, and the backup restored."""
    folder = tmp_path_factory.mktemp("old")
    world = copied(template, folder / "world")
    world.service.journal.back_up(folder / "backup")
    world.service.round()  # the unyank that was pending when the backup was made
    world.do(publishing("foo", "4.0"), r.Unarchive("bar"), publishing("bar", "3.0"), r.Archive("bar"))
    world.do(r.Yank("foo", "2.0", BECAUSE, OWNER))
    world.do(r.Grant("corp", "org-2", "Corporation", ADMIN), r.Quarantine("foo", BECAUSE, ADMIN))
    world.do(r.Clear("foo", BECAUSE, ADMIN))
    set_flag(world.service.journal, flags.SetFlag("uploads_halted", BECAUSE), "tests", None, world.now)
    world.take_in(root_of_trust(world.now, world.trust, holders=(1, 2, 4), held=("pip", "corporate")))
    world.tick(hours=7)
    world.service.round()
    world.service.depot.add(
        (f"targets/packages/{name}/{sha256(b'x')}.{name}-{version}.0.tar.gz", b"x")
        for name, version in (("foo", 4), ("bar", 3))
    )
    look(world, "cached")
    set_back(world, folder / "backup")
    world.service.journal._engine.dispose()
    return world


@pytest.fixture
def old(old_template: World, tmp_path: Path) -> World:
    return copied(old_template, tmp_path / "old")


def test_an_old_database_stops_loudly_and_nothing_is_written(old: World, capsys: pytest.CaptureFixture[str]) -> None:
    before, behind = public_files(old), generation(old)
    old.tick(hours=1)
    with pytest.raises(Behind, match="an older database was restored"):
        old.service.round()
    old.record(r.Unarchive("bar"))
    with pytest.raises(Behind):
        old.service.round()
    assert main(["publish", str(old.folder / "service")]) == 5
    assert "Nothing was written" in capsys.readouterr().err
    assert public_files(old) == before and generation(old) == behind
    look(old, "cached")


def test_recovered_it_goes_on_from_what_is_public_and_no_client_sees_a_step_back(old: World) -> None:
    pointed = (old.public / TIMESTAMP).read_bytes()
    before = public_files(old)
    done = recover(old.service.press, old.now, lambda *_: None)
    assert isinstance(done, Recovered)
    assert done.names == ("bar", "corp", "foo") and done.unknown == ("corp",)
    assert public_files(old) == before, "recovery writes to the journal alone"
    assert lines(old) == []
    cached = old.client("cached").page("foo")
    old.service.round()
    old.do(r.Unyank("foo", "2.0", BECAUSE, ADMIN), r.Unarchive("bar"))
    after = old.client("cached").page("foo")
    assert isinstance(cached, Found) and isinstance(after, Found)
    assert after.state.serial == cached.state.serial + 1
    assert after.state.event > cached.state.event + 100_000, "numbers that were given away and lost are not given again"
    assert generation(old) > int(pointed.split(b'"version":')[-1].split(b",")[0].split(b"}")[0]) - 1
    assert lines(old) == []
    look(old, "cached")
    with pytest.raises(intake.Refused, match="nothing is published for the time being"):  # by the flag set since
        old.record(publishing("foo", "9.0"))


def test_what_was_pending_in_the_backup_and_signed_since_is_not_signed_again(old: World) -> None:
    with old.service.journal.reading() as view:
        assert view.counts()["pending"] == 1
    recover(old.service.press, old.now, lambda *_: None)
    with old.service.journal.reading() as view:
        assert view.counts()["pending"] == 0


def test_what_was_pending_in_the_backup_and_never_signed_is_signed_next(world: World, tmp_path: Path) -> None:
    world.service.round()
    world.record(r.Unarchive("bar"))
    sql(world, "UPDATE events SET lane = 1 WHERE release IS NULL")  # what an import brings waits for everything else
    world.service.journal.back_up(tmp_path / "backup")
    world.do(publishing("foo", "4.0"))
    set_back(world, tmp_path / "backup")
    assert isinstance(recover(world.service.press, world.now, lambda *_: None), Recovered)
    world.service.round()
    bar = world.client("cached").page("bar")
    assert isinstance(bar, Found) and bar.state.archived is None


def test_recovery_can_be_said_again_and_does_nothing_where_nothing_is_behind(old: World) -> None:
    assert recover(old.service.press, old.now, lambda *_: None) is not None
    assert recover(old.service.press, old.now, lambda *_: None) is None


def test_recovered_twice_it_goes_on_too(old: World, tmp_path: Path) -> None:
    recover(old.service.press, old.now, lambda *_: None)
    old.service.journal.back_up(tmp_path / "second")
    old.do(r.Unarchive("bar"))
    old.do(r.Unyank("foo", "2.0", BECAUSE, ADMIN))
    set_back(old, tmp_path / "second")
    recover(old.service.press, old.now, lambda *_: None)
    assert lines(old) == []
    old.do(r.Archive("bar"))
    assert lines(old) == []
    look(old, "cached")


def test_what_was_signed_in_another_number_of_bins_is_recovered_too(world: World, tmp_path: Path) -> None:
    world.service.journal.back_up(tmp_path / "backup")
    for bins in (16, 2, 8):
        world.take_in(root_of_trust(world.now, world.trust, bins=bins, held=("pip",)))
        world.do(publishing("foo", f"{bins}.9"))
    world.do(r.Quarantine("foo", BECAUSE, ADMIN))  # its files are targets no more, in no bin
    look(world, "cached")
    set_back(world, tmp_path / "backup")
    assert isinstance(recover(world.service.press, world.now, lambda *_: None), Recovered)
    assert [line for line in lines(world) if "missing in the depot" not in line] == []
    world.do(r.Clear("foo", BECAUSE, ADMIN))
    assert [line for line in lines(world) if "missing in the depot" not in line] == []
    look(world, "cached")


def test_after_weeks_in_which_all_has_expired_it_recovers_too(old: World) -> None:
    old.tick(days=40)
    assert recover(old.service.press, old.now, lambda *_: None) is not None
    for _ in range(3):
        old.service.round()
    assert lines(old) == []
    look(old, "cached")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda w: (w.public / TIMESTAMP).unlink(), "no public timestamp"),
        (lambda w: change(w.public / TIMESTAMP, b'"sig":"', b'"sig":"00'), "timestamp is not signed by enough keys"),
        (lambda w: change(last(w, "snapshot"), b'"sig":"', b'"sig":"00'), "missing, or not as it was signed"),
        (lambda w: change(last(w, "bin-3"), b'"sig":"', b'"sig":"00'), "bin-3 is not signed by enough keys"),
        (lambda w: last(w, "bin-2").unlink(), "is missing"),
        (lambda w: shutil.copy(w.public / "metadata/100002.bin-2.json", last(w, "bin-3")), "another file|not signed"),
        (lambda w: change(w.public / "metadata/2.root.json", b'"sig":"', b'"sig":"00'), "do not hold together"),
        (lambda w: change(w.public / "metadata/1.root.json", b'"sig":"', b'"sig":"00'), "others than this journal's"),
        (lambda w: last(w, "held").unlink(), "missing, or not as it was signed"),
        (lambda w: change(max((w.public / "targets/simple/foo").iterdir(), key=made), b"foo", b"bar"), "not as it was"),
    ],
)
def test_what_cannot_be_trusted_is_not_recovered_and_nothing_is_written(
    old: World, damage: Callable[[World], object], why: str
) -> None:
    damage(old)
    before = journal_rows(old)
    with pytest.raises(NotRecovered, match=why) as refused:
        recover(old.service.press, old.now, lambda *_: None)
    assert str(refused.value).endswith("Nothing was written.")
    assert journal_rows(old) == before


def test_a_journal_that_went_on_by_itself_is_not_recovered(old: World) -> None:
    """Both stories cannot be true: somebody was told that this was accepted."""
    old.record(r.Yank("foo", "3.0", BECAUSE, OWNER))
    before = journal_rows(old)
    with pytest.raises(NotRecovered, match=r"foo: .*gone on by itself.*Nothing was written"):
        recover(old.service.press, old.now, lambda *_: None)
    assert journal_rows(old) == before


def test_a_flag_that_was_set_by_itself_is_not_overruled(old: World) -> None:
    set_flag(old.service.journal, flags.SetFlag("read_only", BECAUSE), "tests", None, old.now)
    before = journal_rows(old)
    with pytest.raises(NotRecovered, match=r"flags/2 is public, and another .*gone on by itself.*Nothing was written"):
        recover(old.service.press, old.now, lambda *_: None)
    assert journal_rows(old) == before


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["publish"], ["import", "."], ["policy", "publish"]])
def test_nothing_is_accepted_by_an_old_database(
    old: World, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = journal_rows(old)
    assert main([command[0], str(old.folder / "service"), *command[1:]]) == 5
    assert journal_rows(old) == before
    assert "say `tallystick-service recover DIR`" in capsys.readouterr().err


def test_a_new_database_before_public_files_of_another_is_not_begun(old: World, tmp_path: Path) -> None:
    old.service.journal._engine.dispose()
    for file in journal(old).parent.glob("journal.sqlite*"):
        file.unlink()
    before = public_files(old)
    sealed = next(old.folder.glob("sealed-1-*"))
    assert main(["init", str(old.folder / "service"), "--sealed", str(sealed), "--allow-rehearsal"]) == 5
    assert public_files(old) == before


def test_the_command_says_what_is_lost(old: World, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(old.folder / "service")
    old.service.journal._engine.dispose()
    assert main(["recover", home]) == 0
    said = capsys.readouterr().out
    assert "3 names were taken\nback" in said and "  corp: its account or organisation is not known" in said
    assert "Tokens are those of the backup" in said
    assert main(["recover", home]) == 0
    assert "not behind" in capsys.readouterr().out


def test_the_commands_back_up_and_restore(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, file = str(world.folder / "service"), str(tmp_path / "backup")
    assert main(["backup", home, file]) == 0
    assert "does not hold" in capsys.readouterr().out
    assert main(["restore", home, file]) == 2
    assert "exists; move it away" in capsys.readouterr().err
    world.service.journal._engine.dispose()
    for each in journal(world).parent.glob("journal.sqlite*"):
        each.unlink()
    assert main(["restore", home, file]) == 0
    assert "Next: tallystick-service fsck" in capsys.readouterr().out
    reopen(world)
    assert lines(world) == []


# PostgreSQL.


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


def test_on_postgresql_its_own_tools_back_up_and_an_old_dump_is_recovered(server: str, tmp_path: Path) -> None:
    """The commands of docs/OPERATIONS.md."""
    host = server.partition("host=")[2]
    connect = ["-h", host, "-U", "tallystick"]
    dump = str(tmp_path / "dump")
    world = World(tmp_path / "world", f'database = "{server}"\n')
    home = world.folder / "service"
    world.do(publishing("foo"))
    with pytest.raises(NotCopied, match="pg_dump --format=custom"):
        world.service.journal.back_up(tmp_path / "backup")
    run("pg_dump", *connect, "--format=custom", f"--file={dump}", "tests")
    run("pg_restore", "--list", dump)
    world.do(r.Yank("foo", "1.0", BECAUSE, OWNER))
    assert isinstance(world.client("cached").page("foo"), Found)
    world.service.journal._engine.dispose()
    run("createdb", *connect, "again")
    run("pg_restore", *connect, "--no-owner", "--dbname=again", dump)
    (home / "service.toml").write_text(f'database = "{server.replace("/tests?", "/again?")}"\n')
    world.service = open_service(home, clock=lambda: world.now)
    world.tick(hours=7)
    with pytest.raises(Behind):
        world.service.round()
    assert isinstance(recover(world.service.press, world.now, lambda *_: None), Recovered)
    world.do(publishing("foo", "2.0"))
    assert [line for line in lines(world) if "packages" not in line] == []
    assert isinstance(world.client("cached").page("foo"), Found)
    with world.service.journal.reading() as view:
        assert view.events("foo")[-1].seq > 1_000_000
    world.service.journal._engine.dispose()


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PGOPTIONS": ""})


def change(file: Path, old: bytes, new: bytes) -> None:
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new))


def made(path: Path) -> float:
    return path.stat().st_mtime_ns


def last(world: World, role: str) -> Path:
    found = (world.public / "metadata").glob(f"*.{role}.json")
    return max(found, key=lambda path: int(path.name.split(".")[0]))


def journal_rows(world: World) -> list[object]:
    engine = create_engine(f"sqlite:///{journal(world)}")
    with engine.connect() as connection:
        tables = [each for each in t.metadata.sorted_tables if each.name != "lease"]
        rows = [sorted(map(repr, connection.execute(select(each)).all())) for each in tables]
    engine.dispose()
    return rows
