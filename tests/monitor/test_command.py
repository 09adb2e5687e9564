"""``tallystick-service monitor`` as people and cron run it; and what is left of it after a kill."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from repo_service.cli import parser
from repo_service.commands import monitor as command
from repo_service.commands.monitor import ALARM
from repo_service.domain import requests as r
from tests.monitor.receiver import receiving
from tests.world import OWNER, World, publishing

SECRET = f"whsec_{b64encode(bytes(32)).decode()}"
Monitor = Callable[..., int]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.do(*(publishing("flask", f"{number}.0") for number in range(1, 4)))
    (tmp_path / "1.root.json").write_bytes(world.trust.roots[0].data)
    return world


@pytest.fixture
def monitor(world: World, tmp_path: Path) -> Monitor:
    """Run the command at the world's time, as told; its exit status."""

    def run(*more: str, registry: str = "", state: str = "state") -> int:
        arguments = [registry or str(world.public), "--state", str(tmp_path / state), *more]
        return command.run(parser(["monitor"]).parse_args(["monitor", *arguments]), lambda: world.now)

    return run


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "1.root.json")


def mass(world: World, name: str, count: int = 25) -> None:
    """So many releases of a project, and all yanked."""
    for number in range(count):
        world.record(publishing(name, f"{number}.0"))
    world.do()
    for number in range(count):
        world.record(r.Yank(name, f"{number}.0", None, OWNER))
    world.do()


def printed(text: str) -> list[dict[str, Any]]:
    """Whole lines of JSON: the last one may have been cut by a kill."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("}\n")]


def test_without_a_root_nothing_is_believed(
    monitor: Monitor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert monitor() == 2
    assert "pins no root yet" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_the_root_is_given_once_and_another_is_refused(
    world: World, monitor: Monitor, root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert monitor("--root", root) == 0
    assert monitor() == 0
    assert monitor("--root", root) == 0
    data = Path(root).read_bytes()
    Path(root).write_bytes(World(tmp_path / "other", holders=(4, 5, 6)).trust.roots[0].data)
    assert monitor("--root", root) == 2
    assert "is not the root" in capsys.readouterr().err
    assert (tmp_path / "state/root.json").read_bytes() == data


def test_a_root_of_somebody_else_is_an_alarm(world: World, monitor: Monitor, root: str, tmp_path: Path) -> None:
    other = World(tmp_path / "other", holders=(4, 5, 6))
    other.do(publishing("flask"))
    Path(root).write_bytes(other.trust.roots[0].data)
    assert monitor("--root", root) == ALARM


def test_what_is_no_root_pins_nothing(monitor: Monitor, root: str, tmp_path: Path) -> None:
    Path(root).write_text("{}")
    assert monitor("--root", root) == 2
    assert not (tmp_path / "state").exists()


def test_an_alarm_is_told_once_and_one_that_lasts_keeps_the_status(
    world: World, monitor: Monitor, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mass(world, "big")
    assert monitor("--root", root, "--json") == ALARM
    codes = [each["code"] for each in printed(capsys.readouterr().out)]
    assert "withdrawn" in codes
    assert monitor("--json") == 0
    assert printed(capsys.readouterr().out) == []
    world.tick(hours=13)
    for told in (["checkpoint-stale"], []):
        assert monitor("--json") == ALARM
        assert [each["code"] for each in printed(capsys.readouterr().out)] == told
    assert monitor() == ALARM
    assert "ALARM checkpoint-stale" in capsys.readouterr().out
    world.do(publishing("flask", "9.0"))
    assert monitor("--json") == 0
    world.tick(hours=13)
    assert monitor("--json") == ALARM
    assert "checkpoint-stale" in capsys.readouterr().out, "it was over, so it is news again"


def test_limits_come_from_a_file(world: World, monitor: Monitor, root: str, tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    mass(world, "big", 25)
    file.write_text("withdrawn = 25\nwithdrawn_percent = 100\n")
    assert monitor("--root", root, "--limits", str(file), "--json", state="one") == ALARM  # all-withdrawn
    file.write_text("withdraw = 25\n")
    assert monitor("--root", root, "--limits", str(file), state="two") == 2
    assert monitor("--root", root, "--limits", str(tmp_path / "nowhere"), state="two") == 2
    assert not (tmp_path / "two").exists()


def test_a_full_look_finds_a_page_that_was_exchanged_long_after_it_was_looked_at(
    world: World, monitor: Monitor, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert monitor("--root", root, "--full") == 0
    world.tick(minutes=1)
    world.do(publishing("other"))
    assert monitor() == 0
    [page] = (world.public / "targets/simple/flask").glob("*.json")
    page.chmod(0o644)
    page.write_bytes(page.read_bytes().replace(b"flask", b"flusk"))
    assert monitor("--full", "--json") == ALARM
    assert "served-differs" in capsys.readouterr().out


def test_a_registry_that_is_away_is_no_finding(monitor: Monitor, root: str, world: World) -> None:
    assert monitor("--root", root) == 0
    assert monitor(registry="http://127.0.0.1:1") == 5
    assert monitor(registry="nowhere") == 5
    assert monitor() == 0


def test_a_webhook_without_a_secret_is_refused(monitor: Monitor, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert monitor("--root", root, "--webhook", "http://127.0.0.1:1") == 2
    monkeypatch.setenv("TALLYSTICK_WEBHOOK_SECRET", SECRET)
    assert monitor("--root", root, "--webhook", "http://127.0.0.1:1") == 0


def test_two_monitors_do_not_share_a_folder(monitor: Monitor, root: str, tmp_path: Path, world: World) -> None:
    from repo_service.monitor.book import Book

    assert monitor("--root", root) == 0
    book = Book(tmp_path / "state")
    assert monitor() == 2
    book.close()


def test_the_settings_of_the_service_pass_over_the_monitors_variable() -> None:
    from repo_service.operating.settings import ELSEWHERE

    assert "WEBHOOK_SECRET" in ELSEWHERE


def test_it_starts_without_a_servers_library() -> None:
    code = (
        "import sys; sys.argv = ['tallystick-service', 'monitor', '--help']\n"
        "from repo_service.entry import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "bad = {'flask', 'sqlalchemy', 'alembic', 'rq', 'redis', 'zstandard', 'obstore', 'waitress'}\n"
        "print(sorted(bad & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
    assert "--vantage" in done.stdout


def followed(arguments: Sequence[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", "from repo_service.entry import main; raise SystemExit(main())", "monitor"]
    environment = {**os.environ, "TALLYSTICK_WEBHOOK_SECRET": SECRET}
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_in_the_middle_it_tells_nothing_twice_and_loses_nothing(world: World, root: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    told: list[dict[str, Any]] = []
    with receiving() as receiver:
        arguments = [
            str(world.public), "--state", str(tmp_path / "state"), "--root", root, "--follow", "--every", "0.05",
            "--json", "--webhook", receiver.url, "--feeds", str(tmp_path / "feeds"),
        ]  # fmt: skip
        for number in range(3):
            receiver.statuses = [500]
            process = followed(arguments)
            mass(world, f"big-{number}")
            time.sleep(chance.uniform(0.3, 1.2))
            process.kill()
            told += printed(process.communicate()[0])
        last = followed(arguments)
        alarms = 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (alarms < 3 or alarms < _wanted(tmp_path)):
            time.sleep(0.3)
            alarms = len({headers["webhook-id"] for headers, _, status in receiver.got if status == 204})
        last.send_signal(signal.SIGTERM)
        told += printed(last.communicate(timeout=30)[0])
        assert last.returncode == 0
    expected = Counter(_key(each) for each in _all(world, root, tmp_path / "clean"))
    by_id = {each["id"]: each for each in told if each["index"] is not None}
    assert Counter(_key(each) for each in by_id.values()) == expected
    # Twice only where the kill came between the line and the note that it was printed.
    assert len([each for each in told if each["index"] is not None]) - len(by_id) <= 3
    taken = [json.loads(body)["data"] for _, body, status in receiver.got if status == 204]
    sent = {headers["webhook-id"]: body for headers, body, status in receiver.got if status == 204}
    loud = Counter(_key(each) for each in by_id.values() if each["level"] == "alarm")
    assert Counter(_key(json.loads(body)["data"]) for body in sent.values() if b'"index":null' not in body) == loud
    assert len(taken) >= len(sent)
    for path in (tmp_path / "feeds").rglob("*.atom"):
        ids = [each.text for each in ElementTree.parse(path).iter("{http://www.w3.org/2005/Atom}id")]
        assert len(ids) == len(set(ids))
    feeds = {path.stem for path in (tmp_path / "feeds/project").glob("*.atom")}
    assert feeds == {"flask", *(f"big-{number}" for number in range(3))}


def _wanted(tmp_path: Path) -> int:
    """Alarms that the feed of alarms holds already."""
    path = tmp_path / "feeds/alarms.atom"
    return path.read_text().count("<title>Alarm ") if path.exists() else 1


def _key(finding: dict[str, Any]) -> tuple[Any, ...]:
    return finding["code"], finding["index"], finding["name"], finding["sentence"]


def _all(world: World, root: str, state: Path) -> list[dict[str, Any]]:
    """What a monitor says that looks once, when all is over."""
    command = [str(world.public), "--state", str(state), "--root", root, "--json"]
    done = subprocess.run(
        [sys.executable, "-c", "from repo_service.entry import main; raise SystemExit(main())", "monitor", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ALARM
    return [each for each in printed(done.stdout) if each["index"] is not None]
