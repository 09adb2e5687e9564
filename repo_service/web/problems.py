"""One table from exception to HTTP status, and RFC 9457 problem details for all of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from keys.encoding import compact
from keys.names import InvalidName
from keys.strict import Malformed
from repo_service.domain.artifacts import BadArtifact
from repo_service.intake import Refused, SerialMoved
from repo_service.storage.depot import Diverged
from repo_service.storage.view import KeyReused

NOTHING_WRITTEN: Final = "Nothing was written."


@dataclass(eq=False)
class Problem(Exception):
    """A request that the door itself turns away."""

    status: int
    code: str
    title: str
    detail: str
    more: dict[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
    """In how many seconds asking again may help (RFC 9110, section 10.2.3)."""


def unauthorized(code: str, detail: str) -> Problem:
    """Nobody that we know is asking."""
    return Problem(401, code, "Not authenticated", f"{detail} {NOTHING_WRITTEN}")


_STATUS: Final[dict[type[Exception], tuple[int, str, str]]] = {
    Malformed: (422, "malformed", "The request is not of the form it must have"),
    InvalidName: (422, "name_invalid", "Not a name that can be signed"),
    BadArtifact: (422, "file_invalid", "Not a file that can be published"),
    SerialMoved: (412, "serial_mismatch", "The name has changed since you looked"),
    KeyReused: (422, "idempotency_key_reused", "The Idempotency-Key stands for another request"),
    Diverged: (409, "file_exists", "File already exists with other bytes"),
}
"""What the other side did wrong. Anything not listed is our own mistake: 500, and a log entry."""

_UNPROCESSABLE: Final = frozenset(
    [
        "version_invalid",
        "filename_mismatch",
        "file_invalid",
        "files_missing",
        "reason_missing",
        "facts_missing",
        "actor_id_missing",
        "upload_time_in_future",
        "last_file",
        "blob_missing",
    ]
)
_NOT_FOUND: Final = frozenset({"release_not_found", "file_not_found", "name_unknown"})
_GONE: Final = frozenset({"purged"})
_FORBIDDEN: Final = frozenset(
    [
        "role_insufficient",
        "feature_disabled",
        "release_window_over",
        "contact_unverified",
        "unpublish_window_over",
        "has_dependents",
        "facts_stale",
        "restore_window_over",
        "restore_locked",
        "restore_other_holder",
        "admin_yank_locked",
        "second_approver_required",
        "renewal_limit",
        "reservation_not_renewable",
        "name_held",
    ]
)


def register(app: Flask) -> None:
    """Answer every exception of the table, and Flask's own, as problem details."""
    app.register_error_handler(Problem, lambda error: problem(error))
    app.register_error_handler(Refused, lambda error: problem(_refusal(error)))
    app.register_error_handler(HTTPException, lambda error: problem(_of_flask(error)))
    for kind, (status, code, title) in _STATUS.items():
        app.register_error_handler(kind, _answer(status, code, title))


def problem(error: Problem) -> Response:
    """Problem details (RFC 9457)."""
    body = {
        "type": f"https://tallystick.dev/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": request.path,
        "code": error.code,
        **error.more,
    }
    response = Response(compact(body), error.status, content_type="application/problem+json")
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="tallystick"'  # RFC 9110, section 11.6.1
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _answer(status: int, code: str, title: str) -> Any:
    return lambda error: problem(Problem(status, code, title, f"{error}. {NOTHING_WRITTEN}"))


def _refusal(error: Refused) -> Problem:
    reasons = error.refusal.reasons
    listed = [{"code": why.code, "detail": why.sentence, "params": why.params} for why in reasons]
    more: dict[str, Any] = {"reasons": listed, "policy": error.policy.id}
    if error.number is not None:
        more["item"] = error.number
    first = reasons[0].code
    return Problem(_status_of(first), first, "The change is refused", f"{error}. {NOTHING_WRITTEN}", more)


def _status_of(code: str) -> int:
    for status, codes in ((422, _UNPROCESSABLE), (404, _NOT_FOUND), (403, _FORBIDDEN), (410, _GONE)):
        if code in codes:
            return status
    return 409


def _of_flask(error: HTTPException) -> Problem:
    code = (error.name or "error").lower().replace(" ", "_")
    return Problem(error.code or 500, code, error.name, error.description or error.name)


def by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    """Codes of refusals, sorted, by the status that each is answered with."""
    found: dict[int, list[str]] = {}
    for code in sorted(codes):
        found.setdefault(_status_of(code), []).append(code)
    return found
