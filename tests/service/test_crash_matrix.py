"""Killed at every named point, the service shows the old state or the new one, and the next round finishes.

The points are found by a dry run of the production code, so a new one is killed too without anybody listing it.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client_verify.answers import Found
from client_verify.session import Session
from repo_service.wiring import Service, open_service
from tests.service.act import CHANGES
from tests.world import World, publishing

EXPECTED_POINTS = {
    "intake.before_commit", "intake.committed", "publish.read", "publish.signed", "publish.before_commit",
    "publish.committed", "depot.drafted", "depot.written", "depot.linked", "finish.added",
    "depot.pointer_written", "depot.pointed", "finish.pointed", "finish.marked",
}  # fmt: skip


def act(folder: Path, failpoint: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TALLYSTICK_FAILPOINT": failpoint}
    command = [sys.executable, "-m", "tests.service.act", str(folder / "service")]
    return subprocess.run(command, env=environment, text=True, capture_output=True)


@pytest.fixture
def begun(tmp_path: Path) -> World:
    """A published project, and a client that has verified it."""
    world = World(tmp_path / "world", begin=datetime.now(UTC).replace(microsecond=0))
    world.do(publishing("first"))
    world.client("cached").page("first")
    return world


def view(client: Session) -> str:
    """Which state a client sees: old or new, never a mixture."""
    first, second = client.page("first"), client.page("second")
    assert isinstance(first, Found)
    yanked = first.state.releases[0].yank is not None
    published = isinstance(second, Found)
    return {(False, False): "old", (True, False): "half", (True, True): "new"}[yanked, published]


def copy(world: World, to: Path) -> World:
    """The same world in another folder, as a disk after a power cut."""
    shutil.copytree(world.folder, to)
    other = object.__new__(World)
    other.__dict__.update(world.__dict__)
    other.folder = to
    other.service = open_service(to / "service", clock=lambda: datetime.now(UTC).replace(microsecond=0))
    return other


def test_whoever_dies_where_clients_see_old_or_new_and_the_next_round_finishes(begun: World, tmp_path: Path) -> None:
    dry = copy(begun, tmp_path / "dry")
    trace = tmp_path / "trace"
    assert act(dry.folder, f"trace:{trace}").returncode == 0
    passed = Counter(trace.read_text().split())
    assert set(passed) == EXPECTED_POINTS, "a point appeared or vanished: is it meant?"
    for point, times in passed.items():
        for time in sorted({1, 2, times} & set(range(1, times + 1))):
            crashed = copy(begun, tmp_path / f"{point}-{time}")
            outcome = act(crashed.folder, f"kill:{point}:{time}")
            assert outcome.returncode == -signal.SIGKILL, (point, time, outcome.stderr)
            acknowledged = outcome.stdout.count("acknowledged")
            look_at_the_wreck(crashed, f"{point} {time}")
            look_at_the_repair(crashed.service, crashed, acknowledged, f"{point} {time}")


def look_at_the_wreck(crashed: World, where: str) -> None:
    for client in ("cached", "fresh-before"):
        assert view(crashed.client(client)) in ("old", "new"), where


def look_at_the_repair(service: Service, crashed: World, acknowledged: int, where: str) -> None:
    service.round()
    with service.journal.reading() as journal:
        assert journal.staged() == [], where
        assert journal.counts()["pending"] == 0, where
        remembered = {event.name for event in journal.events()}
        assert len(journal.events("second")) in (0, 2), f"{where}: an event is lost or doubled"
    assert {change.name for change in CHANGES[:acknowledged]} <= remembered, f"{where}: acknowledged and lost"
    for client in ("cached", "fresh-before", "fresh-after"):
        seen = view(crashed.client(client))
        assert seen == ("new" if "second" in remembered else seen), where
        assert seen != "old" or acknowledged == 0, where
