"""A real server process: it is told to stop in the middle of use, and nothing that it acknowledged is lost."""

import json
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client_verify.answers import Found
from keys.encoding import compact
from repo_service.cli import main
from tests import loopback
from tests.service.door import publication
from tests.service.test_signatures import ALL, Office, good_signature
from tests.world import World


def publish(url: str, token: str, name: str) -> bool:
    """Publish a name over HTTP; whether the server acknowledged it."""
    request = urllib.request.Request(
        f"{url}/v1/projects/{name}/releases/1.0/publish", compact(publication(name)),
        {"Authorization": f"Bearer {token}", "Idempotency-Key": name, "Content-Type": "application/json"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(json.load(answer)["changed"])
    except (urllib.error.URLError, ConnectionError):
        return False


@contextmanager
def serving(world: World) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process and its address; at the end it must not have failed."""
    log = world.folder / "server.log"
    with log.open("w") as errors, loopback.process(loopback.service(world.service.folder), stderr=errors) as running:
        yield running
    assert "Traceback" not in log.read_text()


def test_sigterm_in_the_middle_of_use_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    world = World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0))
    secret = world.token("registry")
    with serving(world) as (url, server):
        acknowledged: list[str] = []
        enough = threading.Event()

        def use(worker: int) -> None:
            for number in range(1000):
                name = f"name-{worker}-{number}"
                if not publish(url, secret, name):
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
    assert main(["publish", str(world.service.folder)]) == 0
    world.now = datetime.now(UTC).replace(microsecond=0)
    client = world.client()
    for name in acknowledged:
        assert isinstance(client.page(name), Found)


def test_a_real_server_reads_signatures_and_refuses_large_headers(tmp_path: Path) -> None:
    """What the test client cannot show: the address as the server hands it on, and the server's own limits."""
    office = Office(World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0)))
    path = "/v1/names/f%6Fo?as=%66oo&x=a%20b"
    draft = office.draft(method="GET", target=f"http://127.0.0.1:8416{path}", body=b"", covered=ALL[:2])
    signed = {"Signature-Input": f"sig1={draft.parameters}", "Signature": good_signature(office, draft)}
    with serving(office.world) as (url, _):
        for headers, status in (
            (signed, 404),  # not 401: the signature is good, the name unknown
            (signed, 401),
            ({"Authorization": "Bearer " + "A" * 8_000}, 401),
            ({"Authorization": "Bearer " + "A" * 1_000_000}, 431),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=10)
            assert refused.value.code == status
            refused.value.close()
