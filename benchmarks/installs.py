"""24 real packages through `tallystick run`, beside the same installer that asks a plain index directly.

The wheels are downloaded once, with pip from its own index, and kept, as is an environment for our client. A server on
loopback serves them twice: as a static simple index (PEP 691, with core metadata), and as a repository signed on paper
with 256 bins. It adds a time to each request, as a network would. Each run has empty installer caches. ``cold``:
nothing of ours but the pinned root; ``warm``: what an earlier run left; ``start``: a command that asks for nothing,
behind a warm index. Medians of rounds in which all take turns. Prints one JSON line.

    python -m benchmarks.installs [--rounds 3] [--ms 0 40] [--installers uv pip]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from packaging.utils import parse_wheel_filename

from benchmarks.report import Aim, at_most, line
from keys.encoding import sha256
from tests import paper

WANTED: Final = ("flask", "requests", "rich", "httpx", "attrs", "packaging", "pluggy")
ROOT: Final = Path(__file__).parents[1]
KEPT: Final = Path(os.environ.get("TALLYSTICK_BENCH_KEPT", Path(tempfile.gettempdir(), "tallystick-bench-installs")))
"""Wheels, and an environment with no more than a client needs: what it imports else, such as boto3, takes longer."""
WHEELS: Final = KEPT / "wheels"
CLIENT: Final = KEPT / "client"
BITS: Final = 8
BIN: Final = Path(sys.executable).parent
JSON: Final = "application/vnd.pypi.simple.v1+json"
TALLYSTICK: Final = (
    str(CLIENT / "bin" / "python"),
    "-c",
    "import sys; from client_verify.cli import main; sys.exit(main())",
)
AIMS: Final = {("uv", "cold"): 1.8, ("uv", "warm"): 1.1, ("pip", "warm"): 1.05}
"""Times of the direct index at 40 ms (limits.md)."""


def wheels() -> list[paper.Artifact]:
    """What WANTED needs, from the package index the first time."""
    if not WHEELS.exists():
        command = [BIN / "pip", "download", "-q", "--only-binary", ":all:", "-d", WHEELS, *WANTED]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return [paper.Artifact(path.name, path.read_bytes(), _metadata(path)) for path in sorted(WHEELS.glob("*.whl"))]


def client() -> None:
    """An environment with what this project needs of others, made the first time."""
    if not CLIENT.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", CLIENT], check=True)
        command = [BIN / "pip", "--python", CLIENT / "bin" / "python", "install", "-q", "-e", ROOT]
        subprocess.run(command, check=True, stdout=sys.stderr)


def _metadata(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)
        return archive.read(name)


def files(artifacts: Sequence[paper.Artifact]) -> dict[str, bytes]:
    """Everything that is served, by path: ``simple`` and ``files`` directly, ``repo`` signed."""
    now = datetime.now(UTC).replace(microsecond=0)
    repository = paper.Paper(now, bit_length=BITS)
    served = {}
    for artifact in artifacts:
        name, version, _, _ = parse_wheel_filename(artifact.filename)
        repository.add_file(name, artifact.filename, artifact.data, artifact.metadata)
        repository.say(paper.project(now, name, paper.release(now, str(version), artifact)))
        served[f"simple/{name}/"] = _listing(name, artifact)
        served[f"files/{artifact.filename}"] = artifact.data
        served[f"files/{artifact.filename}.metadata"] = artifact.metadata or b""
    repository.publish(now)
    return served | {f"repo/{path}": data for path, data in repository.files.items()}


def _listing(name: str, artifact: paper.Artifact) -> bytes:
    assert artifact.metadata is not None, "every wheel has some"
    file = {
        "filename": artifact.filename,
        "url": f"../../files/{artifact.filename}",
        "hashes": {"sha256": sha256(artifact.data)},
        "core-metadata": {"sha256": sha256(artifact.metadata)},
    }
    return json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": [file]}).encode()


class Server:
    """Static files on loopback; ``delay`` seconds are added to every request, ``count`` says how many there were."""

    def __init__(self, served: dict[str, bytes]) -> None:
        self.files = served
        self.delay = 0.0
        self.count = 0
        self.url = ""

    @contextmanager
    def running(self) -> Iterator["Server"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            server.count += 1
            time.sleep(server.delay)
            path = self.path.lstrip("/")
            data = server.files.get(path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Type", JSON if path.startswith("simple/") else "application/octet-stream")
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *values: Any) -> None:  # noqa: A002 - the base class's name for it
            pass

    return Handler


class Bench:
    """One folder of everything; ``seconds`` runs one installer one way."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder = folder
        self._server = server
        root = folder / "root.json"
        root.write_bytes(server.files["repo/metadata/1.root.json"])
        pin = ("trust", "add", "bench", "--url", f"{server.url}/repo", "--root", str(root))
        subprocess.run([*TALLYSTICK, *pin], env=self._environment("pinned"), check=True, stdout=subprocess.DEVNULL)

    def seconds(self, installer: str, how: str) -> float:
        """``how`` is direct, cold, warm or start; the last two come after a run of ours."""
        made, caches = self._folder / "made", self._folder / "caches"
        for left in (made, caches):
            shutil.rmtree(left, ignore_errors=True)
        if how == "cold":
            shutil.rmtree(self._folder / "home", ignore_errors=True)
            shutil.copytree(self._folder / "pinned", self._folder / "home")
        before = () if how == "direct" else (*TALLYSTICK, "run", "--")
        command = ("true",) if how == "start" else _command(installer, made)
        began = time.perf_counter()
        subprocess.run([*before, *command], env=self._environment("home"), check=True, stdout=subprocess.DEVNULL)
        took = time.perf_counter() - began
        assert how == "start" or len(list(made.glob("*.dist-info"))) == len(list(WHEELS.glob("*.whl"))), (
            "all of it is installed"
        )
        return took

    def _environment(self, home: str) -> dict[str, str]:
        index = f"{self._server.url}/simple/"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PYTHONPATH": str(ROOT),
            "TALLYSTICK_HOME": str(self._folder / home),
            "PIP_INDEX_URL": index,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "UV_DEFAULT_INDEX": index,
            "UV_CACHE_DIR": str(self._folder / "caches"),
        }


def _command(installer: str, made: Path) -> tuple[str, ...]:
    if installer == "uv":
        return (str(BIN / "uv"), "pip", "install", "-q", "--python", sys.executable, "--target", str(made), *WANTED)
    return (str(BIN / "pip"), "install", "-q", "--no-compile", "--target", str(made), *WANTED)


def measured(bench: Bench, server: Server, installer: str, ms: int, rounds: int) -> dict[str, float]:
    """Median seconds of each way, times of the direct one, and how many requests each took."""
    server.delay = ms / 1000
    took: dict[str, list[float]] = {"direct": [], "cold": [], "warm": [], "start": []}
    requests = {}
    for _ in range(rounds):
        for how, seconds in took.items():
            server.count = 0
            seconds.append(bench.seconds(installer, how))
            requests[f"{how}_requests"] = server.count
    found = {how: statistics.median(seconds) for how, seconds in took.items()}
    times = {f"{how}_times_direct": found[how] / found["direct"] for how in ("cold", "warm")}
    return {f"{how}_s": seconds for how, seconds in found.items()} | times | requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ms", type=int, nargs="+", default=[0, 40], help="added to each request")
    parser.add_argument("--installers", nargs="+", default=["uv", "pip"])
    options = parser.parse_args()
    client()
    artifacts = wheels()
    figures: dict[str, Any] = {"packages": len(artifacts)}
    aims: list[Aim] = []
    with tempfile.TemporaryDirectory() as scratch, Server(files(artifacts)).running() as server:
        bench = Bench(Path(scratch), server)
        for installer in options.installers:
            for ms in options.ms:
                found = figures[f"{installer}_{ms}_ms"] = measured(bench, server, installer, ms, options.rounds)
                print(installer, ms, found, file=sys.stderr, flush=True)
                for (which, how), aim in AIMS.items():
                    if (which, ms) == (installer, 40):
                        name = f"24 packages, {installer}, 40 ms, our state {how}"
                        aims.append(at_most(name, found[f"{how}_times_direct"], aim, "times direct"))
    print(line("installs", figures, aims))


if __name__ == "__main__":
    main()
