"""One table from exception to HTTP status, and RFC 9457 problem details for all of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date

from keys.encoding import compact
from keys.names import InvalidName
from keys.strict import Malformed
from keys.times import moment
from repo_service.accepting.halting import FlagsMoved
from repo_service.accepting.reconciling import SerialOvertaken, SerialReused
from repo_service.accepting.sequences import NumberGivenUp, NumberReused, NumberTooFar, RefusedInTurn
from repo_service.accepting.turned_away import (
    NumberMissing,
    PreviewStale,
    Refused,
    SerialMissing,
    SerialMoved,
    TurnedAway,
)
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.case import Why
from repo_service.domain.clock import ClockWentBack
from repo_service.domain.flags import Flag
from repo_service.domain.remedies import REMEDIES, alternatives
from repo_service.storage.depot import Diverged, Unavailable
from repo_service.storage.journal import Collided
from repo_service.storage.requestreading import KeyReused
from repo_service.storage.tables import DatabaseAway

NOTHING_WRITTEN: Final = "Nothing was written."


@dataclass(eq=False)
class Problem(Exception):
    """A request that the door itself turns away."""

    status: int
    code: str
    title: str
    detail: str
    more: dict[str, Any] = field(default_factory=dict)
    retry_after: int | str | None = None
    """In how many seconds, or when, asking again may help (RFC 9110, section 10.2.3)."""


def unauthorized(code: str, detail: str) -> Problem:
    """Nobody that we know is asking."""
    return Problem(401, code, "Not authenticated", f"{detail} {NOTHING_WRITTEN}")


_STATUS: Final[dict[type[Exception], tuple[int, str, str]]] = {
    Malformed: (422, "malformed", "The request is not of the form it must have"),
    InvalidName: (422, "name_invalid", "Not a name that can be signed"),
    BadArtifact: (422, "file_invalid", "Not a file that can be published"),
    SerialMoved: (412, "serial_mismatch", "The name has changed since you looked"),
    SerialMissing: (428, "precondition_required", "Say what you looked at"),
    PreviewStale: (409, "preview_stale", "It is no longer what was previewed"),
    Collided: (409, "state_conflict", "Somebody else was faster"),
    FlagsMoved: (412, "serial_mismatch", "The flags have changed since you looked"),
    KeyReused: (422, "idempotency_key_reused", "The Idempotency-Key stands for another request"),
    NumberMissing: (409, "source_seq_missing", "Changes of this project are numbered"),
    NumberReused: (409, "source_seq_reused", "The number stands for another request"),
    NumberGivenUp: (409, "source_seq_given_up", "Nobody waits for this number any more"),
    NumberTooFar: (409, "source_seq_too_far", "The number is too far ahead"),
    SerialOvertaken: (409, "registry_serial_overtaken", "A newer state of the project was taken before"),
    SerialReused: (409, "registry_serial_reused", "The registry_serial stands for another state"),
    ClockWentBack: (503, "clock_regression", "The service's clock is behind what it has done"),
    DatabaseAway: (503, "database_unavailable", "The database cannot be reached"),
    Unavailable: (503, "depot_unavailable", "The public files cannot be reached"),
    Diverged: (409, "file_exists", "File already exists with other bytes"),
}
"""What the other side did wrong, and a clock to set. Anything not listed is our own mistake: 500, and a log entry."""

_ADVICE: Final[dict[type[Exception], str]] = {
    SerialMissing: 'Send If-Match: "serial-N" (in a batch "expected_serial": N); GET /v1/names/NAME has it as its '
    'ETag, a preview as "serial", and 0 is a name that is not known',
    Collided: "Send it again",
}
"""What to do next, where the exception itself does not say."""

_UNPROCESSABLE: Final = frozenset(
    [
        "version_invalid",
        "name_invalid",
        "filename_mismatch",
        "file_invalid",
        "files_missing",
        "reason_missing",
        "facts_missing",
        "actor_id_missing",
        "upload_time_in_future",
        "last_file",
        "blob_missing",
        "confirmation_missing",
    ]
)
_NOT_FOUND: Final = frozenset({"release_not_found", "file_not_found", "name_unknown", "namespace_unknown"})
_UNAVAILABLE: Final = frozenset(f"flag_{flag}" for flag in get_args(Flag))
_AGAIN: Final = dict.fromkeys(_UNAVAILABLE, "until")
"""Where a reason says from when on asking again may help, if not in ``retry_after``."""
_GONE: Final = frozenset({"purged"})
_TOO_MANY: Final = frozenset({"rate_limited"})
_FORBIDDEN: Final = frozenset(
    [
        "role_insufficient",
        "feature_disabled",
        "contact_unverified",
        "contact_suppressed",
        "step_up_required",
        "too_few_observers",
        "unpublish_window_over",
        "has_dependents",
        "too_many_downloads",
        "multiple_owners",
        "facts_stale",
        "restore_window_over",
        "restore_locked",
        "restore_other_holder",
        "admin_yank_locked",
        "second_approver_required",
        "renewal_limit",
        "reservation_not_renewable",
        "name_held",
        "namespace_not_owned",
        "namespace_too_deep",
        "grandchild_grant",
        "reservation_quota",
        "too_many_downloads",
        "multiple_owners",
        "recipient_unverified",
        "transfer_offer_over",
        "session_not_transferable",
        "needs_support",
    ]
)


def register(routes: Flask | Blueprint, answer: Callable[[Problem], Response]) -> None:
    """Answer every exception of the table, and Flask's own: ``problem`` does so as problem details."""
    routes.register_error_handler(Problem, answer)
    routes.register_error_handler(HTTPException, lambda error: answer(_of_flask(error)))
    handled: tuple[type[Exception], ...] = (Refused, RefusedInTurn, *_STATUS)
    for kind in handled:
        routes.register_error_handler(kind, lambda error: answer(described(error)))


def described(error: Exception) -> Problem:
    """An exception of the table as a problem."""
    more = {"item": error.number} if isinstance(error, TurnedAway) and error.number is not None else {}
    if isinstance(error, Refused):
        return _refusal(error, more)
    if isinstance(error, RefusedInTurn):
        return _refusal_in_turn(error)
    if isinstance(error, SerialMoved):
        more["serial"] = error.serial
    status, code, title = _STATUS[type(error)]
    said = [str(error), *([_ADVICE[type(error)]] if type(error) in _ADVICE else []), NOTHING_WRITTEN]
    return Problem(status, code, title, ". ".join(said), more)


def reason(why: Why) -> dict[str, Any]:
    """One reason against a request, with what helps and whom to ask."""
    remedy = REMEDIES[why.code]
    return {
        "code": why.code,
        "detail": why.sentence,
        "params": why.params,
        "help": remedy.help,
        "verbs": list(remedy.verbs),
        "ask": remedy.ask,
    }


def problem(error: Problem) -> Response:
    """An answer that is problem details."""
    g.problem = error.code  # for the log and the metrics
    response = Response(compact(details(error)), error.status, content_type="application/problem+json")
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="tallystick"'  # RFC 9110, section 11.6.1
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def details(error: Problem) -> dict[str, Any]:
    """Problem details (RFC 9457)."""
    return {
        "type": f"https://tallystick.dev/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": request.path,
        "code": error.code,
        **error.more,
    }


def refusal(reasons: Sequence[Why], title: str, detail: str, more: dict[str, Any]) -> Problem:
    """A refusal for these reasons, of which the first gives the status, and when to come again if that is known.
    ``more`` may list the reasons itself, if it knows more about each.
    """
    again = [str(time) for why in reasons if (time := why.params.get(_AGAIN.get(why.code, "retry_after")))]
    retry_after = http_date(moment(max(again))) if again else None
    said = {"reasons": [*map(reason, reasons)], **more}
    return Problem(_status_of(reasons[0].code), reasons[0].code, title, detail, said, retry_after)


def _refusal(error: Refused, more: dict[str, Any]) -> Problem:
    reasons = error.refusal.reasons
    said = {
        "alternatives": list(alternatives(reasons, error.policy)),
        "policy": error.policy.id,
        "serial": error.serial,
        "refusal": error.id,
    }
    return refusal(reasons, "The change is refused", f"{error}. {NOTHING_WRITTEN}", {**said, **more})


def _refusal_in_turn(error: RefusedInTurn) -> Problem:
    its, said = error.delivery, error.said
    more = {**said, "change": its.id, "source_seq": its.source_seq}
    detail = f"{error}. Nothing was changed; the number {its.source_seq} is used, and the next change has the next one."
    return refusal(error.refusal.reasons, "The change is refused", detail, more)


def _status_of(code: str) -> int:
    for status, codes in (
        (503, _UNAVAILABLE),
        (422, _UNPROCESSABLE),
        (404, _NOT_FOUND),
        (403, _FORBIDDEN),
        (410, _GONE),
        (429, _TOO_MANY),
    ):
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
