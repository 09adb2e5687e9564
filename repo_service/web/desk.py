"""What every room of the door works with, and how each reads a request and answers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Response, g, request

from keys import names, strict
from keys.encoding import compact
from repo_service.bell import Bell
from repo_service.build.pages import Layout, stored_at
from repo_service.domain import requests as r
from repo_service.operating.metrics import Metrics
from repo_service.storage.depot import Depot
from repo_service.storage.journal import Journal
from repo_service.web.limits import Limits, received
from repo_service.web.problems import NOTHING_WRITTEN, Problem
from repo_service.web.turns import Turns
from repo_service.web.waiting import WaitingRoom

MAX_BODY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Desk:
    """What the door works with. ``exposed`` gives the metrics as Prometheus reads them, ``hook_key`` what secrets of
    webhooks are made of, ``ready`` of each part of this process ``ok`` or what is wrong with it.
    """

    journal: Journal
    depot: Depot
    layout: Layout
    clock: Callable[[], datetime]
    bell: Bell
    url: str
    limits: Limits
    metrics: Metrics
    turns: Turns
    room: WaitingRoom
    exposed: Callable[[], bytes]
    hook_key: Callable[[], bytes | None]
    ready: Callable[[], dict[str, str]]


def is_preview() -> bool:
    """``?dry_run=true``. Any other parameter or value is refused: who misspells a preview must not make the change."""
    if unknown := sorted(request.args.keys() - {"dry_run"}):
        raise strict.Malformed(unknown[0], "is not a parameter of a change; dry_run is")
    if (value := request.args.get("dry_run")) not in (None, "true"):
        raise strict.Malformed("dry_run", f"must be true or left out, not {value!r:.40}")
    return value == "true"


def body_of_change() -> dict[str, Any]:
    """The JSON object of this request, read no further than its caller may send; Malformed if it is none."""
    data = b"".join(received(request.stream, MAX_BODY, g.caller.body))
    body = strict.parse(data) if data else {}
    if not isinstance(body, dict):
        raise strict.Malformed("", "must be a JSON object")
    if said := {"name", "version", "filename"} & body.keys():
        raise strict.Malformed(sorted(said)[0], "is said by the path, not by the body")
    return body


def check_blobs(desk: Desk, asked: r.Request) -> None:
    """An embedded registry publishes only files that it can serve."""
    for file in asked.files if isinstance(asked, r.Publish) else ():
        if file.url is not None:
            continue
        if desk.depot.size(stored_at(names.file_path(asked.name, file.filename), file.sha256)) != file.size:
            detail = (
                f"No file {file.filename} of {file.size} bytes with sha256 {file.sha256:.16}… was uploaded; PUT it "
                f"to /v1/projects/{asked.name}/files/{file.filename} first, or give its url. {NOTHING_WRITTEN}"
            )
            raise Problem(422, "blob_missing", "The file is not here", detail)


def sender() -> tuple[str, str]:
    """The client and its Idempotency-Key."""
    key = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(key) <= 200 or not key.isprintable():
        detail = (
            "Send an Idempotency-Key of 1 to 200 characters, a new one for each change you mean; the same one "
            f"again is safe and answers the same. {NOTHING_WRITTEN}"
        )
        raise Problem(400, "idempotency_key_missing", "No Idempotency-Key", detail)
    return f"client:{g.caller.token.client}", key


def json_answer(body: object, status: int) -> Response:
    """The body in compact JSON, as every answer of the API is written."""
    return Response(compact(body), status, content_type="application/json")
