"""With a real Redis: RQ wakes a worker that runs the same round; without Redis nothing is lost."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker

from client_verify.answers import ProvenAbsent
from repo_service.ringing import QUEUE, RedisBell
from tests.servers import free_port, need
from tests.world import World, publishing


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis server of this test's own, in a throw-away folder."""
    port = free_port()
    command = [need("redis-server", "redis-server"), "--port", str(port), "--dir", str(tmp_path), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with Redis.from_url(url) as client:
                client.ping()
            break
        except RedisError:
            time.sleep(0.05)
    yield url, server
    server.kill()
    server.wait()


@pytest.fixture
def ringing(tmp_path: Path, redis: tuple[str, subprocess.Popen[bytes]]) -> World:
    now = datetime.now(UTC).replace(microsecond=0)
    return World(tmp_path / "world", f'redis = "{redis[0]}"\n', begin=now)


def test_a_ring_makes_an_rq_worker_publish_what_is_pending(
    ringing: World, redis: tuple[str, subprocess.Popen[bytes]]
) -> None:
    ringing.record(publishing("flask"))
    RedisBell(redis[0], str(ringing.service.folder)).ring()
    with Redis.from_url(redis[0]) as connection:
        SimpleWorker([Queue(QUEUE, connection=connection)], connection=connection).work(burst=True)
    with ringing.service.journal.reading() as view:
        assert view.counts()["pending"] == 0
    assert ringing.client().page("flask").state.state == "registered"


def test_a_dead_redis_costs_the_wake_up_and_no_event(
    ringing: World, redis: tuple[str, subprocess.Popen[bytes]]
) -> None:
    redis[1].kill()
    redis[1].wait()
    ringing.record(publishing("flask"))
    RedisBell(redis[0], str(ringing.service.folder)).ring()
    ringing.service.round()  # what the worker's own timer does
    assert ringing.client().page("flask").state.state == "registered"


def test_the_worker_command_publishes_when_rung_and_stops_when_told(
    ringing: World, redis: tuple[str, subprocess.Popen[bytes]]
) -> None:
    command = [sys.executable, "-m", "repo_service.cli", "worker", str(ringing.service.folder)]
    worker = subprocess.Popen(command)
    try:
        ringing.record(publishing("flask"))
        RedisBell(redis[0], str(ringing.service.folder)).ring()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and isinstance(ringing.client().page("flask"), ProvenAbsent):
            time.sleep(0.1)
        assert ringing.client().page("flask").state.state == "registered"
    finally:
        worker.terminate()
        assert worker.wait(20) == 0
