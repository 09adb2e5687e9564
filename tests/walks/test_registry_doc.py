"""docs/REGISTRY.md names only calls that exist, and its programs run."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from client_verify.installing.index import serving
from keys import webhooks
from keys.times import stamp
from repo_service.web.app import create_app
from repo_service.web.auth import new_webhook
from repo_service.web.openapi import document, routes
from repo_service.web.verbs import VERBS
from repo_service.wiring import HOOK_KEY
from tests.service.door import OWNER, Door, Silent
from tests.world import World

TEXT: Final = (Path(__file__).parents[2] / "docs" / "REGISTRY.md").read_text()


def test_every_call_that_a_registry_is_told_to_make_exists(world: World) -> None:
    described = document(routes(create_app(world.service.desk(Silent()))), VERBS, "https://registry.test")
    known = {(method, path) for path, methods in described["paths"].items() for method in methods}
    told = {(method.lower(), path) for method, path in re.findall(r"`(GET|POST|PUT) (/v1/[^` ]+)`", TEXT)}
    assert len(told) > 15 and told - known == set()


def test_its_programs_run_as_they_are_written(tmp_path: Path) -> None:
    caller, webhook = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    door = Door(World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0)))
    for version in ("1.0", "2.0", "3.0"):
        assert door.publish("acme-tool", version, actor=OWNER).status_code == 200
    key = b"what all secrets are made of"
    (door.world.service.folder / HOOK_KEY).write_text(webhooks.written(key))
    secret, token = new_webhook("registry", "acme-hooks", stamp(datetime(2099, 1, 1, tzinfo=UTC)), key)
    with door.world.service.journal.writing() as pen:
        pen.add_token(token)
    with serving(door.app) as url:
        said: dict[str, Any] = {"token": door.new_token("registry"), "row": SimpleNamespace(key="row-1")}
        exec(caller.replace("https://tallystick.example", url), said)
        assert said["receipt"].changed and said["receipt"].status == "signed"
        asked: dict[str, Any] = {"secret": secret}
        exec(webhook.replace("https://tallystick.example", url), asked)
        assert json.loads(asked["answer"])["status"] == "signed"
