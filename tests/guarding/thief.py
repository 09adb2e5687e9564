"""Whoever has the service's user has the guard's socket and everything public. This is what they can ask."""

import json
import socket
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from keys import layout
from keys.encoding import canonical, sha256
from keys.signing import SPEC_VERSION
from keys.times import stamp
from repo_service.guarding import protocol
from tests.guarding.guarded import GuardedWorld

SHAPE = layout.Bins(2)


class Refused(Exception):
    """What the guard said: a code and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code


class Thief:
    """Asks a guard directly. Bodies are made from what is public; ``amended`` replaces parts of them."""

    def __init__(self, world: GuardedWorld) -> None:
        self.world = world
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(world.socket))

    def ask(self, header: Mapping[str, object], parts: Sequence[bytes] = ()) -> dict[str, Any]:
        self._connection.sendall(protocol.encode(header, parts))
        answered = protocol.receive(self._connection)
        assert answered is not None, "the guard has hung up"
        answer = protocol.header_of(answered)
        if "refused" in answer:
            raise Refused(answer["refused"], answer["sentence"])
        return answer

    def sign(self, *payloads: bytes, shown: Sequence[bytes] = ()) -> list[list[dict[str, str]]]:
        """The signatures of payloads, each shown with the same files."""
        files = [file for _ in payloads for file in shown]
        answer = self.ask({"ask": "sign", "shown": [len(shown)] * len(payloads)}, [*payloads, *files])
        signatures: list[list[dict[str, str]]] = answer["signatures"]
        return signatures

    def file(self, role: str) -> bytes:
        """The newest public file of a role."""
        if role == layout.TIMESTAMP:
            return (self.world.public / "metadata" / "timestamp.json").read_bytes()
        folder = self.world.public / "metadata"
        newest = max(folder.glob(f"*.{role}.json"), key=lambda file: int(file.name.partition(".")[0]))
        return newest.read_bytes()

    def body(self, role: str) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = json.loads(self.file(role))["signed"]
        return found

    def page(self, name: str) -> bytes:
        (found,) = self.pages(name)[-1:]
        return found

    def pages(self, name: str) -> list[bytes]:
        """Every page that a name had, in order."""
        folder = self.world.public / "targets" / "simple" / name
        return [file.read_bytes() for file in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)]

    def again(self, role: str, **amended: Any) -> bytes:
        """The payload of a role, one version on, at the world's time."""
        body = self.body(role)
        step = layout.BIN_STRIDE if role.startswith("bin-") else 1
        days = {layout.TIMESTAMP: 3, layout.SNAPSHOT: 7}.get(role, 30)
        body |= {"version": body["version"] + step, "expires": stamp(self.world.now + timedelta(days=days))}
        if role == layout.TIMESTAMP:
            body[layout.SIGNED_AT_FIELD] = stamp(self.world.now)
        return canonical(body | amended)

    def listing(self, **versions: Any) -> dict[str, Any]:
        """What the newest snapshot lists, with other versions of some roles."""
        meta = self.body(layout.SNAPSHOT)["meta"]
        return {**meta, **{f"{role.replace('_', '-')}.json": each for role, each in versions.items()}}

    def pinned(self, snapshot: bytes, signatures: Sequence[dict[str, str]]) -> dict[str, Any]:
        """What a timestamp says of a snapshot with these signatures."""
        file = b'{"signatures":' + canonical(list(signatures)) + b',"signed":' + snapshot + b"}"
        version = json.loads(snapshot)["version"]
        return {"snapshot.json": {"hashes": {"sha256": sha256(file)}, "length": len(file), "version": version}}


def bin_of(path: str) -> str:
    return SHAPE.role(SHAPE.number(path))


def described(data: bytes) -> dict[str, Any]:
    return {"hashes": {"sha256": sha256(data)}, "length": len(data)}


def new_bin(role: str, version: int, expires: str, targets: Mapping[str, Any] | None = None) -> bytes:
    return canonical(
        {"_type": "targets", "expires": expires, "spec_version": SPEC_VERSION, "targets": dict(targets or {}),
         "version": version, layout.ROLE_FIELD: role}
    )  # fmt: skip
