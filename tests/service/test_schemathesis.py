"""The API against its own description: Schemathesis asks, and every answer is compared with what is described."""

import json
from collections.abc import Callable
from typing import Any, Final, get_args

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from repo_service.domain.flags import Flag
from tests.service.door import Door

EXAMPLES: Final = 4
"""For each operation and kind of data. The seed is fixed: a run repeats."""
CHECKS: Final = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


def checked(described: tuple[Door, dict[str, Any]], mode: str, prepared: Callable[[Any], None]) -> set[int]:
    """Send generated requests to every operation, compare each answer with what is described; the statuses."""
    answered: set[int] = set()
    door, document = described
    closed = {**document, "components": {**document["components"], "securitySchemes": {}}}  # it comes with a token
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(closed).replace('"security":', '"x-security":')))
    schema.app = door.app
    headers = {"Authorization": f"Bearer {door.token}"}

    def check(operation: Any) -> None:
        @seed(20261122)
        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
        def asked(case: Any) -> None:
            prepared(case)
            answered.add(case.call_and_validate(headers=headers, checks=CHECKS).status_code)

        asked()

    for found in schema.get_all_operations():
        operation = found.ok()
        if mode == "positive" or _can_be_wrong(operation.definition.raw):
            check(operation)
            for flag in get_args(Flag):  # what an operation halted would be halted for those after it
                door.post(f"/v1/flags/{flag}/clear", {"reason": {"code": "done"}})
    return answered


def _can_be_wrong(operation: dict[str, Any]) -> bool:
    """Whether there is a request that is not as described: bytes, and text without a pattern, are always right."""
    described = [each["schema"] for each in operation["parameters"]]
    return "application/json" in operation.get("requestBody", {}).get("content", ()) or any(
        schema.keys() - {"type"} for schema in described
    )


def to_be_done(case: Any) -> None:
    """No preview, which needs no key and writes nothing."""
    query = {key: value for key, value in (case.query or {}).items() if (key, value) != ("dry_run", "true")}
    case.query = query


def about_foo(case: Any) -> None:
    """The same request about what there is."""
    known = {"name": "foo", "version": "1.0", "filename": "foo-1.0.tar.gz"}
    case.path_parameters = {key: known.get(key, value) for key, value in (case.path_parameters or {}).items()}


def test_what_is_asked_as_described_is_answered_as_described(described: tuple[Door, dict[str, Any]]) -> None:
    assert {200, 403, 404, 409, 422} <= checked(described, "positive", about_foo)


def test_what_is_asked_otherwise_is_refused_as_described(described: tuple[Door, dict[str, Any]]) -> None:
    assert {400, 422} <= checked(described, "negative", to_be_done)
