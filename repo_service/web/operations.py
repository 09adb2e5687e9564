"""What each route does and answers, and which codes it turns a request away with: what no other table knows of it.

A new route is a row in ``OPERATIONS``; openapi.py makes the description of all of them from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from keys import names, page, webhooks
from keys.html import MEDIA_TYPE as HTML
from keys.state import NameState, TakedownStatus
from repo_service.domain.remedies import REMEDIES
from repo_service.web import answers, conditions, previews
from repo_service.web.schemas import Schema

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

WEBHOOK: Final = "webhook_invalid"
ADMITTED: Final = (
    "route_closed", "role_insufficient", "caveat_ip", "caveat_action", "caveat_project", "rate_limited",
    "database_unavailable",
)  # fmt: skip
EVERY: Final = (*(code for code, status in DOOR.items() if status == 401 and code != WEBHOOK), *ADMITTED)
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


NAME: Final[Schema] = {
    "type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "maxLength": names.MAX_SEGMENT,
    "description": "A project's name in any spelling (PEP 508); it is normalised (PEP 503).",
}  # fmt: skip


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
NAME_OF_REFUSALS: Final = Parameter("name", "query", "Only of this name.", NAME)
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
BYTES: Final = ("application/octet-stream",)
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
        "A proof, a row of bins or a text of the log (docs/FORMAT.md)", {200: (*_TEXT, *BYTES)}, refuses=("not_found",)
    ),
    "public.log_tile": Operation(
        "A tile of the log, or a bundle of its leaves (C2SP tlog-tiles)", {200: BYTES}, refuses=("not_found",)
    ),
    "public.page_target": Operation("A name's page as a TUF target", {200: _JSON}, refuses=("not_found",)),
    "public.file_target": Operation(
        "A file, or its .metadata, as a TUF target", {200: BYTES}, refuses=("not_found", "name_invalid")
    ),
    "public.policy_target": Operation("A version of a policy", {200: _JSON}, refuses=("not_found",)),
    "public.file": Operation(
        "A file, or its .metadata, for stock installers", {200: BYTES}, refuses=("not_found", "name_invalid")
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
