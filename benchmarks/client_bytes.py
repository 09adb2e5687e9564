"""What real clients read over HTTP at PyPI's size: 16,384 bins, two projects, the first time, after an hour and a day.

A repository on paper is served on loopback, its metadata in gzip to whoever asks for that. Between the visits 65,000
bins a day are signed again, and 1,092 renewed, one a release; only what somebody reads is really signed: the two bins
of the projects (530 targets each; one changes in the hour, both four times in the day), the snapshots at each visit and
their anchors. Deltas are drawn as the service draws them. Three clients come: ours; ours without a zstd library, which
leaves gzip; python-tuf's Updater alone. All verify everything, and ours the log, of four million leaves, that three
witnesses have seen: what that takes is apart (``log``). Sizes are of bodies, in KB of 1,000 bytes; pages are apart, as
everybody reads them whole. Prints one JSON line.

    python -m benchmarks.client_bytes
"""

import gzip
import hashlib
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tuf.ngclient import Updater

from benchmarks.report import Aim, at_most, line
from client_verify.fetching import inflate
from client_verify.fetching.transport import Fetcher
from client_verify.session import Session
from client_verify.trust import LogTrust, Pin
from keys import deltas, layout, names
from keys.encoding import sha256
from keys.tlog import leaves, merkle, tiles
from keys.tlog.binsums import BinSums
from repo_service.build.deltas import Origin, bin_delta, thorough_delta
from tests import paper
from tests.paper_log import PaperLog, digest, leaf_of

BITS: Final = 14
FULL: Final = 530
CHANGES: Final = 65_000 + 16_384 // 15
PROJECTS: Final = ("flask", "django")
LIBRARIES: Final = inflate.LIBRARIES


class Registry(paper.Paper):
    """A repository on paper in which bins are signed again without a file for each."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._day = datetime.now(UTC).replace(microsecond=0)
        super().__init__(self._day, bit_length=BITS, forge=PaperLog().forge)
        mean = CHANGES * 365 / len(self.bins)
        for number, role in enumerate(self.bins.roles()):
            self._versions[role] = layout.first_version(number) + round(chance.gauss(mean, mean**0.5)) * 100_000
        self._versions[layout.SNAPSHOT] = 100 * deltas.SPACING - 1
        self.log = GrownLog()
        self._digests = {number: chance.randbytes(32) for number in range(len(self.bins))}
        self.full = {self.bin_of(name): self._targets(name) for name in PROJECTS}
        for role in self.full:
            self.sign_bin(role)
        self.pass_time(deltas.SPACING + deltas.SPACING // 2)

    def pass_time(self, releases: int) -> None:
        """So many releases, each of one bin, and the last of them published; the anchor that it needs is, too."""
        last = self._versions[layout.SNAPSHOT] + releases
        for version in range(self._versions[layout.SNAPSHOT] + 1, last + 1):
            role = self.bins.role(self._chance.randrange(len(self.bins)))
            if role not in self.full:
                self._versions[role] = layout.next_version(self._versions[role])
                self._digests[layout.bin_number(role)] = self._chance.randbytes(32)
            self._versions[layout.SNAPSHOT] = version
            if version in (deltas.anchor(last), last):
                self._versions[layout.SNAPSHOT] -= 1
                self.publish(self._day, lifetime=timedelta(days=7))
        self.log.grow(2 * releases)  # an event and its bins
        self.write_log()

    def write_log(self) -> None:
        """The newest release is in the log, with the digests of all bins."""
        self._digests |= {layout.bin_number(role): digest(self, role) for role in self.full}
        sums = BinSums.of(self.bins, self._digests)
        self.files |= {f"log/{path}": row for path, row in sums.fresh(None)}
        leaf = leaves.written(leaf_of(self, sums))
        self.log.leaves.append(leaf)
        self.log.publish(self, self._day, leaf, sums.tops)

    def sign_bin(self, role: str) -> None:
        """One target of a bin is another, and the bin is signed and its delta drawn."""
        path = self._chance.choice([path for path in self.full[role] if path.startswith("packages/")])
        self.full[role][path] = {"hashes": {"sha256": self._chance.randbytes(32).hex()}, "length": 80_000}
        before = self.files.get(self.newest(role))
        version = layout.next_version(self._versions[role])
        new = self._sign(role, version, {"targets": self.full[role]}, timedelta(days=30), paper.as_signed)
        (step,) = deltas.drawn_with(role, version)
        if before is not None:
            self.files[step.path] = bin_delta(before, new, sha256(new)) or b""

    def draw(self, held: int) -> None:
        """The deltas by which somebody who holds this anchor, 0 for none, reaches the newest snapshot."""
        for step in deltas.snapshot_steps(held, self.snapshot):
            old, new = (self.files.get(f"metadata/{n}.snapshot.json", b"") for n in (step.old, step.new))
            drawn = thorough_delta(old, new) if deltas.is_anchor(step.new) else Origin(old).delta(new, sha256(new))
            self.files[step.path] = drawn or b""

    @property
    def snapshot(self) -> int:
        return self._versions[layout.SNAPSHOT]

    def _publish_bin(self, number: int, role: str, forge: paper.Forge) -> None:
        pass

    def _targets(self, name: str) -> dict[str, Any]:
        listed: dict[str, Any] = {}
        for number in range(FULL - 1):
            path = names.file_path(f"name-{number}", f"name_{number}-1.{number % 20}.0-py3-none-any.whl")
            listed[path] = {"hashes": {"sha256": self._chance.randbytes(32).hex()}, "length": 10_000 + number}
        self.say(paper.project(self._day, name))
        path = names.page_path(name)
        return {**listed, path: paper.page.target_entry(self._pages[path])}


class GrownLog(PaperLog):
    """Its first 2^22 leaves are a subtree whose hashes are drawn at the height of a tile; of others only the hash is
    drawn, but for those of releases that somebody reads.
    """

    _OLD: Final = 64

    def __init__(self) -> None:
        super().__init__()
        self._chance = random.Random(7)
        self._grown = [self._chance.randbytes(32) for _ in range(self._OLD)]
        self._hashes: list[bytes] = []
        self._known: dict[tuple[int, int], bytes] = {}
        self.leaves = _Counted(self)  # type: ignore[assignment]  # what is asked of it: its length, and one more

    def grow(self, leaves_: int) -> None:
        self._hashes += [self._chance.randbytes(32) for _ in range(leaves_)]

    def add(self, leaf: bytes) -> None:
        self._hashes.append(merkle.leaf_hash(leaf))

    @property
    def size(self) -> int:
        return (self._OLD << 16) + len(self._hashes)

    def nodes(self, height: int, number: int) -> bytes:
        if (height, number) not in self._known:
            self._known[height, number] = self._node(height, number)
        return self._known[height, number]

    def _node(self, height: int, number: int) -> bytes:
        first = number << height
        if first < self._OLD << 16 and height >= 16:
            width = 1 << height - 16
            return merkle.root_of(self._grown[number * width : (number + 1) * width])
        if first < self._OLD << 16:
            return hashlib.sha256(b"%d/%d" % (height, number)).digest()  # of a tile that nobody asks for
        start = first - (self._OLD << 16)
        return merkle.root_of(self._hashes[start : start + (1 << height)])

    def tiles(self) -> list[tuple[str, bytes]]:
        """Those that follow the subtree, and that whose hashes were drawn."""
        found = []
        for level, count in tiles.levels(self.size):
            begun = (self._OLD << 16 >> tiles.HEIGHT * level) // tiles.WIDTH
            for number in range(begun, -(-count // tiles.WIDTH)):
                width = tiles.width_of(level, number, self.size)
                at = [number * tiles.WIDTH + each for each in range(width)]
                found.append(
                    (
                        tiles.tile_path(level, number, width),
                        b"".join(self.nodes(level * tiles.HEIGHT, each) for each in at),
                    )
                )
        return found


class _Counted:
    def __init__(self, log: GrownLog) -> None:
        self._log = log

    def __len__(self) -> int:
        return self._log.size

    def append(self, leaf: bytes) -> None:
        self._log.add(leaf)


@dataclass(slots=True)
class Server:
    """The files on loopback; ``sent`` counts bytes of bodies, by the folder they lie in. ``days`` have passed for our
    client, which looks once a day for itself whether the log only grew.
    """

    files: dict[str, bytes]
    url: str = ""
    sent: Counter[str] = field(default_factory=Counter)
    days: timedelta = timedelta(0)

    def answer(self, path: str, codings: str) -> tuple[bytes | None, bool]:
        body = self.files.get(path)
        packed = body is not None and path.startswith("metadata/") and "gzip" in codings
        body = gzip.compress(body, 6, mtime=0) if packed and body is not None else body
        self.sent[path.split("/")[0]] += len(body or b"")
        return body, packed


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    server = Server(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body, packed = server.answer(self.path.lstrip("/"), self.headers.get("Accept-Encoding", ""))
            self.send_response(404 if body is None else 200)
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{listening.server_port}"
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


Client = Callable[[Server, bytes, Path], int]


def ours(server: Server, root: bytes, folder: Path) -> int:
    pin = Pin("acme", server.url, root, log=LogTrust("require"))
    session = Session(pin, folder, Fetcher(lambda _: None), lambda: datetime.now(UTC) + server.days)
    for name in PROJECTS:
        session.page(name)
    return session.trusted.snapshot.version


def ours_with_gzip(server: Server, root: bytes, folder: Path) -> int:
    inflate.LIBRARIES = ()  # type: ignore[misc]  # as where none of them is installed
    try:
        return ours(server, root, folder)
    finally:
        inflate.LIBRARIES = LIBRARIES  # type: ignore[misc]


def python_tuf(server: Server, root: bytes, folder: Path) -> int:
    folder.mkdir(exist_ok=True)
    updater = Updater(str(folder), f"{server.url}/metadata", target_base_url=f"{server.url}/targets", bootstrap=root)
    updater.refresh()
    for name in PROJECTS:
        target = updater.get_targetinfo(names.page_path(name))
        assert target is not None, "the project is published"
        updater.download_target(target, str(folder / "page"))
    return updater._trusted_set.snapshot.version


CLIENTS: Final[dict[str, Client]] = {"deltas": ours, "gzip": ours_with_gzip, "python_tuf": python_tuf}


def visits(registry: Registry, server: Server, folder: Path) -> dict[str, dict[str, float]]:
    """KB of metadata and deltas for each visit and client; what pages took is beside it."""
    one, other = registry.full

    def visit() -> dict[str, float]:
        found = {}
        for name, client in CLIENTS.items():
            server.sent.clear()
            assert client(server, registry.root, folder / name) == registry.snapshot, f"{name} is not up to date"
            found[name] = (server.sent["metadata"] + server.sent["deltas"]) / 1000
            found["log"] = max(server.sent["log"] / 1000, found.get("log", 0))
        return {**found, "pages": server.sent["targets"] / 1000}

    def later(releases: int, changed: list[str]) -> dict[str, float]:
        held = deltas.anchor(registry.snapshot)
        for role in changed:
            registry.sign_bin(role)
        registry.pass_time(releases)
        registry.draw(held)
        return visit()

    registry.draw(0)
    found = {"cold": visit(), "hour": later(CHANGES // 24, [one])}
    server.days = timedelta(days=1)
    return {**found, "day": later(CHANGES, [one, other] * 4)}


def aims(found: dict[str, dict[str, float]]) -> list[Aim]:
    wanted = {"cold": ("the first time", 165), "hour": ("after an hour", 8), "day": ("after a day", 22)}
    return [at_most(f"our client {when}", found[visit]["deltas"], most, "KB") for visit, (when, most) in wanted.items()]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        registry = Registry(random.Random(5))
        with serving(registry.files) as server:
            found = visits(registry, server, Path(folder))
    print(line("client_bytes", {"kb": found}, aims(found)))


if __name__ == "__main__":
    main()
