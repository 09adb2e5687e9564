"""The API's own description, OpenAPI 3.1: made of the route tables, the request and answer classes and the problems.

``OPERATIONS`` says of each route what no other table knows. A route that is missing there cannot be described, and
``document`` says so; everything else follows from the code that serves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args

from flask import Flask, Response, request

from keys import names, page, strict, webhooks
from keys.encoding import compact
from keys.html import MEDIA_TYPE as HTML
from keys.state import NameState, TakedownStatus
from repo_service.domain.flags import Flag
from repo_service.domain.remedies import REMEDIES, Whom
from repo_service.domain.requests import Wanted
from repo_service.web import answers, auth, conditions, hooks, previews, problems
from repo_service.web.holders import Ban, Told
from repo_service.web.schemas import Schema, Schemas, described
from repo_service.web.sequences import Skip

Verbs = Mapping[str, Mapping[str, type]]
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
    "webhook_invalid": 401,
    "nonce_spent": 401,
    "route_closed": 403,
    "role_insufficient": 403,
    "caveat_ip": 403,
    "caveat_action": 403,
    "caveat_project": 403,
    "not_found": 404,
    "name_unknown": 404,
    "change_unknown": 404,
    "policy_unknown": 404,
    "verb_unknown": 404,
    "notice_unknown": 404,
    "file_exists": 409,
    "preview_stale": 409,
    "state_conflict": 409,
    "source_seq_missing": 409,
    "source_seq_reused": 409,
    "source_seq_given_up": 409,
    "source_seq_too_far": 409,
    "registry_serial_overtaken": 409,
    "registry_serial_reused": 409,
    "serial_mismatch": 412,
    "too_large": 413,
    "malformed": 422,
    "name_invalid": 422,
    "file_invalid": 422,
    "blob_missing": 422,
    "idempotency_key_reused": 422,
    "precondition_required": 428,
    "rate_limited": 429,
    "publishing_behind": 503,
    "clock_regression": 503,
    "depot_unavailable": 503,
    "database_unavailable": 503,
}
"""The codes of problems that the door itself answers, and their status."""
REFUSALS: Final = tuple(sorted(REMEDIES))
"""The codes of reasons that a change can be refused for by its policy and its name's state."""

_WEBHOOK: Final = "webhook_invalid"
_ADMITTED: Final = (
    "route_closed", "role_insufficient", "caveat_ip", "caveat_action", "caveat_project", "rate_limited",
    "database_unavailable",
)  # fmt: skip
_EVERY: Final = (*(code for code, status in DOOR.items() if status == 401 and code != _WEBHOOK), *_ADMITTED)
_CHANGE: Final = (
    "idempotency_key_missing", "verb_unknown", "serial_mismatch", "too_large", "malformed", "name_invalid",
    "blob_missing", "idempotency_key_reused", "publishing_behind", "precondition_required", "preview_stale",
    "state_conflict", "clock_regression", "depot_unavailable", "source_seq_missing", "source_seq_reused",
    "source_seq_given_up", "source_seq_too_far",
)  # fmt: skip
_STATE: Final = (
    "serial_mismatch", "too_large", "malformed", "name_invalid", "blob_missing", "publishing_behind", "state_conflict",
    "registry_serial_overtaken", "registry_serial_reused", "depot_unavailable",
)  # fmt: skip


_NAME: Final[Schema] = {
    "type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "maxLength": names.MAX_SEGMENT,
    "description": "A project's name in any spelling (PEP 508); it is normalised (PEP 503).",
}  # fmt: skip
_NUMBERED: Final = frozenset({"release_verb", "file_verb", "project_verb", "name_verb", "namespace_verb"})
"""Routes of changes, which may come in a batch and may be numbered."""


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
IF_PREVIEW_MATCH: Final = Parameter(
    conditions.PREVIEW, "header", "Do what was previewed, or nothing: the `preview_digest` of a preview.",
    {"type": "string", "pattern": "^[0-9a-f]{64}$"},
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

TAKEDOWN_STATUS: Final = Parameter(
    "status", "query", "Only entries of this status.", {"enum": [*get_args(TakedownStatus), "any"]}
)
AFTER_TAKEDOWN: Final = Parameter("after", "query", "`next` of the answer before.", {"type": "string"})
NAME_OF_REFUSALS: Final = Parameter("name", "query", "Only of this name.", _NAME)
AFTER_REFUSAL: Final = Parameter("after", "query", "`next` of the answer before.", {"type": "string"})
_FACTS: Final = (
    *(
        Parameter(fact, "query", "What the registry knows, as of `as_of`.", {"type": "integer", "minimum": 0})
        for fact in previews.FACTS
    ),
    Parameter("as_of", "query", "When it was looked up.", {"type": "string"}),
    Parameter("contact", "query", "Whether the owner's contact is verified.", {"type": "string"}),
    Parameter("reason", "query", "The code of the owner's reason.", {"type": "string"}),
)
_SIGNED: Final = tuple(
    Parameter(name, "header", text, {"type": "string"}, required=True)
    for name, text in (
        (webhooks.ID, "The message's id, and the change's Idempotency-Key."),
        (webhooks.TIMESTAMP, "When it is sent, in seconds since 1970."),
    )
)


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


_RECEIPT: Final[_Answers] = {
    200: (answers.Receipt, answers.Preview), 202: (answers.Receipt, answers.Waiting),
}  # fmt: skip
_ASKING: Final = (KEY, IF_MATCH, IF_PREVIEW_MATCH, PREFER, DRY_RUN)
_JSON: Final = ("application/json",)
_BYTES: Final = ("application/octet-stream",)
_DELTA: Final = ("application/zstd",)
_TEXT: Final = ("text/plain",)

OPERATIONS: Final[dict[str, Operation]] = {
    "release_verb": Operation("{verb} a release", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "file_verb": Operation("{verb} a file of a release", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "project_verb": Operation("{verb} a project", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "name_verb": Operation("{verb} a name", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "namespace_verb": Operation("{verb} a namespace", _RECEIPT, _ASKING, _CHANGE, REFUSALS),
    "batch": Operation(
        "Several changes, all or none or each on its own",
        {
            200: (answers.Receipts, answers.Rows, answers.Previews), 202: (answers.Receipts, answers.Rows),
            207: answers.Rows,
        },
        (KEY, PREFER, DRY_RUN), _CHANGE, REFUSALS,
    ),
    "hook": Operation(
        "A change or a full state as a message of Standard Webhooks",
        {
            200: (answers.Receipt, answers.Preview, answers.StateTaken, answers.StatePreview),
            202: (answers.Receipt, answers.Waiting, answers.StateTaken),
        },
        (*_SIGNED, PREFER, DRY_RUN), (*_CHANGE, *_STATE), REFUSALS,
    ),
    "revoke_holder": Operation(
        "End every reservation of an account", {200: answers.Receipts, 202: answers.Receipts}, (KEY, PREFER),
        ("idempotency_key_missing", "idempotency_key_reused", "malformed", "too_large", "publishing_behind"), REFUSALS,
    ),
    "acknowledge": Operation(
        "Say that a notice was sent, or that nobody could be reached", {200: answers.Acknowledged},
        refuses=("verb_unknown", "notice_unknown", "malformed", "name_invalid", "too_large"),
    ),
    "project_state": Operation(
        "Take a project's full state: what it does not mention is removed",
        {200: (answers.StateTaken, answers.StatePreview), 202: answers.StateTaken}, (DRY_RUN,), _STATE, REFUSALS,
    ),
    "skip": Operation(
        "Give up the numbers that have not come", {200: answers.Skipped},
        refuses=("malformed", "name_invalid", "too_large", "state_conflict"),
    ),
    "upload": Operation(
        "Store a file that can then be published", {201: answers.Uploaded},
        refuses=("name_invalid", "file_invalid", "file_exists", "too_large", "depot_unavailable"),
        policy=("flag_read_only", "flag_uploads_halted"),
    ),
    "eligibility": Operation(
        "Whether the owner may unpublish a release, and what would follow", {200: answers.Preview}, _FACTS,
        ("malformed", "name_invalid"),
    ),
    "change": Operation(
        "What became of a change", {200: (answers.Receipt, answers.Waiting, answers.RefusedInTurn)},
        refuses=("change_unknown",),
    ),
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
    "takedowns": Operation(
        "The takedown list", {200: answers.Takedowns}, (TAKEDOWN_STATUS, AFTER_TAKEDOWN, LIMIT), ("malformed",)
    ),
    "osv": Operation("The takedown list as OSV records", {200: ("application/zip",)}),
    "flags_set": Operation("Which flags are set", {200: answers.Flags}),
    "flag_verb": Operation(
        "{verb} a flag that halts kinds of change", {200: answers.FlagsChanged, 202: answers.FlagsChanged},
        (IF_MATCH,), ("verb_unknown", "serial_mismatch", "malformed", "too_large"),
    ),
    "refusals": Operation(
        "What was refused to whom, the newest first", {200: answers.Refusals}, (NAME_OF_REFUSALS, AFTER_REFUSAL),
        ("malformed", "name_invalid"),
    ),
    "policy": Operation("Which policy judges, and which ones come", {200: answers.PolicyNow}),
    "policy_version": Operation("A version of a policy, as it is signed", {200: _JSON}, refuses=("policy_unknown",)),
    "status": Operation("Counts and newest versions", {200: answers.Status}),
    "openapi": Operation("This document", {200: _JSON}),
    "healthz": Operation("Whether this process lives", {200: answers.Alive}),
    "readyz": Operation("Whether this process is ready, part by part", {200: answers.Ready, 503: answers.Ready}),
    "metrics": Operation("What Prometheus scrapes", {200: ("text/plain",)}),
    "public.metadata": Operation("A TUF metadata file", {200: _JSON}, refuses=("not_found",)),
    "public.delta": Operation("A delta to a TUF metadata file", {200: _DELTA}, refuses=("not_found",)),
    "public.log_checkpoint": Operation(
        "The log's newest checkpoint (C2SP tlog-checkpoint)", {200: _TEXT}, refuses=("not_found",)
    ),
    "public.log_file": Operation(
        "A proof, a row of bins or a text of the log (docs/FORMAT.md)", {200: (*_TEXT, *_BYTES)}, refuses=("not_found",)
    ),
    "public.log_tile": Operation(
        "A tile of the log, or a bundle of its leaves (C2SP tlog-tiles)", {200: _BYTES}, refuses=("not_found",)
    ),
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
    "public.namespaces": Operation(
        "The namespaces that are granted (PEP 752)", {200: tuple[answers.NamespaceName, ...]}
    ),
    "public.namespace": Operation(
        "A namespace (PEP 752)", {200: answers.Namespace, 301: ()}, refuses=("not_found", "name_invalid")
    ),
}  # fmt: skip

_IN_PATH: Final[dict[str, Schema]] = {
    "name": _NAME,
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
    return (_WEBHOOK, *_ADMITTED) if route.endpoint in auth.PROVEN_WITHIN else _EVERY


def _body(route: Route, verbs: Verbs, parts: Parts) -> Schema | None:
    """The body of a route that is no verb's own."""
    if route.endpoint == "upload":
        return {"required": True, "content": {_BYTES[0]: {"schema": {}}}}
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
            "data": {"type": "object", "properties": {"name": _NAME}, "required": ["name"]},
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
