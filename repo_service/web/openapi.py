"""The API's own description, OpenAPI 3.1: made of the route tables, the request and answer classes and the problems.

``OPERATIONS`` (operations.py) says of each route what no other table knows. A route that is missing there cannot be
described, and ``document`` says so; everything else follows from the code that serves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args

from flask import Flask, Response, request

from keys import strict, webhooks
from keys.encoding import compact
from repo_service.domain.flags import Flag
from repo_service.domain.remedies import Whom
from repo_service.domain.requests import Wanted
from repo_service.web import auth, hooks, problems
from repo_service.web.holders import Ban, Told
from repo_service.web.operations import (
    ADMITTED,
    BYTES,
    DOOR,
    EVERY,
    NAME,
    OPERATIONS,
    REFUSALS,
    WEBHOOK,
    Operation,
    Parameter,
)
from repo_service.web.schemas import Schema, Schemas, described
from repo_service.web.sequences import Skip

Verbs = Mapping[str, Mapping[str, type]]
"""The verbs of each route that ends in ``<verb>``, by the route's endpoint."""

_NUMBERED: Final = frozenset({"release_verb", "file_verb", "project_verb", "name_verb", "namespace_verb"})
"""Routes of changes, which may come in a batch and may be numbered."""


_IN_PATH: Final[dict[str, Schema]] = {
    "name": NAME,
    "outcome": {"enum": ["sent", "failed"]},
    "flag": {"enum": list(get_args(Flag))},
}
_BODIES: Final[dict[str, type]] = {
    "skip": Skip, "project_state": Wanted, "revoke_holder": Ban, "acknowledge": Told,
}  # fmt: skip
"""The bodies of routes that end in no verb of the tables."""
_SAID: Final[dict[str, Schema]] = {
    "source_seq": {
        "description": "The registry's own number of this change within its project: last + 1, or it waits.",
        "type": "integer", "minimum": 1, "maximum": strict.MAX_INTEGER,
    },
    "expected_serial": {
        "description": "What If-Match is to a change that comes alone.",
        "anyOf": [{"type": "null"}, {"type": "integer", "minimum": 0, "maximum": strict.MAX_INTEGER}],
    },
}  # fmt: skip
"""What a change may say beside what its class says."""
_SECURITY: Final[dict[str, Schema]] = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "tally_<id>_<secret>"},
    "signature": {
        "type": "apiKey", "in": "header", "name": "Signature",
        "description": "HTTP Message Signatures (RFC 9421) with `Signature-Input`; see docs/API.md.",
    },
    "webhook": {
        "type": "apiKey", "in": "header", "name": webhooks.SIGNATURE,
        "description": "Standard Webhooks: `v1,` and the base64 of an HMAC-SHA256; several with spaces between them.",
    },
}  # fmt: skip
_PROBLEM: Final[Schema] = {
    "description": "Problem details (RFC 9457). `code` is for programs, `detail` for people.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "missing": {"description": "What the caller lacks.", "type": ["string", "null"]},
        "policy": {"description": "The policy that judged.", "type": "string"},
        "alternatives": {
            "description": "Verbs that help or serve instead.",
            "type": "array",
            "items": {"type": "string"},
        },
        "serial": {"description": "The name's.", "type": "integer"},
        "refusal": {"description": "The attempt, for /v1/refusals.", "type": "string"},
        "change": {"description": "The numbered change that was refused.", "type": "string"},
        "source_seq": {"description": "Its number, which is used.", "type": "integer"},
        "item": {"description": "Of a batch the change that it is about, counted from 0.", "type": "integer"},
        "reasons": {
            "description": "All the reasons at once, the most telling first.",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "code": {"enum": sorted(REFUSALS)},
                    "detail": {"type": "string"},
                    "params": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
                    "help": {"description": "What would help.", "type": "string"},
                    "verbs": {"type": "array", "items": {"type": "string"}},
                    "ask": {"description": "Whom to ask.", "enum": list(get_args(Whom))},
                },
                "required": ["code", "detail", "params", "help", "verbs", "ask"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "code"],
}


@dataclass(frozen=True, slots=True)
class Route:
    """A route as Flask knows it: its endpoint, one method and the rule of its path."""

    endpoint: str
    method: str
    rule: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What operations share, while they are described."""

    schemas: Schemas
    responses: dict[str, Schema]

    def problem(self, status: int, codes: list[str]) -> Schema:
        """The problems with these codes: described once, whoever answers them."""
        schema = {"$ref": "#/components/schemas/Problem", "properties": {"code": {"enum": codes}}}
        wanted = {"description": ", ".join(codes), "content": {"application/problem+json": {"schema": schema}}}
        same = (name for name, response in self.responses.items() if response == wanted)
        others = sum(name.startswith(f"Problem{status}") for name in self.responses)
        name = next(same, f"Problem{status}" + (f"_{others + 1}" if others else ""))
        self.responses[name] = wanted
        return {"$ref": f"#/components/responses/{name}"}


def routes(app: Flask) -> list[Route]:
    """Every route of an application, in order of its path, but the console's: its pages are for people."""
    found = (
        Route(rule.endpoint, method, rule.rule)
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith(f"{auth.CONSOLE}.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )
    return sorted(found, key=lambda each: (each.rule, each.method))


def register(app: Flask, verbs: Verbs, url: str) -> None:
    """Serve the description of all routes at ``/v1/openapi.json``, for everybody."""

    described = cache(lambda: written(app, verbs, url))

    @app.get("/v1/openapi.json")
    def openapi() -> Response:
        response = Response(described(), content_type="application/json")
        response.headers["Cache-Control"] = "public, max-age=300"
        response.add_etag()
        response.make_conditional(request)
        return response


def written(app: Flask, verbs: Verbs, url: str) -> bytes:
    """The description of an application's routes, always the same bytes."""
    return compact(document(routes(app), verbs, url))


def document(of: Iterable[Route], verbs: Verbs, url: str) -> Schema:
    """The OpenAPI document of these routes. AssertionError names a route that has no row in ``OPERATIONS``."""
    parts, paths = Parts(Schemas(), {}), dict[str, Schema]()
    for route in of:
        assert route.endpoint in OPERATIONS, f"{route.endpoint} ({route.rule}) has no row in OPERATIONS"
        for path, operation in _operations(route, verbs, parts):
            paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallystick",
            "version": "1",
            "description": "Signed state for a package registry: changes in, signed snapshots out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": {**parts.schemas.named, "Problem": _PROBLEM},
            "responses": parts.responses,
            "securitySchemes": _SECURITY,
        },
    }


def _operations(route: Route, verbs: Verbs, parts: Parts) -> Iterable[tuple[str, Schema]]:
    """A route's path and operation; where it ends in a verb, one of each for every verb."""
    about, path = OPERATIONS[route.endpoint], _path(route.rule)
    if "{verb}" not in path:
        yield path, _operation(route, route.endpoint, about.summary, _body(route, verbs, parts), parts)
        return
    for verb, kind in verbs[route.endpoint].items():
        asked = parts.schemas.asked_without(kind, _in(path), {})
        if route.endpoint in _NUMBERED:
            asked["properties"]["source_seq"] = _SAID["source_seq"]
        parts.schemas.named[f"{kind.__name__}Input"] = asked
        body = _json_body(f"{kind.__name__}Input", {"required": True} if asked["required"] else {})
        summary = about.summary.format(verb=verb.capitalize())
        identifier = f"{verb}_{route.endpoint.removesuffix('_verb')}"
        yield path.replace("{verb}", verb), _operation(route, identifier, summary, body, parts)


def _operation(route: Route, identifier: str, summary: str, body: Schema | None, parts: Parts) -> Schema:
    about = OPERATIONS[route.endpoint]
    permission = auth.ROUTES.get(route.endpoint)
    in_path = (
        {"name": each, "in": "path", "required": True, "schema": _IN_PATH.get(each, {"type": "string"})}
        for each in _in(_path(route.rule))
        if each != "verb"
    )
    found: Schema = {
        "operationId": identifier.replace(".", "_"),
        "summary": summary,
        "security": [],
        "parameters": [*in_path, *(_parameter(each) for each in about.parameters)],
        "responses": {
            **{str(status): _answer(what, parts.schemas) for status, what in about.answers.items()},
            **_refused(about, _admitting(route) if permission else (), parts),
        },
    }
    if permission is not None:
        roles = sorted(name for name, role in auth.ROLES.items() if permission in role.may)
        found |= {"x-permission": permission, "x-roles": roles}
        found["security"] = [{scheme: [permission]} for scheme in _proofs(route)]
    return found if body is None else {**found, "requestBody": body}


def _proofs(route: Route) -> tuple[str, ...]:
    """By which schemes a route finds out who asks."""
    return ("webhook",) if route.endpoint in auth.PROVEN_WITHIN else ("token", "signature")


def _admitting(route: Route) -> tuple[str, ...]:
    """The codes of who may not come in."""
    return (WEBHOOK, *ADMITTED) if route.endpoint in auth.PROVEN_WITHIN else EVERY


def _body(route: Route, verbs: Verbs, parts: Parts) -> Schema | None:
    """The body of a route that is no verb's own."""
    if route.endpoint == "upload":
        return {"required": True, "content": {BYTES[0]: {"schema": {}}}}
    if kind := _BODIES.get(route.endpoint):
        parts.schemas.named[f"{kind.__name__}Input"] = parts.schemas.asked_without(kind, _in(_path(route.rule)), {})
        return _json_body(f"{kind.__name__}Input", {"required": True})
    if route.endpoint == "hook":
        return _message(parts)
    return _batch(verbs, parts) if route.endpoint == "batch" else None


def _message(parts: Parts) -> Schema:
    """A message of any type. What ``data`` holds is what an item of a batch does, but for its verb."""
    parts.schemas.named["MessageInput"] = {
        "type": "object",
        "properties": {
            "type": {"enum": sorted({*hooks.TYPES, hooks.STATE})},
            "timestamp": {"type": "string"},
            "data": {"type": "object", "properties": {"name": NAME}, "required": ["name"]},
        },
        "required": ["type", "timestamp", "data"],
        "additionalProperties": False,
    }
    return _json_body("MessageInput", {"required": True})


def _batch(verbs: Verbs, parts: Parts) -> Schema:
    kinds = [(verb, kind) for route in sorted(_NUMBERED) for verb, kind in verbs[route].items()]
    for verb, kind in kinds:
        item = parts.schemas.asked_without(kind, (), {"verb": {"const": verb}})
        item["properties"] |= _SAID
        parts.schemas.named[f"{kind.__name__}Item"] = item
    any_of = [{"$ref": f"#/components/schemas/{kind.__name__}Item"} for _, kind in kinds]
    items = {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"anyOf": any_of}}
    mode = {"enum": ["all", "each"], "default": "all"}
    parts.schemas.named["BatchInput"] = {
        "type": "object", "properties": {"items": items, "mode": mode}, "required": ["items"],
        "additionalProperties": False,
    }  # fmt: skip
    return _json_body("BatchInput", {"required": True})


def _json_body(name: str, more: Schema) -> Schema:
    return {**more, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


def _answer(what: type | tuple[Any, ...], schemas: Schemas) -> Schema:
    kinds = what if isinstance(what, tuple) else (what,)
    if not kinds:
        return {"description": "It lies elsewhere", "headers": {"Location": {"schema": {"type": "string"}}}}
    if all(isinstance(kind, str) for kind in kinds):
        return {"description": "As it was signed", "content": {kind: {} for kind in kinds}}
    found = [schemas.answered(kind) for kind in kinds]
    text = described(kinds[0].__doc__ or "").partition("\n\n")[0]
    schema = found[0] if len(found) == 1 else {"anyOf": found}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _refused(about: Operation, every: Iterable[str], parts: Parts) -> dict[str, Schema]:
    """The problems that a route answers, by status; ``code`` is one of those that are listed there."""
    codes: dict[int, set[str]] = {}
    for code in (*every, *about.refuses):
        codes.setdefault(DOOR[code], set()).add(code)
    for status, listed in problems.by_status(about.policy).items():
        codes.setdefault(status, set()).update(listed)
    return {str(status): parts.problem(status, sorted(listed)) for status, listed in sorted(codes.items())}


def _parameter(about: Parameter) -> Schema:
    found: Schema = {"name": about.name, "in": about.place, "description": about.text, "schema": about.schema}
    return {**found, "required": True} if about.required else found


def _path(rule: str) -> str:
    return rule.replace("<path:", "<").replace("<", "{").replace(">", "}")


def _in(path: str) -> list[str]:
    """The parameters of a path."""
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]
