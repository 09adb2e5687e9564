"""The public files can be made again from the journal, and nothing that is there is ever overwritten."""

import shutil
from pathlib import Path

import pytest

from client_verify.answers import Found
from repo_service.cli import main
from repo_service.mending import fsck
from repo_service.mending.rebuilding import rebuild
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP, Behind
from repo_service.wiring import open_service
from tests.service.dying import dying_at
from tests.service.test_fsck import FOO, eventful, lines, newest, resigned, stored
from tests.world import World, publishing, root_of_trust


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Much has happened; a second root was taken in, and a client has seen it all."""
    world = eventful(tmp_path)
    world.take_in(root_of_trust(world.now, world.trust, holders=(1, 2, 4), held=("pip",)))
    assert isinstance(world.client("cached").page("foo"), Found)
    return world


def lose(world: World) -> None:
    """The depot is gone, and the process that knew it has ended."""
    shutil.rmtree(world.public)
    world.service = open_service(world.folder / "service", clock=lambda: world.now)


def rebuilt(world: World) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in rebuild(world.service.press, lambda *_: None)]


def public_files(world: World) -> dict[str, bytes]:
    files = world.public.rglob("*")
    return {path.relative_to(world.public).as_posix(): path.read_bytes() for path in files if path.is_file()}


def look(world: World) -> None:
    """Clients old and new see everything, python-tuf's alone too."""
    for client in ("cached", f"fresh-{len(list(world.folder.iterdir()))}"):
        assert isinstance(world.client(client).page("foo"), Found)
    stock = world.stock(f"stock-{len(list(world.folder.iterdir()))}")
    stock.refresh()
    assert stock.get_targetinfo(FOO) is not None


def test_into_an_empty_depot_come_all_files_but_artifacts_which_are_named(world: World) -> None:
    current = {path for path in public_files(world) if "/packages/" not in path and "packages" not in path}
    artifacts = {path for path in public_files(world) if path.startswith("targets/packages/")}
    lose(world)
    said = rebuilt(world)
    assert said == [
        f"{path}: is missing in the depot, and the journal holds no artifacts" for path in sorted(artifacts)
    ]
    made = set(public_files(world))
    assert made <= current and {"metadata/1.root.json", "metadata/2.root.json", TIMESTAMP} <= made
    assert [line for line in lines(world) if "packages" not in line] == []
    look(world)


def test_the_log_is_whole_and_public_before_the_timestamp(world: World) -> None:
    log = {path: body for path, body in public_files(world).items() if path.startswith("log/")}
    lose(world)
    with dying_at("depot.pointed"):
        rebuilt(world)
    made = public_files(world)
    assert made[CHECKPOINT] == log[CHECKPOINT] and TIMESTAMP not in made
    rebuilt(world)
    assert {path: body for path, body in log.items() if path in made} == {
        path: body for path, body in made.items() if path.startswith("log/")
    }
    assert [line for line in lines(world) if "packages" not in line] == []


def test_before_a_log_that_is_ahead_it_stops_and_a_checkpoint_of_somebody_else_is_left(world: World) -> None:
    checkpoint = world.public / CHECKPOINT
    ours = checkpoint.read_bytes()
    size = int(ours.split(b"\n")[1])
    checkpoint.write_bytes(ours + b"x")
    assert rebuilt(world) == [f"{CHECKPOINT}: has other bytes in the depot than were signed, and was left"]
    checkpoint.write_bytes(ours.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1)))
    with pytest.raises(Behind, match=rf"the public log has {size + 1} leaves, and this journal logged {size}"):
        rebuilt(world)


def test_what_was_put_back_is_missed_no_more(world: World) -> None:
    kept = {path: body for path, body in public_files(world).items() if "packages" in path}
    lose(world)
    assert len(rebuilt(world)) == len(kept)
    world.service.depot.add(kept.items())
    assert rebuilt(world) == [] and lines(world) == []


def test_in_a_damaged_depot_what_is_missing_comes_back_and_what_is_otherwise_is_left(world: World) -> None:
    newest(world, "bin-2").unlink()
    page = stored(world, FOO)
    page.write_bytes(b"other")
    assert rebuilt(world) == [
        f"{page.relative_to(world.public)}: has other bytes in the depot than were signed, and was left"
    ]
    assert page.read_bytes() == b"other" and newest(world, "bin-2").exists()
    page.unlink()
    assert rebuilt(world) == [] and lines(world) == []
    look(world)


def test_while_a_file_is_otherwise_the_timestamp_does_not_move_on_to_it(world: World) -> None:
    before = (world.public / TIMESTAMP).read_bytes()
    older = resigned(before, version=2)
    (world.public / TIMESTAMP).write_bytes(older)
    page = stored(world, FOO)
    page.write_bytes(b"other")
    rebuilt(world)
    assert (world.public / TIMESTAMP).read_bytes() == older
    page.unlink()
    rebuilt(world)
    assert (world.public / TIMESTAMP).read_bytes() == before


def test_behind_a_newer_depot_nothing_is_written(world: World) -> None:
    pointer = world.public / TIMESTAMP
    pointer.write_bytes(resigned(pointer.read_bytes(), version=99))
    newest(world, "bin-2").unlink()
    before = public_files(world)
    with pytest.raises(Behind, match="Nothing was written"):
        rebuilt(world)
    assert public_files(world) == before


def test_it_finishes_what_a_crash_left_too(world: World) -> None:
    world.record(publishing("foo", "7.0"))
    with dying_at("publish.committed"):
        world.service.round()
    lose(world)
    rebuilt(world)
    assert [line for line in lines(world) if "packages" not in line] == []
    look(world)


def test_killed_half_way_it_is_said_again(world: World) -> None:
    lose(world)
    with dying_at("depot.linked", passings=4):
        rebuilt(world)
    assert not (world.public / TIMESTAMP).exists(), "the timestamp comes after what it names"
    rebuilt(world)
    assert [line for line in lines(world) if "packages" not in line] == []


def test_the_command_names_what_could_not_be_made_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(world.folder / "service")
    assert main(["rebuild", home]) == 0
    artifact = next((world.public / "targets/packages/foo").iterdir())
    artifact.unlink()
    capsys.readouterr()
    assert main(["rebuild", home]) == 6
    assert capsys.readouterr().out.splitlines() == [
        f"{artifact.relative_to(world.public)}: is missing in the depot, and the journal holds no artifacts; put it "
        "back there; its name holds its sha256",
        "1 files could not be made again.",
    ]
    assert fsck.UPLOAD in "put it back there; its name holds its sha256"
