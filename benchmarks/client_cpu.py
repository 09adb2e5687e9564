"""What a returning client's processor does for a new snapshot of 16,384 bins and one project in it.

Both clients come back after one more release, with what they verified before in their folders: python-tuf's Updater
alone (refresh, look the page up, download it), and our Session (the same Updater within, then our own checks, the page
and what this machine remembers). The repository is in memory, so nothing waits for a network; the bin of the project
lists 530 targets. Rounds alternate; medians. Prints one JSON line.

    python -m benchmarks.client_cpu [--bits 14] [--rounds 9]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tuf.ngclient import Updater

from benchmarks.report import at_least, at_most, line
from client_verify.session import Session
from client_verify.trust import Pin
from keys import layout, names
from keys.encoding import sha256
from tests import paper
from tests.client.conftest import URL, PaperFetcher

NAME: Final = "flask"
FULL: Final = 530


class Registry:
    """A repository on paper whose project's bin is full."""

    def __init__(self, bits: int) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.paper = paper.Paper(self.now, bit_length=bits)
        self.fetcher = PaperFetcher(self.paper.files)
        self._beside = _beside(self.paper)
        self._serial = 0
        self.release()

    def release(self) -> None:
        """One more release: the project's page is another, and with it its bin."""
        self._serial += 1
        self.paper.say(paper.project(self.now, NAME, serial=self._serial))
        self.paper.publish(self.now, self._fill, lifetime=timedelta(days=7))

    def _fill(self, role: str, body: dict[str, Any]) -> None:
        if role == self.paper.bin_of(NAME):
            body["targets"] |= self._beside


def _beside(repository: paper.Paper) -> dict[str, Any]:
    """Targets as real files have them; that they belong into other bins is nothing that a client asks."""
    found = {}
    for number in range(FULL - 1):
        path = names.file_path(f"name-{number}", f"name_{number}-1.{number % 20}.0-py3-none-any.whl")
        found[path] = {"hashes": {"sha256": sha256(path.encode())}, "length": 10_000 + number}
    assert not any(names.page_path(NAME) == path for path in found) and len(repository.bins) > 1
    return found


def ours(registry: Registry, folder: Path) -> None:
    pin = Pin("acme", URL, registry.paper.root)
    Session(pin, folder, registry.fetcher, lambda: datetime.now(UTC)).page(NAME)


def theirs(registry: Registry, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    updater = Updater(
        str(folder),
        f"{URL}/metadata",
        target_base_url=f"{URL}/targets",
        fetcher=registry.fetcher,
        bootstrap=registry.paper.root,
    )
    updater.refresh()
    target = updater.get_targetinfo(names.page_path(NAME))
    assert target is not None, "the project is published"
    updater.download_target(target, str(folder / "page"))


def cpu_ms(client: Callable[[Registry, Path], None], registry: Registry, folder: Path) -> float:
    """Milliseconds of the processor, all threads of this process together."""
    began = time.process_time()
    client(registry, folder)
    return (time.process_time() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bits", type=int, default=layout.MAX_BIT_LENGTH)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    registry = Registry(options.bits)
    found: dict[Any, list[float]] = {ours: [], theirs: []}
    with tempfile.TemporaryDirectory() as scratch:
        for client in found:
            client(registry, Path(scratch, client.__name__))
        for _ in range(options.rounds):
            registry.release()
            for client, took in found.items():
                took.append(cpu_ms(client, registry, Path(scratch, client.__name__)))
    mine, alone = statistics.median(found[ours]), statistics.median(found[theirs])
    figures = {"cpu_ms": mine, "least_cpu_ms": min(found[ours]), "ngclient_cpu_ms": alone, "bins": 1 << options.bits}
    aims = [
        at_most("a new snapshot and one project, 16,384 bins", mine, 50, "ms of CPU"),
        at_least("ngclient alone for the same", alone / mine, 5, "times ours"),
    ]
    print(line("client_cpu", figures, aims))


if __name__ == "__main__":
    main()
