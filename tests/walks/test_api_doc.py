"""docs/API.md is true: every verb and every route is in it, and each answer is what a real server gives."""

import re

from repo_service.web.app import create_app
from repo_service.web.openapi import document, routes
from repo_service.web.verbs import VERBS
from tests.servers import need
from tests.service.door import Silent
from tests.walks import api_doc
from tests.world import World


def test_every_answer_is_what_a_real_server_gives() -> None:
    need("curl", "curl")
    text = api_doc.API_MD.read_text()
    assert api_doc.written(text) == text, "if a change is meant: python -m tests.walks.api_doc"


def test_there_is_a_curl_for_every_verb_and_every_route(world: World) -> None:
    described = document(routes(create_app(world.service.desk(Silent()))), VERBS, "https://registry.test")
    shown = api_doc.requests(api_doc.API_MD.read_text())
    missing = [
        (method, path)
        for path, methods in described["paths"].items()
        for method in methods
        if path.startswith("/v1/")
        and not any(method == each and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), asked) for each, asked in shown)
    ]
    assert missing == []
