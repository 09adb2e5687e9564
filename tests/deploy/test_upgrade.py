"""docs/howto/upgrade.md: an older program refuses in a sentence what a newer one wrote, and the way back leads back."""

import dataclasses
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from client_verify.answers import Found
from client_verify.session import Session
from keys.encoding import sha256
from keys.state import NameState
from repo_service.cli import main
from repo_service.domain import changes
from repo_service.domain import requests as r
from repo_service.guarding import settings as guard_settings
from repo_service.guarding.store import BadStore, Store
from repo_service.storage import schema
from repo_service.witness import store as witness_store
from tests.world import OWNER, World

HOWTO = (Path(__file__).parents[2] / "docs/howto/upgrade.md").read_text()


STEP, EVENTS = "0006", "f42c5b9f75fd13b3"
"""A step of the tables, and a digest of every kind of event with its fields as they were then."""


def elsewhere(name: str) -> r.Publish:
    """A release whose file lies at a registry of its own: nothing of it is in the depot."""
    file = r.NewFile(f"{name}-1.0.tar.gz", "0" * 64, 1, url=f"https://files.example/{name}-1.0.tar.gz")
    return r.Publish(name, "1.0", (file,), OWNER)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Of now, since commands read the machine's clock."""
    world = World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0))
    world.do(elsewhere("foo"))
    return world


def made_newer(world: World) -> None:
    """A newer program has migrated the database."""
    with world.service.journal._engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))


def test_every_command_refuses_a_newer_database_in_a_sentence_and_writes_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    home = world.service.folder
    made_newer(world)
    before = written(world)
    for words in (["serve", "--port", "0"], ["worker"], ["publish"], ["status"], ["fsck"], ["migrate"], ["rebuild"]):
        assert main([words[0], str(home), *words[1:]]) == 2, words
        said = capsys.readouterr().err
        assert "it was made by a newer tallystick than this one" in said and "Nothing was written." in said, words
        assert len(said.splitlines()) == 1
    assert written(world) == before


def written(world: World) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in world.public.rglob("*") if path.is_file()}


def test_a_new_kind_of_event_comes_with_a_step_of_the_tables() -> None:
    """Else an older program does not see by the step that it cannot read what is there, and ends with a traceback."""
    kinds = [
        f"{name} {[(field.name, str(field.type)) for field in dataclasses.fields(kind)]}"
        for name, kind in sorted(changes.TYPES.items())
    ]
    now = sha256("\n".join(kinds).encode())[:16]
    assert now == EVENTS or schema.HEAD > STEP, f"write a step (an empty one will do), then {now} and it here"


def test_the_way_back_leads_back_and_no_client_sees_a_step_back(world: World, tmp_path: Path) -> None:
    lines = way_back()
    (tmp_path / "backup").mkdir()
    here = {"/srv/tally": str(world.service.folder), "/backup": str(tmp_path / "backup")}
    assert main(["backup", str(world.service.folder), str(tmp_path / "backup/before-upgrade.sqlite")]) == 0
    world.do(elsewhere("bar"))  # the newer program goes on
    client = world.client()
    serial = found(client, "bar").serial
    made_newer(world)
    for line in lines:
        carried_out(line, here)
    assert main(["publish", str(world.service.folder)]) == 0
    assert found(client, "bar").serial == serial
    assert found(world.client("another"), "foo").state == "registered"


def found(client: Session, name: str) -> NameState:
    """What a client reads of a name."""
    answer = client.page(name)
    assert isinstance(answer, Found)
    return answer.state


def way_back() -> list[str]:
    block = re.search(r"## Go back.*?```sh\n(.*?)```", HOWTO, re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def carried_out(line: str, here: dict[str, str]) -> None:
    """A line of the manual; systemd has nothing of ours to stop."""
    for place, ours in here.items():
        line = line.replace(place, ours)
    program, *words = line.split()
    match program:
        case "systemctl":
            assert words[0] in ("stop", "start")
        case "mkdir":
            Path(words[0]).mkdir()
        case "mv":
            pattern, folder = Path(words[0]), Path(words[1])
            for file in pattern.parent.glob(pattern.name):
                file.rename(folder / file.name)
        case _:
            assert program == "tallystick-service" and main(words) == 0, line


def test_a_guard_and_a_witness_refuse_a_newer_one_s_memory(tmp_path: Path) -> None:
    guard, witness = tmp_path / guard_settings.DATABASE, tmp_path / "witness"
    Store(guard).close()
    witness.mkdir()
    witness_store.Store.create(witness).close()
    for file in (guard, witness / witness_store.FILE):
        with closing(sqlite3.connect(file)) as memory:
            memory.execute("PRAGMA user_version = 99")
    with pytest.raises(BadStore, match="of another version of this program \\(99; this one writes"):
        Store(guard)
    with pytest.raises(witness_store.BadStore, match="of another version of this program \\(99; this one writes"):
        witness_store.Store(witness)
