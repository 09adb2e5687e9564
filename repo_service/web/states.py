"""``PUT /v1/projects/NAME``: a project's full state, from a registry that cannot send single changes or checks them."""

from datetime import datetime
from typing import Any, Final

from flask import Flask, Response, g, request

from keys import names, strict
from keys.encoding import compact
from repo_service.accepting import reconciling
from repo_service.accepting.reconciling import Looked
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted, Refusal
from repo_service.domain.reconcile import Foreseen
from repo_service.domain.remedies import alternatives
from repo_service.storage.requestreading import RegistryState
from repo_service.web import auth
from repo_service.web.conditions import tagged
from repo_service.web.desk import Desk, check_blobs, is_preview
from repo_service.web.limits import received
from repo_service.web.problems import NOTHING_WRITTEN, Problem, problem, reason, refusal
from repo_service.web.receipts import receipts

MAX_STATE: Final = 16 << 20
"""Bytes of a full state: ten thousand files, and room."""


def register(app: Flask, desk: Desk) -> None:
    """The route."""

    @app.errorhandler(reconciling.NotReconciled)
    def not_reconciled(error: reconciling.NotReconciled) -> Response:
        return problem(_not_reconciled(error))

    @app.put("/v1/projects/<name>")
    def project_state(name: str) -> Response:
        wanted = _wanted(name)
        return answered(desk, wanted, desk.clock())


def answered(desk: Desk, wanted: r.Wanted, now: datetime) -> Response:
    """Take a full state, or say what it would do, for a caller who may ask for it."""
    preview = is_preview()
    auth.authorise_actor(g.caller, wanted.actor.kind)
    desk.limits.count_name(wanted.name, now)
    desk.limits.check_pending(desk.journal, now)
    looked = reconciling.look(desk.journal, wanted, now)
    for each in looked.foreseen:
        check_blobs(desk, each.request)
    if preview:
        return tagged(_json(_preview(wanted, looked), 200), looked.serial)
    return _answer(desk, reconciling.take(desk.journal, wanted, f"client:{g.caller.token.client}", now))


def _answer(desk: Desk, taken: RegistryState) -> Response:
    with desk.journal.reading() as view:
        changes = [(each, view.change(each.change)) for each in taken.done]
        state = view.name(taken.name).state
    if any(change is not None and change.events for _, change in changes):
        desk.bell.ring()
    known = [(each, change) for each, change in changes if change is not None]
    items = [
        {"verb": r.verb_named(each.request), "version": each.version, "filename": each.filename, **said}
        for (each, _), said in zip(known, receipts(desk, [change for _, change in known]), strict=True)
    ]
    serial = state.serial if state else 0
    body = {
        "name": taken.name,
        "registry_serial": taken.registry_serial,
        "serial": serial,
        "changed": any(each["changed"] for each in items),
        "items": items,
    }
    status = 202 if any(each["status"] == "accepted" for each in items) else 200
    return tagged(_json(body, status), serial)


def _wanted(name: str) -> r.Wanted:
    if "If-Match" in request.headers:
        raise strict.Malformed("If-Match", "does not go with a full state, which registry_serial puts in order")
    body = strict.parse(b"".join(received(request.stream, MAX_STATE, g.caller.body)))
    if not isinstance(body, dict):
        raise strict.Malformed("", "must be a JSON object")
    if "name" in body:
        raise strict.Malformed("name", "is said by the path, not by the body")
    return strict.load(r.Wanted, {**body, "name": names.normalise(name)})


def _preview(wanted: r.Wanted, looked: Looked) -> dict[str, Any]:
    """What the full state would do, request by request; with reasons it would do nothing at all."""
    return {
        "name": wanted.name,
        "registry_serial": wanted.registry_serial,
        "serial": looked.serial,
        "policy": looked.policy.id,
        "outcome": "deny" if looked.reasons else "allow",
        "reasons": _reasons(looked),
        "would": None if looked.reasons else [_would(each) for each in looked.foreseen],
        "alternatives": list(alternatives(looked.reasons, looked.policy)),
    }


def _not_reconciled(error: reconciling.NotReconciled) -> Problem:
    looked = error.looked
    more = {
        "reasons": _reasons(looked),
        "alternatives": list(alternatives(looked.reasons, looked.policy)),
        "policy": looked.policy.id,
        "serial": looked.serial,
        "refusal": error.id,
    }
    return refusal(looked.reasons, "The state is refused", f"{error}. {NOTHING_WRITTEN}", more)


def _reasons(looked: Looked) -> list[dict[str, Any]]:
    """Every reason, each with the place of its request among those that lead to the state."""
    return [
        {**reason(why), "item": place, "verb": r.verb_of(each.request), **_about(each.request)}
        for place, each in enumerate(looked.foreseen)
        if isinstance(each.outcome, Refusal)
        for why in each.outcome.reasons
    ]


def _about(asked: r.Request) -> dict[str, Any]:
    return {part: getattr(asked, part, None) for part in ("version", "filename")}


def _would(each: Foreseen) -> dict[str, Any]:
    assert isinstance(each.outcome, Accepted), "nothing is done where something is refused"
    return {
        "verb": r.verb_of(each.request),
        **_about(each.request),
        "events": [c.type_of(change) for change in each.outcome.changes],
        "warnings": strict.dump(each.outcome.warnings),
    }


def _json(body: object, status: int) -> Response:
    return Response(compact(body), status, content_type="application/json")
