"""The service's HTTP door, knocked on by Flask's test client; and wheels and sdists to carry through it."""

import io
import json
import re
import tarfile
import time
import zipfile
from typing import Any

import pytest
from werkzeug.test import TestResponse

from keys.encoding import sha256
from keys.names import normalise
from repo_service.web.app import create_app
from tests.world import World

DEPENDENTS = {"value": 0, "as_of": "2026-11-22T10:00:00Z"}
BECAUSE = {"code": "malware", "text": "it steals tokens"}
ADMIN = {"kind": "admin", "id": "account-9"}
OWNER = {"kind": "owner", "id": "account-1", "approver": "account-3"}

_NAME = re.compile(r"/v1/(?:projects|names|namespaces)/([A-Za-z0-9._-]+)/")


class Silent:
    """A bell that only counts: what it rings for stays pending."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1

    def is_alive(self) -> bool:
        return True

    def rounds(self) -> int:
        return 0

    def await_round(self, after: int, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))


class AtOnce:
    """A bell that does a round before it returns."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rounds = 0

    def ring(self) -> None:
        self._world.service.round()
        self._rounds += 1

    def is_alive(self) -> bool:
        return True

    def rounds(self) -> int:
        return self._rounds

    def await_round(self, after: int, seconds: float) -> None:
        pytest.fail("what is rung for is published before anybody waits")


class Door:
    """A client with a token of a role. Every request has an Idempotency-Key of its own unless it brings one."""

    def __init__(self, world: World, role: str = "admin", bell: Silent | AtOnce | None = None) -> None:
        self.world = world
        self.bell = bell or AtOnce(world)
        self.app = create_app(world.service.desk(self.bell))
        self.client = self.app.test_client()
        self.token = self.new_token(role)
        self._keys = 0

    def new_token(self, role: str, days: float = 90, client: str | None = None, **scope: Any) -> str:
        """Another token's secret."""
        return self.world.token(role, client, days, **scope)

    def post(
        self, path: str, body: Any = None, *, key: str | None = None, token: str | None = None, **headers: str
    ) -> TestResponse:
        """POST a body (bytes as they are, anything else as JSON). Who acts for the registry looks at the name first,
        unless the test says what they saw.
        """
        self._keys += 1
        if path == "/v1/batch" and isinstance(body, dict) and isinstance(body.get("items"), list):
            body = {**body, "items": [self._looked_at(item) for item in body["items"]]}
        elif "If_Match" not in headers and _acts_for_the_registry(body) and (name := _NAME.match(path)):
            headers["If_Match"] = f'"serial-{self.serial(name[1])}"'
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {token or self.token}", "Idempotency-Key": key or f"door-{self._keys}"}
        return self.client.post(path, data=data, headers={**sent, **headers})

    def serial(self, name: str) -> int:
        """The serial of a name in any spelling; 0 if it is not known."""
        return self.world.serial(normalise(name))

    def _looked_at(self, item: Any) -> Any:
        if not isinstance(item, dict) or "expected_serial" in item or not _acts_for_the_registry(item):
            return item
        return {**item, "expected_serial": self.serial(item["name"])}

    def get(self, path: str, token: str | None = None) -> TestResponse:
        return self.client.get(path, headers={"Authorization": f"Bearer {token or self.token}"})

    def page(self, name: str) -> TestResponse:
        """The page of a name as installers of today ask for it."""
        return self.client.get(f"/simple/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})

    def put(self, path: str, data: bytes, token: str | None = None) -> TestResponse:
        return self.client.put(path, data=data, headers={"Authorization": f"Bearer {token or self.token}"})

    def publish(self, name: str, version: str = "1.0", *, actor: Any = OWNER, **headers: str) -> TestResponse:
        """Publish an sdist that lies in the registry's own file store."""
        return self.post(
            f"/v1/projects/{name}/releases/{version}/publish", publication(name, version, actor), **headers
        )

    def upload(self, filename: str, data: bytes, name: str = "foo") -> TestResponse:
        return self.put(f"/v1/projects/{name}/files/{filename}", data)


def _acts_for_the_registry(body: Any) -> bool:
    actor = body.get("actor") if isinstance(body, dict) else None
    return isinstance(actor, dict) and actor.get("kind") in ("admin", "moderator", "support")


def publication(name: str, version: str = "1.0", actor: Any = OWNER) -> dict[str, Any]:
    """The body of a request to publish."""
    filename = f"{name}-{version}.tar.gz"
    file = {"filename": filename, "sha256": "ab" * 32, "size": 7, "url": f"https://files.test/{filename}"}
    return {"files": [file], "actor": actor}


def wheel(metadata: str = "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n", **more: str) -> bytes:
    """A wheel of foo 1.0 with these other members."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in {"foo-1.0.dist-info/METADATA": metadata, "foo/__init__.py": "", **more}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return found.getvalue()


def sdist(metadata: str | None = "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n", kind: str = "gz") -> bytes:
    """A tar of foo 1.0, with or without its PKG-INFO."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode=f"w:{kind}") as archive:
        members = {"foo-1.0/setup.py": "", "foo-1.0/vendored/PKG-INFO": "Requires-Python: <2\n"}
        if metadata is not None:
            members["foo-1.0/PKG-INFO"] = metadata
        for path, text in members.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return found.getvalue()


def filed(filename: str, data: bytes, **more: Any) -> dict[str, Any]:
    """A file of a request to publish, which was uploaded before."""
    return {"filename": filename, "sha256": sha256(data), "size": len(data), **more}
