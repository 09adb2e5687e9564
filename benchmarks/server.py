"""A real ``tallystick-service serve`` process, what it costs, and the changes that are sent to it."""

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keys import names
from repo_service.web.auth import new_token
from repo_service.wiring import Service

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves, and a token that opens its door."""

    port: int
    process: int
    token: str

    def cpu_s(self) -> float:
        """Seconds of the processor it has used so far, in user and system mode, all threads."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak_mb(self) -> float:
        """The most memory it ever held (VmHWM)."""
        return peak_mb(self.process)

    def request(self, method: str, path: str, body: Any = None, wait: int = 30) -> bytes:
        """A whole request with an Idempotency-Key of its own, that waits for its change to be signed and visible."""
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        lines = (
            f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {self.token}",
            f"Idempotency-Key: {secrets.token_hex(12)}", f"Prefer: wait={wait}", "Content-Type: application/json",
            f"Content-Length: {len(data)}", "", "",
        )  # fmt: skip
        return "\r\n".join(lines).encode() + data


def peak_mb(process: int | str = "self") -> float:
    """The most memory that a process ever held (VmHWM), in megabytes of 1,000,000 bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e6


@contextmanager
def serving(service: Service) -> Iterator[Server]:
    """Serve a folder in a process of its own for as long as the block lasts."""
    secret, token = new_token("registry", f"bench-{secrets.token_hex(4)}", "2099-01-01T00:00:00Z")
    with service.journal.writing() as pen:
        pen.add_token(token)
    command = [sys.executable, "-m", "repo_service.cli", "serve", str(service.folder), "--port", "0"]
    with (
        (service.folder / "server.log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[^:]+:(\d+)", line)
            assert found is not None, f"the server did not start: {(service.folder / 'server.log').read_text()[-2000:]}"
            yield Server(int(found[1]), process.pid, secret)
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one project, as its owner asks for it, and the targets that it adds or changes."""

    name: str
    version: str
    verb: str
    body: dict[str, Any]
    paths: tuple[str, ...]

    def sent_to(self, server: Server) -> bytes:
        return server.request("POST", f"/v1/projects/{self.name}/releases/{self.version}/{self.verb}", self.body)

    def item(self) -> dict[str, Any]:
        """The same as an item of a batch."""
        return {"verb": self.verb, "name": self.name, "version": self.version, **self.body}

    def entries(self) -> dict[str, dict[str, Any]]:
        """What it signs, roughly: as targets metadata describes it, for whoever signs with other means."""
        return {path: {"hashes": {"sha256": _digest(path)}, "length": 5000} for path in self.paths}


def publishing(name: str, version: str) -> Change:
    """A new release with a source distribution, which lies in the registry's own file store."""
    filename = f"{name.replace('-', '_')}-{version}.tar.gz"
    digest = _digest(filename)
    url = f"https://files.registry.example/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{filename}"
    file = {"filename": filename, "sha256": digest, "size": 23456, "requires_python": ">=3.9", "url": url}
    paths = (names.page_path(name), names.file_path(name, filename))
    return Change(name, version, "publish", {"files": [file], "actor": _owner(name)}, paths)


def yanking(name: str, version: str) -> Change:
    """A yank, behind which a second person stands, so that nothing holds it."""
    body = {"reason": {"code": "broken", "text": "does not start on Windows"}, "actor": _owner(name)}
    return Change(name, version, "yank", body, (names.page_path(name),))


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def _owner(name: str) -> dict[str, str]:
    return {"kind": "owner", "id": f"account-{name}", "approver": f"second-{name}"}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
