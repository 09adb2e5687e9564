"""``tallystick-service``, as the person who runs it types it: what it prints, its exit status, and what it wrote."""

import re
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keys import possession, sealed
from keys.times import stamp
from repo_service import cli
from repo_service.accepting import intake
from repo_service.cli import main
from repo_service.domain import requests as r
from repo_service.web.app import create_app
from repo_service.wiring import open_service
from tests.service.door import Silent, sdist, wheel
from tests.world import BECAUSE, RootOfTrust, log_key, online_key, root_of_trust, write_folder

NOW = datetime.now(UTC).replace(microsecond=0)  # the command line reads the clock of the machine


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


@pytest.fixture(scope="module")
def trust() -> RootOfTrust:
    """A root of trust that is good today."""
    return root_of_trust(NOW)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A service's folder after ``key``, with the keys that the ceremony knows."""
    home = tmp_path / "service"
    assert run("key", home, "--rehearsal") == 0
    (home / "online.key").unlink()
    sealed.write_private(home / "online.key", sealed.plain(online_key()._private))
    (home / "log.key").unlink()
    sealed.write_private(home / "log.key", log_key().written.encode())
    return home


@pytest.fixture
def ceremony(tmp_path: Path, trust: RootOfTrust) -> Path:
    """The sealed folder of a ceremony."""
    return write_folder(tmp_path / "sealed", trust.files())


@pytest.fixture
def begun(home: Path, ceremony: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A service's folder after ``init``."""
    assert run("init", home, "--sealed", ceremony, "--allow-rehearsal") == 0
    capsys.readouterr()
    return home


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "sqlite" not in path.name}


def test_key_makes_a_key_for_its_owner_alone_and_proves_it_to_the_ceremony(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "new" / "service"
    assert run("key", home, "--name", "our registry") == 0
    assert stat.S_IMODE((home / "online.key").stat().st_mode) == 0o600
    found = possession.read((home / "online.pub").read_bytes())
    assert (found.name, found.rehearsal, found.key.scheme) == ("our registry", False, "ecdsa-sha2-nistp256")
    assert open_service(home).online.keyids == {found.key.keyid}
    assert "online.pub" in capsys.readouterr().out
    assert b"PRIVATE" not in (home / "online.pub").read_bytes()


def test_key_never_overwrites_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "service"
    run("key", home, "--rehearsal")
    (home / "service.toml").write_text("# mine\n")
    before = all_files(home)
    assert run("key", home) == 2
    assert all_files(home) == before
    assert "online.key" in capsys.readouterr().err


def test_init_publishes_and_shows_a_token_that_opens_the_door(
    home: Path, ceremony: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", home, "--sealed", ceremony, "--allow-rehearsal") == 0
    out = capsys.readouterr().out
    assert "Verified root 1; published snapshot 1 with 4 bins." in out
    assert (home / "public/metadata/timestamp.json").is_file()
    assert ask(home, re.findall(r"tally_\S+", out)[0]) == 200


def ask(home: Path, token: str) -> int:
    client = create_app(open_service(home).desk(Silent())).test_client()
    return client.get("/v1/status", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_rehearsals_root_needs_its_flag_and_nothing_is_begun_without(
    home: Path, ceremony: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", home, "--sealed", ceremony) == 3
    assert "--allow-rehearsal" in capsys.readouterr().err
    assert all_files(home / "public") == {}
    assert run("init", home, "--sealed", ceremony, "--allow-rehearsal") == 0


def test_a_service_is_begun_once(begun: Path, ceremony: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = all_files(begun)
    assert run("init", begun, "--sealed", ceremony, "--allow-rehearsal") == 2
    assert "take-in is for later ceremonies" in capsys.readouterr().err
    assert all_files(begun) == before


@pytest.mark.parametrize("sealed_folder", ["nowhere", "service", "service/online.key"])
def test_init_of_what_is_no_sealed_folder_is_refused(
    home: Path, tmp_path: Path, sealed_folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", home, "--sealed", tmp_path / sealed_folder, "--allow-rehearsal") == 3
    assert capsys.readouterr().err.startswith("tallystick-service: ")
    assert all_files(home / "public") == {}


def test_a_root_for_another_online_key_is_refused(
    home: Path, ceremony: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "online.key").unlink()
    sealed.write_private(home / "online.key", sealed.plain(online_key(2)._private))
    assert run("init", home, "--sealed", ceremony, "--allow-rehearsal") == 3
    assert "other keys than this service's online key" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "token list", "publish", "serve", "import", "take-in", "worker"])
def test_a_command_on_a_folder_without_a_key_says_what_to_do(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more: list[object] = {"import": [tmp_path], "take-in": ["--sealed", tmp_path]}.get(command, [])  # type: ignore[assignment]
    assert run(*command.split(), tmp_path / "nowhere", *more) == 2
    assert "tallystick-service key" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("command", ["status", "token list", "publish", "serve", "import", "take-in", "worker"])
def test_a_command_before_init_says_that_init_comes_first(
    home: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more: list[object] = {"import": [tmp_path], "take-in": ["--sealed", tmp_path]}.get(command, [])  # type: ignore[assignment]
    assert run(*command.split(), home, *more) == 2
    assert "tallystick-service init" in capsys.readouterr().err


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Two good files of one release, and what is none."""
    return write_folder(
        tmp_path / "wheels",
        {
            "foo-1.0-py3-none-any.whl": wheel(),
            "foo-1.0.tar.gz": sdist(),
            "bar-1.0.tar.gz": b"not a tar",
            "foo bar-1.0.tar.gz": sdist(),
            "README.md": b"# read me",
        },
    )


def test_an_import_takes_what_is_good_and_names_what_is_not(
    begun: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", begun, wheels) == 1
    said = capsys.readouterr()
    assert "1 projects read: 1 are new or grew, by 1 releases and 2 files" in said.out
    left_out = [line for line in said.err.splitlines() if line.startswith("  left out: ")]
    assert len(left_out) == 3 and all(
        any(name in line for line in left_out) for name in ("bar-1.0", "foo bar", "README")
    )
    with open_service(begun).journal.reading() as view:
        assert sorted(each.path for _, each in view.targets_of(["foo"])) == [
            "packages/foo/foo-1.0-py3-none-any.whl",
            "packages/foo/foo-1.0.tar.gz",
            "simple/foo/vnd.pypi.simple.v1.json",
        ]
        assert view.counts() == {"names": 1, "events": 2, "pending": 0}


def test_an_import_can_be_run_again(begun: Path, wheels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("import", begun, wheels)
    before = all_files(begun)
    assert run("import", begun, wheels) == 1
    assert all_files(begun) == before
    assert "1 projects read: 0 are new or grew" in capsys.readouterr().out


def test_an_import_says_so_when_what_it_brings_was_removed(
    begun: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("import", begun, wheels)
    service = open_service(begun)
    request: Any = r.Prohibit("foo", BECAUSE, r.Actor("admin"))
    intake.record(service.journal, request, intake.Sender("tests", "1", expected=2), service.clock())
    service.round()
    capsys.readouterr()
    assert run("import", begun, wheels) == 1
    said = capsys.readouterr()
    assert "1 projects read: 0 are new or grew" in said.out
    assert "no version is ever used again" in said.err


def test_status_says_what_is_signed_and_what_expires_when(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", begun) == 0
    out = capsys.readouterr().out
    assert "0 names, 0 events, 0 of them not signed yet" in out
    assert "snapshot 1, timestamp 1, 0 to copy out" in out
    for role in ("root", "targets", "held", "bins", "snapshot", "timestamp"):
        assert re.search(rf"^  {role} +1 +expires 20", out, re.MULTILINE), role
    assert "(the first of 4 bins)" in out


def test_publish_by_hand_publishes_what_is_pending_and_says_when_nothing_is(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("publish", begun) == 0
    assert "Nothing was pending or due." in capsys.readouterr().out
    service = open_service(begun)
    request = r.Reserve("foo", r.Actor("owner", "account-1"))
    intake.record(service.journal, request, intake.Sender("tests", "1"), service.clock())
    run("status", begun)
    assert "1 of them not signed yet" in capsys.readouterr().out
    assert run("publish", begun) == 0
    assert "Published snapshot 2." in capsys.readouterr().out


def test_a_later_ceremony_is_taken_in(
    begun: Path, tmp_path: Path, trust: RootOfTrust, capsys: pytest.CaptureFixture[str]
) -> None:
    later = root_of_trust(NOW, after=trust, held=("requests",))
    folder = write_folder(tmp_path / "later", later.files())
    assert run("take-in", begun, "--sealed", folder) == 3
    assert run("take-in", begun, "--sealed", folder, "--allow-rehearsal") == 0
    assert "targets 2" in capsys.readouterr().out
    assert run("take-in", begun, "--sealed", folder, "--allow-rehearsal") == 0
    assert "Published: nothing new" in capsys.readouterr().out


def test_a_file_that_diverged_stops_publishing_and_is_not_overwritten(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = open_service(begun)
    request = r.Reserve("foo", r.Actor("owner", "account-1"))
    intake.record(service.journal, request, intake.Sender("tests", "1"), service.clock())
    alien = begun / "public/metadata/2.snapshot.json"
    alien.write_bytes(b"alien")
    timestamp = (begun / "public/metadata/timestamp.json").read_bytes()
    assert run("publish", begun) == 5
    assert "2.snapshot.json exists with other bytes" in capsys.readouterr().err
    assert alien.read_bytes() == b"alien"
    assert (begun / "public/metadata/timestamp.json").read_bytes() == timestamp
    alien.unlink()
    assert run("publish", begun) == 0


def test_a_broken_settings_file_is_named_with_its_line(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (begun / "service.toml").write_text('layuot = "full"\n')
    assert run("status", begun) == 2
    assert "layuot" in capsys.readouterr().err


def test_a_worker_without_redis_says_which_line_is_missing(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("worker", begun) == 2
    assert 'redis = "redis://' in capsys.readouterr().err


def test_without_the_servers_libraries_the_command_says_what_to_install() -> None:
    """As after ``pip install tallystick`` alone."""
    hidden = "import sys; sys.modules['flask'] = None; from repo_service.entry import main; sys.exit(main())"
    said = subprocess.run([sys.executable, "-c", hidden, "serve", "."], capture_output=True, text=True, check=False)
    assert said.returncode == 2 and "pip install 'tallystick[service]'" in said.stderr
    assert "Traceback" not in said.stderr


def test_the_list_of_commands_says_of_each_what_its_own_help_says() -> None:
    listed, whole = (each._subparsers._group_actions[0].choices for each in (cli._list(), cli.parser()))  # type: ignore[union-attr]
    assert listed is not None and whole is not None and len(listed) > 20
    assert {name: each.description for name, each in listed.items()} == {
        name: each.description for name, each in whole.items()
    }


def test_a_key_is_replaced_step_by_step_by_commands_that_say_what_comes_next(
    begun: Path, tmp_path: Path, trust: RootOfTrust, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("key", begun, "--retire") == 2
    assert "there is no next key" in capsys.readouterr().err
    assert run("key", begun, "--next", "--rehearsal") == 0
    assert "Restart the service now" in capsys.readouterr().out
    assert run("key", begun, "--next") == 2, "a key is never overwritten"
    (begun / "online-next.key").unlink()
    sealed.write_private(begun / "online-next.key", sealed.plain(online_key(2)._private))
    following = write_folder(tmp_path / "following", root_of_trust(NOW, after=trust, online_number=2).files())
    capsys.readouterr()
    assert run("take-in", begun, "--sealed", following, "--allow-rehearsal") == 3
    assert "has not signed everything yet" in capsys.readouterr().err
    assert run("publish", begun) == 0
    assert run("status", begun) == 0
    assert "both have signed 6 of 6 files" in " ".join(capsys.readouterr().out.split())
    assert run("take-in", begun, "--sealed", following, "--allow-rehearsal") == 0
    assert run("key", begun, "--retire") == 2
    assert "clients that began before it still need the old key" in capsys.readouterr().err
    assert (begun / "online.key").exists() and (begun / "online-next.key").exists()


def test_a_clock_is_cleared_only_by_somebody_who_says_what_time_it_is(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("clear-clock", begun, "--time", "2000-01-01T00:00:00Z") == 4
    assert "the time you gave says 2000-01-01T00:00:00Z" in capsys.readouterr().err
    assert run("clear-clock", begun, "--time", stamp(datetime.now(UTC))) == 2
    assert "there is no clock to clear" in capsys.readouterr().err
