"""Real processes that are told to stop: what is in hand is finished, then they end with 0; told twice, at once."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keys.encoding import compact
from repo_service.bell import Publisher
from repo_service.operating.serving import KILLED
from tests.servers import free_port, until
from tests.service.door import publication
from tests.world import World, publishing


@pytest.fixture
def today(tmp_path: Path) -> World:
    return World(tmp_path / "world", begin=datetime.now(UTC).replace(microsecond=0))


@contextmanager
def running(world: World, *command: str, said: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of the service, once its output holds ``said``; and that line."""
    folder, log = str(world.service.folder), world.folder / "log"
    with log.open("w") as output:
        whole = [sys.executable, "-m", "repo_service.cli", command[0], folder, *command[1:]]
        process = subprocess.Popen(whole, stdout=output, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 30
        while not (found := re.search(said, log.read_text())) and time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        assert found is not None, log.read_text()
        yield process, found[0]
    finally:
        process.kill()
        process.wait()


def bearer(world: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.token('registry')}"}


def ask(port: int, path: str, headers: dict[str, str], body: bytes, *, whole: int | None = None) -> socket.socket:
    """Send a POST, or only the beginning of its body, and do not read the answer."""
    lines = {**headers, "Host": "x", "Content-Type": "application/json", "Content-Length": str(whole or len(body))}
    asked = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    asked.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return asked


def answer(asked: socket.socket) -> bytes:
    """Everything until the server closes."""
    found = b""
    while chunk := asked.recv(65536):
        found += chunk
    asked.close()
    return found


FOO = "/v1/projects/foo/releases/1.0/publish"


def test_a_request_that_is_half_sent_is_finished_and_nobody_new_is_let_in(today: World) -> None:
    body, headers = compact(publication("foo")), {**bearer(today), "Idempotency-Key": "1"}
    with running(today, "serve", "--port", "0", said=r"http://\S+") as (server, url):
        port = int(url.rpartition(":")[2].strip("/"))
        idle = socket.create_connection(("127.0.0.1", port), timeout=20)
        asked = ask(port, FOO, headers, body[:10], whole=len(body))
        time.sleep(0.5)  # until the server has taken both in
        server.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        asked.sendall(body[10:])
        said = answer(asked)
        assert said.startswith(b"HTTP/1.1 20") and json.loads(said.partition(b"\r\n\r\n")[2])["changed"]
        assert server.wait(20) == 0
        idle.close()
    with today.service.journal.reading() as view:
        assert view.counts()["events"] > 0


def test_a_second_signal_ends_it_at_once(today: World) -> None:
    body, headers = compact(publication("foo")), {**bearer(today), "Idempotency-Key": "1"}
    with running(today, "serve", "--port", "0", said=r"http://\S+") as (server, url):
        asked = ask(int(url.rpartition(":")[2].strip("/")), FOO, headers, body[:10], whole=len(body))
        time.sleep(0.5)
        server.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(1)  # it waits for the rest of the body
        server.send_signal(signal.SIGTERM)
        assert server.wait(5) == KILLED
        asked.close()


def test_a_worker_publishes_without_redis_tells_its_metrics_and_stops_when_told(today: World) -> None:
    folder, port = today.service.folder, free_port()
    settings = f'redis = "redis://127.0.0.1:{free_port()}/0"\nmetrics_address = "127.0.0.1:{port}"\npoll_s = 0.1\n'
    (folder / "service.toml").write_text(settings)
    with running(today, "worker", said="no Redis; this worker looks by itself") as (worker, _):
        today.record(publishing("flask"))
        until(lambda: not today.service.waits(), 20)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as said:
            text = said.read().decode()
        assert re.search(r"^tallystick_refresh_last_success_timestamp_seconds [1-9]", text, re.MULTILINE)
        assert "tallystick_generation 2.0" in text and "tallystick_storage_generation 2.0" in text
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0


def test_a_metrics_address_that_is_taken_is_said_before_anything_is_served(today: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (today.service.folder / "service.toml").write_text(f'metrics_address = "{address}"\n')
        command = [sys.executable, "-m", "repo_service.cli", "serve", str(today.service.folder), "--port", "0"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    assert f"metrics_address {address} cannot be had" in said.stderr


def test_a_publisher_rests_between_two_releases_and_not_after_a_round_without_one() -> None:
    rounds: list[float] = []

    def do_round() -> object:
        rounds.append(time.monotonic())
        return None if len(rounds) == 1 else "a release"

    publisher = Publisher(do_round, 60, lambda: True, 0.01, 1.0)
    publisher.start()
    deadline = time.monotonic() + 10
    while len(rounds) < 3 and time.monotonic() < deadline:
        publisher.ring()
        time.sleep(0.01)
    publisher.stop()
    first, second, third = rounds[:3]
    assert third - second >= 1.0 > second - first
