"""``tallystick-service doctor``: each thing that can be wrong with an installation is wrong here once, by its cause.

What no cause can be made for in a second (a full disk, a disk that lies) is judged from the fact itself.
"""

import functools
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker

from ceremony.plan import Log
from keys.tlog.notes import Checkpoint, Note
from keys.tlog.proofs import Policy, Witnessed
from repo_service.cli import main
from repo_service.commands.examining import Asked, examine
from repo_service.operating import doctor, looking
from repo_service.operating.doctor import Disk, Finding
from repo_service.ringing import QUEUE
from repo_service.storage.headers import FRESH
from tests.guarding.guarded import GuardedWorld
from tests.loopback import Quiet, answering
from tests.servers import at, free_port, need, rclone
from tests.witness.grounds import witness_key
from tests.world import World, log_key, publishing


@pytest.fixture(autouse=True)
def a_clock_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this machine's is kept by a time server is not what is tested here."""
    monkeypatch.setattr(looking, "synchronised", lambda: True)


def look(world: World, **asked: Any) -> dict[str, list[Finding]]:
    """What doctor finds of a world's service, by check."""
    found: dict[str, list[Finding]] = {}
    for each in examine(world.service.folder, Asked(**asked), lambda: world.now):
        found.setdefault(each.check, []).append(each)
    return found


def verdict(world: World, check: str, **asked: Any) -> str:
    """The worst that is found under one check."""
    return max((each.verdict for each in look(world, **asked)[check]), key=("ok", "warn", "fail").index)


def write(world: World, *lines: str) -> None:
    """Other settings."""
    (world.service.folder / "service.toml").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def on_disk() -> Iterator[World]:
    """A service on a disk. Tests may lie in memory otherwise (make test), which ``doctor`` finds at once."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="tallystick-") as folder:
        yield World(Path(folder) / "world")


def test_of_a_service_that_is_well_everything_is_well_and_nothing_is_changed(on_disk: World, tmp_path: Path) -> None:
    world = on_disk

    def everything() -> dict[str, bytes]:
        files = world.service.folder.rglob("*")
        return {str(path): path.read_bytes() for path in files if path.is_file() and "-shm" not in path.name}

    backups = tmp_path / "backups"
    backups.mkdir()
    world.service.journal.back_up(backups / "today.backup")
    found: dict[str, list[Finding]] = {}
    with served(world.public, FRESH) as url:
        write(world, f'url = "{url}"')
        before = everything()
        found = look(world, backups=backups)
    assert everything() == before
    assert [each for every in found.values() for each in every if each.verdict == "fail"] == []
    assert {"settings", "files", "fsync", "space", "database", "clock", "key", "writes", "expiry", "pending", "depot",
            "tokens", "witnesses", "limits", "backups", "public"} == {*found}  # fmt: skip


@contextmanager
def served(folder: Path, caching: str = "") -> Iterator[str]:
    """A static server of a folder, which says this Cache-Control."""

    class Handler(Quiet):
        def end_headers(self) -> None:
            if caching:
                self.send_header("Cache-Control", caching)
            super().end_headers()

    with answering(functools.partial(Handler, directory=str(folder))) as url:
        yield url


# Files.


def test_a_key_that_others_can_read_is_found(world: World) -> None:
    (world.service.folder / "online.key").chmod(0o640)
    (found,) = look(world)["files"]
    assert (found.verdict, "can read" in found.seen, "chmod 0600" in found.do) == ("fail", True, True)


def test_a_key_among_the_public_files_is_found(world: World) -> None:
    shutil.copy(world.service.folder / "online.key", world.public / "online.key")
    assert verdict(world, "files") == "fail"


def test_a_folder_that_others_can_write_is_found(world: World) -> None:
    world.service.folder.chmod(0o777)
    assert verdict(world, "files") == "fail"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_database_of_somebody_else_is_found(world: World) -> None:
    os.chown(world.service.folder / "journal.sqlite", 65534, -1)
    assert verdict(world, "files") == "warn"


def test_the_database_that_a_service_makes_is_its_owners_alone(world: World) -> None:
    assert (world.service.folder / "journal.sqlite").stat().st_mode & 0o777 == 0o600


def test_settings_with_a_password_must_be_kept_too(world: World) -> None:
    write(world, 'redis = "redis://:secret@127.0.0.1:1/0"')
    assert any("service.toml" in each.seen for each in look(world)["files"])


# Settings.


@pytest.mark.parametrize(("line", "judged"), [
    ('url = "http://packages.acme.example"', "fail"), ('url = "https://packages.acme.example"', "ok"),
    ("timestamp_s = 700000\nsnapshot_s = 700000\nkeep_s = 800000", "warn"),
    ('metrics_address = "0.0.0.0:9464"', "warn"), ("no toml", "fail"), ("threads = 0", "fail"),
])  # fmt: skip
def test_dangerous_settings_are_found(world: World, line: str, judged: str) -> None:
    write(world, *([] if "url" in line else ['url = "https://packages.acme.example"']), line)
    assert verdict(world, "settings", public="http://127.0.0.1:1") == judged


def test_a_variable_of_the_tests_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_FAILPOINT", "trace:/dev/null")
    assert verdict(world, "settings") == "fail"


# Time.


def test_a_clock_that_went_back_is_found(world: World) -> None:
    assert verdict(world, "clock") == "ok"
    world.tick(hours=-2)
    assert verdict(world, "clock") == "fail"


def test_another_clock_is_heard() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    seen = doctor.Clocks(now, {"the database": 90.0}, now, True)
    assert [each.verdict for each in doctor.clocks(seen)] == ["fail"]
    assert [each.verdict for each in doctor.clocks(replace(seen, apart={"the database": 2.0}))] == ["ok"]
    assert [each.verdict for each in doctor.clocks(replace(seen, apart={}, synchronised=False))] == ["warn"]


@pytest.mark.parametrize(("days", "role", "judged"), [
    (0, "root", "ok"), (300, "root", "warn"), (360, "root", "fail"), (366, "root", "fail"),
])  # fmt: skip
def test_a_role_that_comes_to_its_end_is_found(world: World, days: int, role: str, judged: str) -> None:
    world.tick(days=days)
    found = [each for each in look(world)["expiry"] if role in each.seen]
    assert max((each.verdict for each in found), key=("ok", "warn", "fail").index) == judged


def test_what_waits_for_a_publisher_is_found(world: World) -> None:
    world.record(publishing("foo"))
    assert verdict(world, "pending") == "ok"
    world.tick(minutes=5)
    assert verdict(world, "pending") == "fail"


def test_an_old_database_behind_a_newer_depot_is_found(world: World, tmp_path: Path) -> None:
    world.service.journal.back_up(tmp_path / "old")
    world.do(publishing("foo"))
    write(world, f'database = "sqlite:///{tmp_path}/old"')
    assert verdict(world, "depot") == "fail"


# What it stands on.


def test_a_database_that_is_gone_is_found_and_not_made(world: World) -> None:
    write(world, 'database = "sqlite:///elsewhere.sqlite"')
    assert verdict(world, "database") == "fail"
    assert not (world.service.folder / "elsewhere.sqlite").exists()


def test_a_key_that_the_root_does_not_name_is_found(world: World) -> None:
    key = world.service.folder / "online.key"
    assert main(["key", str(world.folder / "another")]) == 0
    shutil.copy(world.folder / "another" / "online.key", key)
    (found, *_) = look(world)["key"]
    assert found.verdict == "fail"
    key.unlink()
    assert verdict(world, "key") == "fail"


def test_a_guard_that_was_killed_is_found(tmp_path: Path) -> None:
    world = GuardedWorld(tmp_path)
    assert "the guard holds" in look(world)["key"][0].seen
    world.stop_guard()
    world.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as guard:
        guard.bind(str(world.socket))  # as it lies there after a SIGKILL
    assert verdict(world, "key") == "fail"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_who_may_not_look_is_told_so(world: World) -> None:
    world.service.folder.chmod(0o700)
    code = (
        "import os, sys; from repo_service.cli import main; import repo_service.commands.examining;"
        "os.setuid(65534); sys.exit(main(['doctor', sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, world.service.folder], capture_output=True, text=True)
    assert (done.returncode, "Permission denied" in done.stdout, done.stderr) == (6, True, "")


def test_a_database_that_is_none_is_found_and_the_rest_is_looked_at(world: World) -> None:
    world.service.journal._engine.dispose()
    for each in world.service.folder.glob("journal.sqlite*"):
        each.write_bytes(bytes(range(256)) * 20)
    found = look(world)
    assert [each.seen for each in found["database"]] == ["file is not a database"]
    assert found["public"] and "key" not in found


def test_a_store_that_ignores_conditions_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with rclone() as server:
        for name, value in server.credentials.items():
            monkeypatch.setenv(name, value)
        write(world, f'public = "{server.url("depot")}"')
        assert verdict(world, "depot") == "fail"


def test_a_redis_that_is_away_and_one_without_a_worker_are_found(world: World, tmp_path: Path) -> None:
    port = free_port()
    write(world, f'redis = "redis://127.0.0.1:{port}/0"')
    assert verdict(world, "redis") == "fail"
    command = [need("redis-server", "redis-server"), "--port", str(port), "--dir", str(tmp_path), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with Redis.from_url(f"redis://127.0.0.1:{port}/0") as connection:
            _wait_for(connection)
            assert verdict(world, "redis") == "fail"
            worker = SimpleWorker([Queue(QUEUE, connection=connection)], connection=connection)
            worker.register_birth()
            world.now = datetime.now(UTC)
            assert verdict(world, "redis") == "ok"
    finally:
        server.kill()
        server.wait()


def _wait_for(connection: "Redis[bytes]") -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            connection.ping()
            return
        except RedisError:
            time.sleep(0.05)


def test_few_open_files_are_found() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        assert doctor.limits(*looking.files_open(None)).verdict == "warn"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Disks.


def test_a_folder_in_memory_is_found() -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no /dev/shm here")
    assert next(doctor.disks([looking.disk(Path("/dev/shm"))])).verdict == "fail"


GB = 10**9


@pytest.mark.parametrize(("disk", "judged"), [
    (Disk(Path("/srv"), "ext4", 100 * GB, 200 * GB, (0.004,) * 5), ["ok", "ok"]),
    (Disk(Path("/srv"), "xfs", 100 * GB, 200 * GB, (5e-6,) * 5), ["warn", "ok"]),
    (Disk(Path("/srv"), "overlay", 100 * GB, 200 * GB), ["warn", "ok"]),
    (Disk(Path("/srv"), "nfs4", 100 * GB, 200 * GB), ["warn", "ok"]),
    (Disk(Path("/srv"), "ext4", GB // 2, 200 * GB), ["ok", "warn"]),
    (Disk(Path("/srv"), "ext4", GB // 10, 200 * GB), ["ok", "fail"]),
    (Disk(Path("/srv"), "ext4", GB // 10, GB // 4), ["ok", "ok"]),
])  # fmt: skip
def test_a_disk_that_lies_or_is_full_is_found(disk: Disk, judged: list[str]) -> None:
    assert [each.verdict for each in doctor.disks([disk])] == judged


# What is beside it.


def test_backups_that_are_old_or_cannot_be_read_are_found(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    assert verdict(world, "backups", backups=folder) == "warn"
    folder.mkdir()
    assert verdict(world, "backups", backups=folder) == "warn"
    world.service.journal.back_up(folder / "one.backup")
    for days, judged in ((0, "ok"), (3, "warn"), (9, "fail")):
        world.now = datetime.now(UTC) + timedelta(days=days)
        assert verdict(world, "backups", backups=folder) == judged
    world.now = datetime.now(UTC)
    whole = (folder / "one.backup").read_bytes()
    (folder / "two.backup").write_bytes(whole[: len(whole) // 2])
    assert verdict(world, "backups", backups=folder) == "fail"
    (folder / "three.backup").write_bytes(b"PGDMP and so on")
    assert verdict(world, "backups", backups=folder) == "ok"


def test_a_monitor_that_ended_is_found(world: World, tmp_path: Path) -> None:
    assert verdict(world, "monitor", monitor=tmp_path) == "warn"
    (tmp_path / "monitor.sqlite").touch()
    world.now = datetime.now(UTC)
    assert verdict(world, "monitor", monitor=tmp_path) == "ok"
    world.tick(days=2)
    assert verdict(world, "monitor", monitor=tmp_path) == "warn"


def test_a_public_address_that_serves_something_else_is_found(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(world.public, copy)
    with served(copy, FRESH) as url:
        assert verdict(world, "public", public=url) == "ok"
        world.do(publishing("foo"))
        assert verdict(world, "public", public=url) == "warn"  # a cache that is behind
        (copy / "metadata" / "timestamp.json").write_text(json.dumps({"signed": {"version": 99}}))
        assert verdict(world, "public", public=url) == "fail"
        (copy / "metadata" / "timestamp.json").write_text("<html>")
        assert verdict(world, "public", public=url) == "fail"
        (copy / "metadata" / "timestamp.json").unlink()
        assert verdict(world, "public", public=url) == "fail"
    assert verdict(world, "public", public=url) == "fail"  # nobody is there
    with served(world.public, "max-age=3600") as url:
        assert verdict(world, "public", public=url) == "warn"


def test_cosignatures_that_the_root_asks_for_and_nobody_gave_are_found(tmp_path: Path) -> None:
    log = Log((str(log_key().key),), (str(witness_key().key),), 1)
    assert verdict(World(tmp_path, log=log), "witnesses") == "fail"


def test_a_checkpoint_with_its_cosignatures_is_well() -> None:
    now, key = datetime(2026, 11, 28, tzinfo=UTC), witness_key().key
    policy = Policy((log_key().key,), (key,), 1)
    head = Witnessed(Checkpoint(log_key().key.name, 1, bytes(32)), Note("", ()), {key: int(now.timestamp()) - 60})
    assert doctor.witnesses(policy, head, now).verdict == "ok"
    assert doctor.witnesses(policy, replace(head, cosigned={}), now).verdict == "fail"
    assert doctor.witnesses(policy, None, now).verdict == "fail"


# The command.


def test_the_command_says_it_in_80_columns_and_with_its_exit_status(world: World) -> None:
    command = [*at("+400d"), sys.executable, "-m", "repo_service.cli", "doctor"]
    done = subprocess.run([*command, str(world.service.folder)], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (6, "")
    assert "fail  expiry     root 1 has expired: every client refuses" in lines
    assert [line for line in lines if len(line) > 80 and "/" not in line] == []  # a path is not broken
    assert lines[-1].endswith("Nothing was changed.")


def test_the_command_says_it_to_programs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(world.service.folder), "--json"]) == 6
    said = json.loads(capsys.readouterr().out)
    assert {"check": "public", "verdict": "fail"}.items() <= said[-1].items()
    assert {"check", "verdict", "seen", "do"} == {*said[0]}
