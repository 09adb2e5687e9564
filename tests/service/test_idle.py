"""A service that nobody uses, in real processes whose clock runs fast: freshness needs no traffic and no Redis."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from keys import names
from keys.times import moment
from tests.servers import free_port, need
from tests.world import BEGIN, World, publishing

SPEED: Final = 2700  # six hours in eight seconds
HOURS: Final = 6
"""How long everything is signed for here; three times that pass, and a little."""
_PERIODS: Final = "".join(f"{role}_s = {HOURS * 3600}\n" for role in ("timestamp", "snapshot", "bin"))
SETTINGS: Final = f"{_PERIODS}refresh_s = 1\n"


@contextmanager
def in_fast_time(world: World, command: str, *arguments: str) -> Iterator[None]:
    """A command of tallystick-service that believes it is now ``world.now``, and that hours pass in seconds.

    Only the clock on the wall runs fast. What waits does so in true time: libfaketime knows nothing of sem_clockwait,
    so with a fast monotonic clock a Python thread would wait for ever.
    """
    need("faketime", "faketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    line = [sys.executable, "-m", "repo_service.cli", command, str(world.service.folder), *arguments]
    surroundings = {
        **os.environ, "TZ": "UTC", "LD_PRELOAD": str(library), "FAKETIME": f"@{world.now:%Y-%m-%d %H:%M:%S} x{SPEED}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=surroundings)
    try:
        yield
        assert process.poll() is None, "it stopped by itself"
    finally:
        process.kill()
        process.wait()


def everyone_reads(world: World, now: datetime) -> None:
    """A client that was there from the beginning and one that comes now, at the service's own time."""
    world.now = now
    for name in ("cached", f"fresh-{now:%d-%H-%M}"):
        stock = world.stock(name)
        stock.refresh()
        assert stock.get_targetinfo(names.page_path("foo")) is not None


def signed_at(world: World) -> datetime:
    body = (world.public / "metadata/timestamp.json").read_text()
    found = re.search(r'"x-signed-at":"([^"]+)"', body)
    assert found is not None
    return moment(found[1])


def test_a_server_without_traffic_and_a_worker_without_redis_keep_every_client_happy_over_three_periods(
    tmp_path: Path,
) -> None:
    """Each signs again by its own timer; clients look at both all the time."""
    worlds = {
        "serve": World(tmp_path / "served", SETTINGS),
        "worker": World(tmp_path / "worked", f'{SETTINGS}redis = "redis://127.0.0.1:{free_port()}/0"\n'),
    }
    with ExitStack() as stack:
        for command, world in worlds.items():
            world.do(publishing("foo"))
            stack.enter_context(in_fast_time(world, command, *(["--port", "0"] if command == "serve" else [])))
        deadline, looked = time.monotonic() + 90, 0
        while min(map(signed_at, worlds.values())) < BEGIN + timedelta(hours=3.2 * HOURS):
            assert time.monotonic() < deadline, [signed_at(world) for world in worlds.values()]
            for world in worlds.values():
                everyone_reads(world, signed_at(world) + timedelta(minutes=20))
            looked += 1
            time.sleep(0.5)
    assert looked >= 5


def test_without_anybody_who_signs_the_same_clients_refuse(tmp_path: Path) -> None:
    """What the two above would see if the timer stood still."""
    world = World(tmp_path, SETTINGS)
    world.do(publishing("foo"))
    with pytest.raises(Exception, match="expired"):
        everyone_reads(world, BEGIN + timedelta(hours=HOURS, seconds=1))
