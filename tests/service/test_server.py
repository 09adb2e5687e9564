"""A real server process: it is told to stop in the middle of use, and nothing that it acknowledged is lost."""

import json
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from client_verify.answers import Found
from keys.encoding import compact
from repo_service.cli import main
from repo_service.web.auth import new_token
from tests.service.door import publication
from tests.world import World


def publish(url: str, token: str, name: str) -> bool:
    """Publish a name over HTTP; whether the server acknowledged it."""
    request = urllib.request.Request(
        f"{url}v1/projects/{name}/releases/1.0/publish", compact(publication(name)),
        {"Authorization": f"Bearer {token}", "Idempotency-Key": name, "Content-Type": "application/json"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(json.load(answer)["changed"])
    except (urllib.error.URLError, ConnectionError):
        return False


def test_sigterm_in_the_middle_of_use_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    world = World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0))
    secret, token = new_token("registry", "tests", "2099-01-01T00:00:00Z")
    with world.service.journal.writing() as pen:
        pen.add_token(token)
    command = [sys.executable, "-m", "repo_service.cli", "serve", str(world.service.folder), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None
        acknowledged: list[str] = []
        enough = threading.Event()

        def use(worker: int) -> None:
            for number in range(1000):
                name = f"name-{worker}-{number}"
                if not publish(found[0], secret, name):
                    return
                acknowledged.append(name)
                if len(acknowledged) >= 12:
                    enough.set()

        users = [threading.Thread(target=use, args=(worker,)) for worker in range(3)]
        for user in users:
            user.start()
        assert enough.wait(20)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
        for user in users:
            user.join()
    finally:
        server.kill()
        _, errors = server.communicate()
    assert "Traceback" not in errors
    assert main(["publish", str(world.service.folder)]) == 0
    world.now = datetime.now(UTC).replace(microsecond=0)
    client = world.client()
    for name in acknowledged:
        assert isinstance(client.page(name), Found)
