"""The guard as a process: killed at any moment and started again, begun and served by its command."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ceremony.answers import answer
from ceremony.draft import draft
from ceremony.plan import Keyring, signatory
from ceremony.seal import seal
from keys import custody, possession, records, sealed
from keys.signing import SignerAway
from keys.times import stamp
from repo_service.cli import main
from repo_service.commands import guard
from repo_service.domain import requests as r
from repo_service.guarding.keyring import BadKey, open_signer
from tests.guarding.guarded import GuardedWorld
from tests.guarding.test_going_on import look
from tests.servers import softhsm
from tests.world import BECAUSE, OWNER, held_ceremony, held_key, publishing, write_folder

ROOT = Path(__file__).parents[2]
ENTRY = (sys.executable, "-c", "from repo_service.entry import main; raise SystemExit(main())")


class Processes:
    """A world whose guard is a process that is started and killed."""

    def __init__(self, folder: Path) -> None:
        self.world = GuardedWorld(folder)
        self.world.stop_guard()
        self._clock = folder / "clock"
        self._process: subprocess.Popen[str] | None = None

    def start(self, kill: str = "") -> None:
        self.set_clock()
        command = [sys.executable, "-m", "tests.guarding.process", str(self.world.guard_folder), str(self._clock), kill]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None and self._process.stdout.readline() == "ready\n"

    def set_clock(self) -> None:
        self._clock.write_text(stamp(self.world.now))

    def is_dead(self) -> bool:
        assert self._process is not None
        return self._process.wait(10) == -signal.SIGKILL

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
        self._process = None


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.end()
    made.world.close()


@pytest.mark.parametrize("moment", ["judged", "committed"])
@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_a_guard_that_is_killed_at_any_moment_goes_on_where_it_was(
    processes: Processes, moment: str, times: int
) -> None:
    """Before its commit nothing was signed; after it the version is spent, whether or not anybody heard of it."""
    world = processes.world
    processes.start()
    world.do(publishing("foo"), publishing("bar"))
    look(world, "foo", "bar")
    processes.end()
    world.tick(minutes=5)
    processes.start(f"{moment}:{times}")
    world.record(r.Yank("foo", "1.0", BECAUSE, OWNER))
    world.record(publishing("new"))
    try:
        world.service.round()
    except SignerAway:
        assert processes.is_dead()
    look(world, "foo", "bar")
    processes.end()
    world.tick(minutes=5)
    processes.start()
    world.do(publishing("foo", "2.0"))
    look(world, "foo", "bar", "new")


def test_a_guard_that_comes_back_at_once_is_asked_again(processes: Processes) -> None:
    world = processes.world
    processes.start()
    world.do(publishing("foo"))
    processes.end()
    processes.start()
    world.do(publishing("bar"))
    look(world, "foo", "bar")


# The command.


def command(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ENTRY, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, **more}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A guard's folder with a key, and beside it what a rehearsal ceremony of now sealed for that key."""
    guard = tmp_path / "guard"
    assert command("guard", str(guard), "key", "--rehearsal").returncode == 0
    return guard


def sealed_for(folder: Path) -> Path:
    now = datetime.now(UTC).replace(microsecond=0)
    online = possession.read((folder / "online.pub").read_bytes())
    drafted, _ = held_ceremony(now)
    plan = drafted.plan
    keys = {f"holder-{number}": held_key(number) for number in (1, 2, 3)}
    files = tuple(possession.read(possession.write(name, key, rehearsal=True)) for name, key in keys.items())
    again = draft(replace(plan, online=signatory(online)), Keyring(files, online), None, now)
    answers = [answer(again, name, key, now, heard=True) for name, key in [*keys.items()][:2]]
    names = {each.keyid: each.name for each in answers}
    return write_folder(folder.parent / "sealed", seal(again, answers, names, now).files())


def test_a_stranger_can_set_a_guard_up_by_its_command(folder: Path) -> None:
    assert (folder / "online.key").stat().st_mode & 0o777 == 0o600
    assert "has no root of trust yet" in command("guard", str(folder)).stderr
    trusted = str(sealed_for(folder))
    refused = command("guard", str(folder), "init", "--sealed", trusted)
    assert refused.returncode == 3 and "rehearsal = true" in refused.stderr
    with (folder / "guard.toml").open("a") as file:
        file.write("rehearsal = true\n")
    assert command("guard", str(folder), "init", "--sealed", trusted).returncode == 0
    again = command("guard", str(folder), "init", "--sealed", trusted)
    assert again.returncode == 2 and "has a root of trust" in again.stderr
    whole = [
        sys.executable,
        "-c",
        "from repo_service.entry import main; raise SystemExit(main())",
        "guard",
        str(folder),
    ]
    serving = subprocess.Popen(whole, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert serving.stdout is not None and serving.stderr is not None
    assert serving.stdout.readline().startswith("Guarding 1 key(s) at ")
    assert (folder / "guard.sock").exists()
    limits = Path(f"/proc/{serving.pid}/limits").read_text()
    assert any(line.startswith("Max core file size") and line.split()[4] == "0" for line in limits.splitlines())
    second = command("guard", str(folder))
    assert second.returncode == 2 and "another guard" in second.stderr
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(20) == 0
    serving.stdout.close()
    serving.stderr.close()
    assert not (folder / "guard.sock").exists()


def test_the_guard_loads_nothing_of_the_server() -> None:
    """It holds the key: what is not there cannot be broken into."""
    code = (
        "import sys, repo_service.commands.guard\n"
        "bad = {'flask', 'werkzeug', 'sqlalchemy', 'alembic', 'rq', 'redis', 'waitress', 'http_message_signatures'}\n"
        "print(sorted(bad & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.stdout == "[]\n", found.stdout + found.stderr


def test_a_socket_that_nobody_answers_at_is_replaced(processes: Processes) -> None:
    processes.start()
    processes.end()
    assert processes.world.socket.exists()
    processes.start()
    assert processes.world.service.press.sign.highest((), 0)


# Keys.


def test_a_key_that_others_can_read_is_refused(folder: Path) -> None:
    with (folder / "guard.toml").open("a") as file:
        file.write("rehearsal = true\n")
    command("guard", str(folder), "init", "--sealed", str(sealed_for(folder)))
    for mode in (0o640, 0o604):
        (folder / "online.key").chmod(mode)
        refused = command("guard", str(folder))
        assert refused.returncode == 2 and "chmod 600" in refused.stderr


def test_a_sealed_key_is_opened_by_a_credential_of_systemd_and_by_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(sealed, "ROUNDS", 1000)
    words, credentials = tmp_path / "words", tmp_path / "credentials"
    words.write_text("seven words that were drawn by dice\n")
    credentials.mkdir()
    made = command("guard", str(tmp_path / "guard"), "key", "--passphrase", str(words))
    assert made.returncode == 0 and b"ENCRYPTED" in (tmp_path / "guard" / "online.key").read_bytes()
    record = possession.read((tmp_path / "guard" / "online.pub").read_bytes()).key
    with pytest.raises(BadKey, match=r"no credential online\.key\.passphrase"):
        open_signer("online.key", tmp_path / "guard", {})
    named = credentials / "online.key.passphrase"
    named.write_text("other words")
    with pytest.raises(BadKey, match="does not open"):
        open_signer("online.key", tmp_path / "guard", {"CREDENTIALS_DIRECTORY": str(credentials)})
    named.write_text(words.read_text())
    key = open_signer("online.key", tmp_path / "guard", {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert key.record.keyid == record.keyid


def test_a_key_on_a_token_is_opened_by_the_credential_pin_and_tried_once(tmp_path: Path) -> None:
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    with softhsm() as hsm:
        hsm.init("guard")
        uri = hsm.uri("guard", "online")
        made = custody.make_on_token(uri, "P-256", lambda _: hsm.pin)
        with pytest.raises(BadKey, match="there is no credential pin: say LoadCredentialEncrypted=pin"):
            open_signer(uri, tmp_path, credentials)
        hsm.forget()  # whoever made the key is logged in until then
        (tmp_path / "pin").write_text("135790")
        with pytest.raises(BadKey, match="refused this PIN"):
            open_signer(uri, tmp_path, credentials)
        (tmp_path / "pin").write_text(f"{hsm.pin}\n")
        key = open_signer(uri, tmp_path, credentials)
        assert key.record == made.record
        assert records.verifies(key.record, key.sign(b"a snapshot").signature, b"a snapshot")


def test_a_key_is_never_overwritten(folder: Path) -> None:
    before = (folder / "online.key").read_bytes()
    assert command("guard", str(folder), "key").returncode == 2
    assert (folder / "online.key").read_bytes() == before
    following = command("guard", str(folder), "key", "online-next.key")
    assert following.returncode == 0 and "Add it to keys" in following.stdout


# Waivers, by their command.


def test_a_waiver_is_taken_while_the_guard_runs_and_only_one_of_enough_holders(
    world: GuardedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_now", lambda: world.now)
    world.waive(("yanks", 5), number=7)
    (world.guard_folder / "waivers" / "7.json").rename(tmp_path / "waiver.json")
    good = (tmp_path / "waiver.json").read_bytes()
    assert main(["guard", str(world.guard_folder), "waiver", str(tmp_path / "waiver.json")]) == 0
    assert (world.guard_folder / "waivers" / "7.json").read_bytes() == good
    assert main(["guard", str(world.guard_folder), "waiver", str(tmp_path / "waiver.json")]) == 2, "not twice"
    (tmp_path / "waiver.json").write_bytes(good.replace(b'"limit":5', b'"limit":6'))
    assert main(["guard", str(world.guard_folder), "waiver", str(tmp_path / "waiver.json")]) == 3
    world.tick(hours=2)
    (tmp_path / "waiver.json").write_bytes(good)
    assert main(["guard", str(world.guard_folder), "waiver", str(tmp_path / "waiver.json")]) == 3, "it is over"
