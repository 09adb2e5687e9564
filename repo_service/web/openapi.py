"""The API's own description, OpenAPI 3.1: made of the route tables, the request and answer classes and the problems.

``OPERATIONS`` says of each route what no other table knows. A route that is missing there cannot be described, and
``document`` says so; everything else follows from the code that serves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from flask import Flask, Response, request

from keys import names, page
from keys.encoding import compact
from keys.html import MEDIA_TYPE as HTML
from keys.state import NameState
from repo_service.domain import requests as r
from repo_service.web import answers, auth, problems
from repo_service.web.schemas import Schema, Schemas, described

Verbs = Mapping[str, Mapping[str, type[r.Request]]]
"""The verbs of each route that ends in ``<verb>``, by the route's endpoint."""

DOOR: Final[dict[str, int]] = {
    "idempotency_key_missing": 400,
    "auth_missing": 401,
    "auth_malformed": 401,
    "auth_unknown": 401,
    "token_revoked": 401,
    "token_expired": 401,
    "signature_invalid": 401,
    "digest_mismatch": 401,
    "nonce_spent": 401,
    "route_closed": 403,
    "role_insufficient": 403,
    "caveat_ip": 403,
    "caveat_action": 403,
    "caveat_project": 403,
    "not_found": 404,
    "name_unknown": 404,
    "change_unknown": 404,
    "verb_unknown": 404,
    "file_exists": 409,
    "serial_mismatch": 412,
    "too_large": 413,
    "malformed": 422,
    "name_invalid": 422,
    "file_invalid": 422,
    "blob_missing": 422,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "publishing_behind": 503,
}
"""The codes of problems that the door itself answers, and their status."""
REFUSALS: Final = (
    "actor_id_missing", "admin_yank_locked", "artifact_identity_conflict", "contact_unverified", "facts_missing",
    "facts_stale", "feature_disabled", "file_exists", "file_invalid", "file_not_found", "filename_mismatch",
    "filename_tombstoned", "files_missing", "has_dependents", "last_file", "name_held", "name_placeholder",
    "name_prohibited", "name_reserved", "name_taken", "name_unknown", "name_vacant", "project_archived",
    "project_locked", "project_quarantined", "purged", "reason_missing", "release_closed", "release_not_found",
    "release_not_published", "release_quarantined", "release_window_over", "renewal_limit",
    "reservation_not_renewable", "restore_locked", "restore_other_holder", "restore_window_over",
    "role_insufficient", "second_approver_required", "unpublish_window_over", "upload_time_in_future",
    "version_exists", "version_invalid", "version_tombstoned",
)  # fmt: skip
"""The codes of reasons that a change can be refused for by its policy and its name's state."""

_EVERY: Final = (
    *(code for code, status in DOOR.items() if status == 401),
    "route_closed", "role_insufficient", "caveat_ip", "caveat_action", "caveat_project", "rate_limited",
)  # fmt: skip
_CHANGE: Final = (
    "idempotency_key_missing", "verb_unknown", "serial_mismatch", "too_large", "malformed", "name_invalid",
    "blob_missing", "idempotency_key_reused", "publishing_behind",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or a header."""

    name: str
    place: str
    text: str
    schema: Schema
    required: bool = False


DRY_RUN: Final = Parameter(
    "dry_run", "query", "Answer what the change would do; write nothing and spend no key.", {"enum": ["true"]}
)
KEY: Final = Parameter(
    "Idempotency-Key", "header",
    "A new one for each change that is meant. The same one with the same request is safe and answers the same.",
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"}, required=True,
)  # fmt: skip
IF_MATCH: Final = Parameter(
    "If-Match", "header", 'Change only what the caller has seen: `"serial-7"`, with its quotes (RFC 9110).',
    {"type": "string", "pattern": '^"serial-[0-9]{1,15}"$'},
)  # fmt: skip
PREFER: Final = Parameter(
    "Prefer", "header", "`wait=10`: stay until the change is signed and visible, at most so many seconds (RFC 7240).",
    {"type": "string"},
)  # fmt: skip
AFTER: Final = Parameter(
    "after", "query", "`next` of the answer before; left out, from the beginning.",
    {"type": "string", "pattern": "^[0-9]{1,15}-[0-9]{1,15}$"},
)  # fmt: skip
LIMIT: Final = Parameter(
    "limit", "query", "At most so many events, and never more than 1000.",
    {"type": "integer", "minimum": 0, "maximum": 999999999999999},
)  # fmt: skip


_Answers = Mapping[int, type | tuple[type, ...] | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route does, and what it answers: status to a class, or to media types for what is no JSON of ours.

    ``refuses`` are codes beside those of every closed route; ``policy`` are reasons that a policy may give.
    """

    summary: str
    answers: _Answers
    parameters: tuple[Parameter, ...] = ()
    refuses: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()


_RECEIPT: Final[_Answers] = {200: (answers.Receipt, answers.Preview), 202: answers.Receipt}
_ASKING: Final = (KEY, IF_MATCH, PREFER, DRY_RUN)
_JSON: Final = ("application/json",)
_BYTES: Final = ("application/octet-stream",)

OPERATIONS: Final[dict[str, Operation]] = {
    "release_verb": Operation("{verb} a release", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "file_verb": Operation("{verb} a file of a release", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "project_verb": Operation("{verb} a project", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "name_verb": Operation("{verb} a name", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "batch": Operation(
        "Several changes in one transaction, all or none",
        {200: answers.Receipts, 202: answers.Receipts}, (KEY, PREFER), _CHANGE, REFUSALS,
    ),
    "upload": Operation(
        "Store a file that can then be published", {201: answers.Uploaded},
        refuses=("name_invalid", "file_invalid", "file_exists", "too_large"),
    ),
    "change": Operation("What became of a change", {200: answers.Receipt}, refuses=("change_unknown",)),
    "name": Operation(
        "Everything that is said about a name", {200: NameState}, refuses=("name_unknown", "name_invalid")
    ),
    "history": Operation(
        "The events of a name", {200: answers.History}, refuses=("name_unknown", "name_invalid"),
    ),
    "available": Operation(
        "Whether a name can be registered, with what proves it", {200: answers.Available}, refuses=("name_invalid",)
    ),
    "events": Operation("The feed of signed events", {200: answers.Feed}, (AFTER, LIMIT), ("malformed",)),
    "due": Operation("What the registry should tell whom now", {200: answers.Notices}),
    "status": Operation("Counts and newest versions", {200: answers.Status}),
    "openapi": Operation("This document", {200: _JSON}),
    "public.metadata": Operation("A TUF metadata file", {200: _JSON}, refuses=("not_found",)),
    "public.page_target": Operation("A name's page as a TUF target", {200: _JSON}, refuses=("not_found",)),
    "public.file_target": Operation(
        "A file, or its .metadata, as a TUF target", {200: _BYTES}, refuses=("not_found", "name_invalid")
    ),
    "public.policy_target": Operation("A version of a policy", {200: _JSON}, refuses=("not_found",)),
    "public.file": Operation(
        "A file, or its .metadata, for stock installers", {200: _BYTES}, refuses=("not_found", "name_invalid")
    ),
    "public.simple": Operation(
        "A name's page for stock installers (PEP 503, 691)",
        {200: (page.MEDIA_TYPE, HTML.partition(";")[0], "application/vnd.pypi.simple.v1+html"), 301: ()},
        refuses=("not_found", "name_invalid"),
    ),
}  # fmt: skip

_NAME: Final[Schema] = {
    "type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "maxLength": names.MAX_SEGMENT,
    "description": "A project's name in any spelling (PEP 508); it is normalised (PEP 503).",
}  # fmt: skip
_IN_PATH: Final[dict[str, Schema]] = {"name": _NAME}
_SECURITY: Final[dict[str, Schema]] = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "tally_<id>_<secret>"},
    "signature": {
        "type": "apiKey", "in": "header", "name": "Signature",
        "description": "HTTP Message Signatures (RFC 9421) with `Signature-Input`; see docs/API.md.",
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
                },
                "required": ["code", "detail", "params"],
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
    """Every route of an application, in order of its path."""
    found = (
        Route(rule.endpoint, method, rule.rule)
        for rule in app.url_map.iter_rules()
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
            **_refused(about, _EVERY if permission else (), parts),
        },
    }
    if permission is not None:
        roles = sorted(name for name, role in auth.ROLES.items() if permission in role.may)
        found |= {"x-permission": permission, "x-roles": roles}
        found["security"] = [{scheme: [permission]} for scheme in _SECURITY]
    return found if body is None else {**found, "requestBody": body}


def _body(route: Route, verbs: Verbs, parts: Parts) -> Schema | None:
    """The body of a route that is no verb's own."""
    if route.endpoint == "upload":
        return {"required": True, "content": {_BYTES[0]: {"schema": {}}}}
    if route.endpoint != "batch":
        return None
    for verb, kind in ((verb, kind) for own in verbs.values() for verb, kind in own.items()):
        item = parts.schemas.asked_without(kind, (), {"verb": {"const": verb}})
        parts.schemas.named[f"{kind.__name__}Item"] = item
    any_of = [{"$ref": f"#/components/schemas/{kind.__name__}Item"} for own in verbs.values() for kind in own.values()]
    items = {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"anyOf": any_of}}
    parts.schemas.named["BatchInput"] = {"type": "object", "properties": {"items": items}, "required": ["items"]}
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
    return rule.replace("<", "{").replace(">", "}")


def _in(path: str) -> list[str]:
    """The parameters of a path."""
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]
