"""For whoever operates the service: is it alive, is it ready, what does it count, and a line of log a request."""

import logging
import re
import secrets
import time
from typing import Any, Final

from flask import Flask, Response, g, request

from repo_service.operating import exposition, logs
from repo_service.operating.readiness import OK
from repo_service.web.desk import Desk, json_answer

logger: Final = logging.getLogger(__name__)
REQUEST_ID: Final = "X-Request-Id"
_GIVEN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_LOGGED: Final = {"verb": "verb", "name": "project", "version": "version", "filename": "file", "flag": "flag"}
"""Parts of a path that are logged, and as what. Not all: an account's id is no affair of a log."""


def register(app: Flask, desk: Desk) -> None:
    """``/healthz`` and ``/readyz`` for everybody, ``/metrics`` for who may see the status."""

    @app.get("/healthz")
    def healthz() -> Response:
        return _fresh(json_answer({"alive": True}, 200))

    @app.get("/readyz")
    def readyz() -> Response:
        parts = desk.ready()
        ready = all(said == OK for said in parts.values())
        return _fresh(json_answer({"ready": ready, "parts": parts}, 200 if ready else 503))

    @app.get("/metrics")
    def metrics() -> Response:
        return _fresh(Response(desk.exposed(), content_type=exposition.MEDIA_TYPE))


def observe(app: Flask, desk: Desk) -> None:
    """Give each request an id, its caller's own if it has one, and say when it is answered. Register it first."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get(REQUEST_ID, "")
        g.request_id = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
        g.began = time.perf_counter()
        logs.REQUEST.set(g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        code = g.get("problem")
        if code is not None:
            desk.metrics.refused(response.status_code, code)
        if request.path.startswith("/v1/"):
            response.headers[REQUEST_ID] = g.request_id
            logger.info("request", extra=_about(response, code))
        return response

    @app.teardown_request
    def forget(error: BaseException | None) -> None:
        del error
        logs.REQUEST.set(None)


def _about(response: Response, code: str | None) -> dict[str, Any]:
    caller, parts, changes = g.get("caller"), request.view_args or {}, g.get("changes", ())
    return {
        "status": response.status_code,
        "ms": round(1000 * (time.perf_counter() - g.began)),
        "method": request.method,
        "route": request.endpoint,
        **{field: parts[part] for part, field in _LOGGED.items() if part in parts},
        "client": caller.token.client if caller else None,
        "code": code,
        "change": changes[0] if len(changes) == 1 else None,
        "changes": len(changes) if len(changes) > 1 else None,
        "generation": g.get("generation"),
    }


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
