"""Standard Webhooks as a second way in: a message's type names a verb, its data is what another route would be sent.

``POST /v1/hooks/CLIENT`` takes what a live webhook secret of that client signs (docs/adr/0048). From there on it is the
same request as by any other route: same role, scope, limits, decisions. The message's id is its Idempotency-Key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from flask import Flask, Response, g, request

from keys import names, strict, webhooks
from repo_service.accepting import intake
from repo_service.accepting.turned_away import Refused
from repo_service.domain import requests as r
from repo_service.domain.verbs import FAMILIES
from repo_service.storage.tokens import Token
from repo_service.web import auth, batches, changes, problems, states
from repo_service.web import sequences as sequence_door
from repo_service.web.desk import MAX_BODY, Desk, is_preview
from repo_service.web.limits import received
from repo_service.web.problems import unauthorized

STATE: Final = "project.state"
TYPES: Final[Mapping[str, tuple[str, str, type[r.Request]]]] = {
    f"{family}.{verb}": (f"{family}_verb", verb, kind)
    for family, verbs in FAMILIES.items()
    for verb, kind in verbs.items()
}
"""Types of messages, each with the route of its request, its verb and its class. ``STATE`` is beside them."""


@dataclass(frozen=True, slots=True)
class Said:
    """The body of a message. ``timestamp`` is the sender's; what counts is the one that is signed beside the body."""

    type: str
    timestamp: str
    data: dict[str, Any]


def register(app: Flask, desk: Desk) -> None:
    """The route."""

    @app.post("/v1/hooks/<client>")
    def hook(client: str) -> Response:
        now = desk.clock()
        token, message = _proven(desk, client, now)
        g.caller = auth.Caller(token)
        desk.limits.count_client(token, now)
        try:
            return _answered(desk, strict.load(Said, strict.parse(message.body)), message.id, now)
        except Refused as error:
            found = problems.described(error)
            # To a sender of webhooks 410 says that the address is gone: it would never send anything again.
            raise replace(found, status=409) if found.status == 410 else found from None


def _proven(desk: Desk, client: str, now: datetime) -> tuple[Token, webhooks.Message]:
    """The message, and the token whose secret signed it. 401 for anything else; nobody's body is read for nothing."""
    key = desk.hook_key()
    with desk.journal.reading() as view:
        live = view.live_tokens(client, now)
    secrets = [(token, secret) for token in live if (secret := auth.webhook_secret(token, key))]
    body = b"".join(received(request.stream, MAX_BODY, None)) if secrets else b""
    try:
        said = {name.lower(): value for name, value in request.headers.items()}
        message = webhooks.received(said, body, int(now.timestamp()))
    except webhooks.NotProven as error:
        raise unauthorized("webhook_invalid", f"{error}.") from None
    for token, secret in secrets:
        if message.is_by(secret):
            return token, message
    detail = f"{client!r:.64} has no live webhook secret that signed this message; `token new --webhook` makes one."
    raise unauthorized("webhook_invalid", detail)


def _answered(desk: Desk, said: Said, identity: str, now: datetime) -> Response:
    if not isinstance(name := said.data.get("name"), str):
        raise strict.Malformed("data.name", "must be the name of a project")
    if said.type == STATE:
        auth.admit(g.caller, "project_state", {"name": name}, request.remote_addr)
        return states.answered(desk, strict.load(r.Wanted, {**said.data, "name": names.normalise(name)}, "data"), now)
    if said.type not in TYPES:
        known = ", ".join(sorted({*TYPES, STATE}))
        raise strict.Malformed("type", f"must be one of {known}, not {said.type!r:.40}")
    data = {**said.data}
    number = sequence_door.taken_from(data, "data")
    item = batches.admitted(*TYPES[said.type], data, "data")
    changes.check(desk, item.request, now)
    if is_preview():
        return changes.foreseen(desk, item, now)
    asking = intake.Sender(f"client:{g.caller.token.client}", identity, item.expected)
    return changes.taken(desk, item.request, number, asking, now)
