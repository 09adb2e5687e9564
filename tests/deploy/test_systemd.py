"""The units in docs/deploy/systemd are ones that systemd accepts, shut in, and start commands that we have."""

import os
import re
import shlex
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keys import sealed
from repo_service.cli import main, parser
from repo_service.guarding.keyring import open_signer
from repo_service.operating.settings import SECRET
from tests.deploy.test_upgrade import elsewhere
from tests.servers import need
from tests.world import World, online_key

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/deploy/systemd"
PROGRAM = "/opt/tallystick/bin/tallystick-service"
UNITS = sorted(FOLDER.glob("*.service"))
OF_SHELL = re.compile(r"^/bin/sh -c 'exec (.*)'$")
EXPOSURE = {
    "tallystick": 1.4,
    "tallystick-backup": 1.2,
    "tallystick-guard": 0.6,
    "tallystick-monitor": 1.2,
    "tallystick-witness": 1.1,
    "tallystick-worker": 1.4,
}
"""What systemd-analyze may find of each unit, of 10. Who talks to a network cannot come below 1."""


def run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **more})


def lines(unit: Path) -> list[str]:
    """Of a unit, with those put together that go on."""
    return unit.read_text().replace("\\\n", " ").splitlines()


def started(unit: Path) -> list[list[str]]:
    """The words of our own command, wherever a unit says it."""
    said = [line.partition("=")[2] for line in lines(unit) if line.startswith("Exec")]
    plain = [re.sub(r"\$\(.*?\)", "NOW", OF_SHELL.sub(r"\1", each)) for each in said]
    return [shlex.split(each) for each in plain if PROGRAM in each]


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    analyze = need("systemd-analyze", "systemd")
    for unit in (*UNITS, *FOLDER.glob("*.timer")):  # the program is not installed here
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, shutil.which("true") or "/bin/true"))
    done = run(analyze, "verify", *map(str, tmp_path.iterdir()))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_shut_in_as_far_as_its_job_allows(unit: Path) -> None:
    threshold = f"--threshold={EXPOSURE[unit.stem] * 10:.0f}"
    done = run(need("systemd-analyze", "systemd"), "security", "--offline=yes", threshold, "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_a_unit_starts_is_a_command_of_ours(unit: Path) -> None:
    (command,) = started(unit)
    assert command[0] == PROGRAM
    assert callable(parser().parse_args(command[1:]).command)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_that_stays_is_never_given_up_but_for_what_only_a_person_mends(unit: Path) -> None:
    wanted = {"Restart=always", "RestartPreventExitStatus=2", "StartLimitIntervalSec=0"}
    assert "Type=oneshot" in lines(unit) or wanted <= {*lines(unit)}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_no_secret_is_the_text_of_a_variable(unit: Path) -> None:
    variables = re.findall(r"^#?\s*Environment=(\w+)=(.*)$", unit.read_text(), re.MULTILINE)
    assert all(name.removesuffix("_FILE") in SECRET and value.startswith("%d/") for name, value in variables)
    assert "EnvironmentFile" not in unit.read_text()


def test_no_network_reaches_the_guard_and_nothing_of_its_memory_leaves_it() -> None:
    (unit,) = (unit for unit in UNITS if "guard" in unit.name)
    for wanted in (
        "PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX", "ProtectSystem=strict", "NoNewPrivileges=yes",
        "MemorySwapMax=0", "LimitCORE=0", "LoadCredentialEncrypted=online.key.passphrase",
    ):  # fmt: skip
        assert wanted in lines(unit)


def test_users_and_folders_are_made_as_the_units_want_them(tmp_path: Path) -> None:
    sysusers, tmpfiles = need("systemd-sysusers", "systemd"), need("systemd-tmpfiles", "systemd")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\nwww-data:x:33:\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    done = run(sysusers, f"--root={tmp_path}", str(FOLDER / "tallystick.sysusers"))
    assert done.returncode == 0, done.stderr
    made = {line.partition(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    users = {line.partition("=")[2] for unit in UNITS for line in lines(unit) if line.startswith("User=")}
    assert users == made - {"root"}
    groups = {line.partition(":")[0]: line for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert {*groups["tallystick-signing"].rpartition(":")[2].split(",")} == {"tallystick", "tallystick-guard"}
    if os.geteuid() == 0:
        done = run(tmpfiles, f"--root={tmp_path}", "--create", str(FOLDER / "tallystick.tmpfiles"))
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "var/backups/tallystick").stat().st_mode & 0o7777 == 0o700
        public = (tmp_path / "var/lib/tallystick-public").stat()
        assert (public.st_mode & 0o7777, public.st_gid) == (0o2750, 33)
        numbers = {
            line.split(":")[0]: line.split(":")[2] for line in (tmp_path / "etc/passwd").read_text().splitlines()
        }
        for user in users:  # who begins makes a key here, before a unit has made its folder
            assert str((tmp_path / "var/lib" / user).stat().st_uid) == numbers[user]


def test_a_passphrase_that_systemd_sealed_opens_the_key(tmp_path: Path) -> None:
    if shutil.which("systemd-creds") is None:
        pytest.skip("systemd-creds is not installed")
    name, words = "online.key.passphrase", tmp_path / "words"
    words.write_text("seven words that were drawn")
    seal = ["systemd-creds", "encrypt", "--with-key=host", f"--name={name}", str(words), str(tmp_path / "sealed")]
    if subprocess.run(seal, capture_output=True, timeout=60).returncode:
        pytest.skip("systemd-creds has no key of this machine here")
    folder = tmp_path / "credentials"
    folder.mkdir()
    opened = ["systemd-creds", "decrypt", f"--name={name}", str(tmp_path / "sealed"), str(folder / name)]
    assert subprocess.run(opened, capture_output=True, timeout=60).returncode == 0
    pem = sealed.seal(online_key()._private, words.read_text(), salt=b"s" * 16, iv=b"i" * 16, rounds=1000)
    sealed.write_private(tmp_path / "online.key", pem)
    key = open_signer("online.key", tmp_path, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert key.record.keyid == online_key().record.keyid


# Backups.


def test_the_timer_s_backup_is_one_that_the_rehearsal_restores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0))
    world.do(elsewhere("foo"))
    kept, rehearsed = tmp_path / "backups", tmp_path / "rehearsal"
    kept.mkdir()
    (old := kept / "20260101T000000Z.backup").touch()
    os.utime(old, (0, time.time() - 40 * 86400))
    here = {
        "/var/lib/tallystick": str(world.service.folder), "/var/backups/tallystick": str(kept),
        "/var/tmp/rehearsal": str(rehearsed),
    }  # fmt: skip
    unit = placed((FOLDER / "tallystick-backup.service").read_text().replace("%%", "%"), here)
    said = dict(re.findall(r"^(Exec\w+)=(.*)$", unit, re.MULTILINE))
    do(OF_SHELL.sub(r"\1", said["ExecStart"]), monkeypatch)
    do(said["ExecStartPost"], monkeypatch)
    (made,) = kept.iterdir()
    assert made != old and made.stat().st_mode & 0o77 == 0
    script = re.search(r"```sh\n(# A rehearsal.*?)```", (FOLDER.parent / "README.md").read_text(), re.DOTALL)
    assert script is not None
    before = {path: path.stat().st_mtime_ns for path in world.public.rglob("*")}
    for line in placed(script[1], here).splitlines():
        do(line, monkeypatch)
    assert "Database, public files and a client agree." in capsys.readouterr().out
    assert not rehearsed.exists()
    assert {path: path.stat().st_mtime_ns for path in world.public.rglob("*")} == before


def placed(text: str, here: dict[str, str]) -> str:
    """Commands with the places of this test."""
    return re.sub("(/var/[a-z/]+)(?=[/ \n])", lambda found: within(found[1], here), text)


def within(path: str, here: dict[str, str]) -> str:
    known = next((place for place in here if path == place or path.startswith(f"{place}/")), None)
    return path if known is None else here[known] + path.removeprefix(known)


def do(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of a shell script, our own program in this process: to start it takes two seconds."""
    program, _, arguments = line.partition(" ")
    if program == "export":
        for each in shlex.split(arguments):
            monkeypatch.setenv(*each.split("=", 1))
    elif program == PROGRAM:
        words = run("/bin/sh", "-euc", f'for word in {arguments}; do echo "$word"; done').stdout.splitlines()
        assert main(words) == 0
    else:
        done = run("/bin/sh", "-euc", line)
        assert (done.returncode, done.stderr) == (0, "")
