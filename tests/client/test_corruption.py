"""Whatever is done to the files that the client keeps, they are healed or refused, and never used as they are.

The anchor is the pinned root alone. What lies in the data directory and in the cache is verified again each time.
"""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from client_verify.answers import Found
from client_verify.fetching.blobs import Blobs, Content
from client_verify.fetching.mirrors import Mirrors
from client_verify.refusals import Refused, Usage
from keys.encoding import sha256
from tests import paper
from tests.client.conftest import URL
from tests.client.refusing import refuses

KEPT = (
    *("root.json", "root_history/1.root.json", "root_history/2.root.json"),
    *("timestamp.json", "snapshot.json", "targets.json", "held.json", "bins.json", "bin"),
)


def _truncate(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _empty(path: Path, _: Path) -> None:
    path.write_bytes(b"")


def _overwrite(path: Path, _: Path) -> None:
    path.write_bytes(b"\0" * 1000)


def _flip(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"version":', b'"version":9'))


def _delete(path: Path, _: Path) -> None:
    path.unlink()


def _link_elsewhere(path: Path, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside)


def _link_nowhere(path: Path, _: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def _link_to_itself(path: Path, _: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _directory(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_bytes(b"x")


DAMAGES = (_truncate, _empty, _overwrite, _flip, _delete, _link_elsewhere, _link_nowhere, _link_to_itself, _directory)


def keep(world):
    """The metadata directory of a client that has verified two roots and two answers; what it said then."""
    world.repository.ceremony(world.now)
    world.say("flask")
    session = world.session()
    session.page(paper.HELD_NAME)
    return world.directory / "metadata", session.page("flask")


@pytest.fixture
def kept(world):
    return keep(world)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
@pytest.mark.parametrize("file", KEPT)
def test_a_kept_file_that_is_damaged_is_healed_or_refused_and_nothing_else_is_written(
    world, kept, tmp_path, file, damage
):
    metadata, said = kept
    outside = tmp_path / "outside"
    outside.write_bytes(b"do not touch")
    path = metadata / (f"{world.repository.bin_of('flask')}.json" if file == "bin" else file)
    if path.is_symlink():
        path.unlink()  # root.json points to the newest root; what is done here is done to the name
        path.write_bytes(world.repository.files[world.repository.newest("root")])
    damage(path, outside)
    try:
        session = world.session()
        assert session.page("flask") == said
        assert session.page(paper.HELD_NAME)
    except (Refused, OSError) as refused:
        assert damage is _directory, refused  # a directory in the way is a person's to remove; all else heals
        return
    served = world.repository.files.values()
    assert {each.read_bytes() for each in metadata.rglob("*") if each.is_file()} <= {*served}
    assert outside.read_bytes() == b"do not touch"


@pytest.mark.parametrize("file", [file for file in KEPT if "root" not in file])
def test_a_kept_file_that_another_role_signed_is_not_taken_for_it(world, kept, file):
    metadata, said = kept
    for other in ("timestamp", "snapshot", "targets", "held", "bins", *world.repository.bins.roles()):
        path = metadata / (f"{world.repository.bin_of('flask')}.json" if file == "bin" else file)
        path.write_bytes(world.repository.files[world.repository.newest(other)])
        try:
            assert world.session().page("flask") == said
        except Refused as refused:
            assert refused.code == "swapped", "its signers and its version are the same, and only its name is not"
            assert world.session().page("flask") == said


def test_a_root_history_that_is_a_link_elsewhere_is_verified_like_any_other(world, kept, tmp_path):
    metadata, said = kept
    stranger = paper.Paper(world.now, forge=lambda role, body: body.update({"x-stranger": True}))
    stranger.ceremony(world.now)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for version in (1, 2):
        (elsewhere / f"{version}.root.json").write_bytes(
            stranger.files[f"metadata/{version}.root.json"].replace(b"1", b"2")
        )
    shutil.rmtree(metadata / "root_history")
    (metadata / "root_history").symlink_to(elsewhere)
    assert world.session().page("flask") == said


def test_a_data_directory_that_was_emptied_is_filled_again(world, kept):
    metadata, said = kept
    shutil.rmtree(metadata)
    assert world.session().page("flask") == said


def test_stray_files_in_the_metadata_directory_are_never_used(world, kept):
    """Among them what a process leaves that was killed while it wrote."""
    metadata, said = kept
    for name in ("tmpabcdefgh", "3.root.json", "root_history/3.root.json", "root_history/x", "bin-zz.json", ".json"):
        (metadata / name).write_bytes(b"{}")
    assert world.session().page("flask") == said


@pytest.mark.parametrize("damage", [_truncate, _overwrite, _flip, _link_to_itself, _directory])
def test_a_memory_that_is_damaged_is_healed_or_refused(world, kept, tmp_path, damage):
    _, said = kept
    memory = world.directory / "memory.sqlite"
    if damage is _flip:
        _spoil(memory, "page", b"{}")
    else:
        damage(memory, tmp_path)
    try:
        assert world.session().page("flask") == said
    except (Refused, Usage, OSError, sqlite3.Error):
        assert memory.is_symlink() or memory.exists(), "what was remembered is not thrown away unseen"


@pytest.mark.parametrize("page", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"_state":{}}'])
def test_a_remembered_page_that_is_none_is_never_an_answer(world, kept, page):
    _, said = kept
    _spoil(world.directory / "memory.sqlite", "page", page)
    with suppress(Refused, Usage, sqlite3.Error):
        assert world.session().page("flask") == said
    after = world.say("flask", serial=2)
    with suppress(Refused, Usage, sqlite3.Error):
        assert world.session().page("flask") == Found(after)


@pytest.mark.parametrize("column, value", [("snapshot", 2**62), ("snapshot", -1), ("verified_at", "\x1b[2J")])
def test_a_memory_that_says_odd_things_stops_no_true_answer_for_ever(world, kept, column, value):
    _, said = kept
    _spoil(world.directory / "memory.sqlite", column, value)
    with suppress(Refused, Usage, sqlite3.Error):
        assert world.session().page("flask") == said


def _spoil(memory, column, value):
    with closing(sqlite3.connect(memory)) as database, database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if column in {row[1] for row in database.execute(f"PRAGMA table_info({table})")}:
                database.execute(f"UPDATE {table} SET {column} = ?", (value,))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_a_cached_file_that_is_damaged_is_fetched_again_or_refused(world, tmp_path, damage):
    data = b"content" * 100
    content = Content("file", f"{URL}/file", sha256(data), len(data))
    world.repository.files["file"] = data
    blobs = Blobs(tmp_path / "blobs", Mirrors(world.fetcher, (URL,)))
    blobs.open(content).close()
    (path,) = (tmp_path / "blobs").iterdir()
    outside = tmp_path / "outside"
    outside.write_bytes(b"do not touch")
    damage(path, outside)
    try:
        with blobs.open(content) as file:
            assert file.read() == data
    except (Refused, OSError) as refused:
        assert damage in (_directory, _link_to_itself), refused
    assert outside.read_bytes() == b"do not touch"


def test_a_cached_file_under_another_s_hash_is_not_used_even_when_the_server_is_gone(world, tmp_path):
    (tmp_path / "blobs").mkdir()
    content = Content("file", f"{URL}/file", sha256(b"true"), 4)
    (tmp_path / "blobs" / content.sha256).write_bytes(b"lies")
    world.fetcher.broken = True
    refuses("unreachable", lambda: Blobs(tmp_path / "blobs", Mirrors(world.fetcher, (URL,))).open(content))
