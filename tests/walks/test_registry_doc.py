"""docs/REGISTRY.md names only calls that exist."""

import re
from pathlib import Path
from typing import Final

from repo_service.web.app import create_app
from repo_service.web.openapi import document, routes
from repo_service.web.verbs import VERBS
from tests.service.door import Silent
from tests.world import World

TEXT: Final = (Path(__file__).parents[2] / "docs" / "REGISTRY.md").read_text()


def test_every_call_that_a_registry_is_told_to_make_exists(world: World) -> None:
    described = document(routes(create_app(world.service.desk(Silent()))), VERBS, "https://registry.test")
    known = {(method, path) for path, methods in described["paths"].items() for method in methods}
    told = {(method.lower(), path) for method, path in re.findall(r"`(GET|POST|PUT) (/v1/[^` ]+)`", TEXT)}
    assert len(told) > 15 and told - known == set()
