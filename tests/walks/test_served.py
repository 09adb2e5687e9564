"""Rotations of a service that is a process of its own, by its commands alone; clients fetch over HTTP."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

from client_verify.cli import main as tallystick
from keys import names, sealed
from repo_service.cli import main as service
from tests import loopback
from tests.servers import free_port
from tests.walks.machines import ceremony, fresh
from tests.walks.thief import HUGE, Thief
from tests.world import World, online_key, publishing, write_folder

NOT_LOGGED: Final = 5


@dataclass
class Site:
    """A world whose service runs as a process of its own, at ``url``. ``start`` and ``stop`` it at will."""

    world: World
    port: int
    monkeypatch: pytest.MonkeyPatch
    running: ExitStack

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def home(self) -> str:
        return str(self.world.service.folder)

    def start(self) -> None:
        command = loopback.service(self.world.service.folder, self.port)
        self.running.enter_context(loopback.process(command, stderr=subprocess.DEVNULL))

    def stop(self) -> None:
        self.running.close()

    def says(self, machine: str) -> tuple[str, int]:
        """What python-tuf's client, and which exit status our command says to foo on a machine."""
        return self._stock(machine), self._command(machine)

    def everyone_reads(self, status: int = 0) -> None:
        """python-tuf does, and our command, which requires the log, ends with this status."""
        seen = {machine: self.says(machine) for machine in ("cached", fresh())}
        assert seen == dict.fromkeys(seen, ("reads", status))

    def take_in(self, *options: str, **plan: object) -> int:
        """A ceremony, and the command that takes it in; its exit status."""
        folder = self.world.folder / f"sealed-{len(list(self.world.folder.iterdir()))}"
        write_folder(folder, ceremony(self.world, (1, 2), **plan))
        return service(["take-in", self.home, "--sealed", str(folder), "--allow-rehearsal", *options])

    def _stock(self, machine: str) -> str:
        folder = self.world.folder / f"{machine}-stock"
        folder.mkdir(exist_ok=True)
        root = self.world.trust.roots[0].data
        try:
            client = Updater(str(folder), f"{self.url}/metadata", str(folder), f"{self.url}/targets", bootstrap=root)
            found = client.get_targetinfo(names.page_path("foo"))
            assert found is not None
            client.download_target(found)
        except (RepositoryError, DownloadError) as error:
            return type(error).__name__
        return "reads"

    def _command(self, machine: str) -> int:
        self.monkeypatch.setenv("TALLYSTICK_HOME", str(self.world.folder / f"{machine}-home"))
        root = self.world.folder / "pinned-root.json"
        root.write_bytes(self.world.trust.roots[0].data)
        assert tallystick(["trust", "add", "test", "--url", self.url, "--root", str(root), "--log", "require"]) == 0
        return tallystick(["show", "foo"])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    world = World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0))
    world.do(publishing("foo"))
    with ExitStack() as running:
        site = Site(world, free_port(), monkeypatch, running)
        site.start()
        site.everyone_reads()
        yield site


def replace_a_holder(site: Site) -> Iterator[int]:
    """While the service runs."""
    assert site.take_in(holders=(1, 2, 4)) == 0
    yield 0


def replace_the_online_key(site: Site) -> Iterator[int]:
    folder = site.world.service.folder
    assert site.take_in(online_number=2) == 3
    yield 0
    sealed.write_private(folder / "online-next.key", sealed.plain(online_key(2)._private))
    (folder / "online-next.pub").write_bytes(b"")
    site.stop()
    site.start()
    assert service(["publish", site.home]) == 0
    yield 0
    assert site.take_in(online_number=2) == 0
    yield 0
    assert service(["key", site.home, "--retire"]) == 2  # not within the hour
    yield 0


def lose_the_online_key_to_a_thief(site: Site) -> Iterator[int]:
    Thief(site.world).strike(timestamp=HUGE, bins=300_000)
    yield NOT_LOGGED  # who does not ask for the log believes them
    site.stop()
    key = site.world.service.folder / "online.key"
    key.rename(key.with_name("stolen"))
    sealed.write_private(key, sealed.plain(online_key(2)._private))
    assert site.take_in(online_number=2) == 5
    assert site.take_in("--key-lost", online_number=2) == 5
    assert site.take_in("--key-stolen", "1", online_number=2) == 3
    assert site.take_in("--key-stolen", "2", online_number=2) == 0
    assert site.take_in("--key-stolen", "2", online_number=2) == 0  # again is fine
    site.start()
    yield 0
    site.world.now = datetime.now(UTC).replace(microsecond=0)
    site.world.reopen()
    site.world.do(publishing("bar"))
    yield 0


@pytest.mark.parametrize(
    "steps",
    [replace_a_holder, replace_the_online_key, lose_the_online_key_to_a_thief],
    ids=lambda steps: steps.__name__,
)
def test_whatever_is_replaced_clients_that_fetch_by_http_go_on_at_each_step(
    site: Site, steps: Callable[[Site], Iterator[int]]
) -> None:
    for status in steps(site):
        site.everyone_reads(status)


def test_what_the_commands_say_after_a_theft_leads_to_the_end(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Each sentence names the next step, and whether anything was written."""
    Thief(site.world).strike(timestamp=HUGE)
    site.stop()
    capsys.readouterr()
    assert service(["publish", site.home]) == 5
    said = capsys.readouterr().err
    assert f"timestamp is version {HUGE}" in said and "When the online key was stolen" in said
    assert service(["fsck", site.home, "--quick"]) == 6
    assert "if it is not, the online key was stolen" in capsys.readouterr().out
    assert service(["status", site.home, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["generation"] == 2
    key = site.world.service.folder / "online.key"
    key.rename(key.with_name("stolen"))
    sealed.write_private(key, sealed.plain(online_key(2)._private))
    assert site.take_in("--key-stolen", "7", online_number=2) == 3
    assert "the newest in this database is 2" in capsys.readouterr().err
    assert site.take_in("--key-stolen", "2", online_number=2) == 0
    out = capsys.readouterr().out
    assert "not ours, taken out: metadata/timestamp.json" in out and "Purge the CDN" in out
    assert "Published root 2; everything is signed by the new key." in out
    assert service(["fsck", site.home, "--quick"]) == 0
