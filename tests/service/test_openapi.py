"""The API's description is true: every route is in it, and what the API does is what it says."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import repo_service.domain
import repo_service.web
from keys import strict
from keys.state import Provenance, Reason
from repo_service.cli import main
from repo_service.domain import requests as r
from repo_service.web import auth, openapi, problems
from repo_service.web.operations import DOOR
from repo_service.web.verbs import VERBS
from tests.service.door import Door
from tests.world import World


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_openapi_3_1(described: tuple[Door, dict[str, Any]]) -> None:
    assert described[1]["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(described[1]).validate()


def test_every_route_is_described_and_every_verb_has_a_path_of_its_own(described: tuple[Door, dict[str, Any]]) -> None:
    door, document = described
    expected = set()
    for rule in door.app.url_map.iter_rules():
        path = rule.rule.replace("<path:", "<").replace("<", "{").replace(">", "}")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            verbs = VERBS[rule.endpoint] if "{verb}" in path else [""]
            expected |= {(path.replace("{verb}", verb), method.lower()) for verb in verbs}
    assert {(path, method) for path, method, _ in operations(document)} == expected
    assert {"yank", "reserve", "archive", "remove"} <= {path.rpartition("/")[2] for path, _ in expected}


def test_a_route_without_a_description_is_named(described: tuple[Door, dict[str, Any]]) -> None:
    with pytest.raises(AssertionError, match=r"novelty .* has no row in OPERATIONS"):
        openapi.document([openapi.Route("novelty", "GET", "/v1/novelty")], VERBS, "https://x.test")


def test_who_may_use_a_route_is_said_as_the_door_says_it(described: tuple[Door, dict[str, Any]]) -> None:
    yank = described[1]["paths"]["/v1/projects/{name}/releases/{version}/yank"]["post"]
    assert (yank["x-permission"], yank["x-roles"]) == ("change", ["admin", "moderator", "registry"])
    assert {"token": ["change"]} in yank["security"]
    for path, _, operation in operations(described[1]):
        public = (not path.startswith("/v1/") and path != "/metrics") or path == "/v1/openapi.json"
        assert (operation["security"] == []) == public, path
        assert ("401" in operation["responses"]) == (not public), path


def test_it_is_for_everybody_and_the_same_bytes_each_time(described: tuple[Door, dict[str, Any]], world: World) -> None:
    answer = described[0].client.get("/v1/openapi.json")
    again = Door(world).client.get("/v1/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (answer.status_code, answer.content_type, again.status_code) == (200, "application/json", 304)
    assert {"openapi", "healthz", "readyz"} == auth.OPEN


def test_every_code_that_the_door_answers_is_described_with_its_status() -> None:
    found = {code: status for status, code, _ in problems._STATUS.values()}
    for path in Path(repo_service.web.__path__[0]).glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                match call.func.id, call.args:
                    case "Problem", [ast.Constant(status), ast.Constant(code), *_]:
                        found[code] = status
                    case "unauthorized", [ast.Constant(code), *_]:
                        found[code] = 401
                    case "_forbidden", [ast.Constant(code), *_]:
                        found[code] = 403
    assert found == DOOR


@pytest.mark.parametrize(
    ("kind", "good", "field", "bad"),
    [
        (r.Contact, {"state": "verified", "as_of": "2026-11-22T10:00:00Z"}, "as_of", "2026-11-22"),
        (r.Fact, {"value": 0, "as_of": "2026-11-22T10:00:00Z"}, "as_of", "now"),
        (r.Fact, {"value": 0, "as_of": "2026-11-22T10:00:00Z"}, "value", -1),
        (r.NewFile, {"filename": "x", "sha256": "ab" * 32, "size": 1}, "sha256", "AB" * 32),
        (r.NewFile, {"filename": "x", "sha256": "ab" * 32, "size": 1, "core_metadata": "ab" * 32}, "core_metadata", ""),
        (Reason, {"code": "broken", "text": "x"}, "code", "Broken!"),
        (Reason, {"code": "broken", "text": "x"}, "text", "x" * 513),
        (Reason, {"code": "broken", "text": "x"}, "text", "two\nlines"),
        (Provenance, {"url": "https://x", "sha256": "ab" * 32}, "url", "ftp://x"),
        (r.Deprecate, {"name": "x", "reason": {"code": "x"}, "alternative": "a-b"}, "alternative", "A_b"),
        (r.DeprecateRelease, {"name": "x", "version": "1", "reason": {"code": "x"}}, "alternative", "a--b"),
        (Provenance, {"url": "https://x", "sha256": "ab" * 32}, "sha256", "ab"),
    ],
)
def test_a_schema_and_the_door_draw_the_same_line(kind: type, good: dict[str, Any], field: str, bad: object) -> None:
    schemas = openapi.Schemas()
    reference = schemas.asked(kind)
    validator = Draft202012Validator({**reference, "components": {"schemas": schemas.named}})
    for value, right in ((good, True), ({**good, field: bad}, False), ({**good, "more": 1}, False)):
        assert validator.is_valid(value) == right, value
        if right:
            strict.load(kind, value)
        else:
            with pytest.raises(strict.Malformed):
                strict.load(kind, value)


def test_the_command_prints_what_is_served(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", str(world.service.folder)]) == 0
    assert capsys.readouterr().out.encode() == Door(world).client.get("/v1/openapi.json").data + b"\n"
