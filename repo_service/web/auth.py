"""Who is asking, and may they: opaque bearer tokens ``tally_<id>_<secret>`` or signatures, roles, and scopes.

256 random bits need no slow hash. Everything is denied that a table here does not allow.
"""

import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from werkzeug import Request

from keys import webhooks
from keys.encoding import sha256
from keys.names import normalise
from keys.state import ActorClass
from keys.times import moment
from repo_service.storage.journal import Journal
from repo_service.storage.tokens import Scope, Token
from repo_service.web import signatures
from repo_service.web.problems import NOTHING_WRITTEN, Problem, unauthorized

Permission = Literal["change", "upload", "read", "status", "audit", "halt", "skip"]


@dataclass(frozen=True, slots=True)
class Role:
    """What a role's tokens may ask for, and as which classes of actor they may change something."""

    may: frozenset[Permission]
    acts_as: frozenset[ActorClass] = frozenset()


_WRITING: Final[frozenset[Permission]] = frozenset({"change", "upload", "read", "status"})
ROLES: Final[dict[str, Role]] = {
    "registry": Role(_WRITING | {"skip"}, frozenset({"owner", "support", "system"})),
    "moderator": Role(frozenset({"change", "read", "status", "audit"}), frozenset({"moderator"})),
    "admin": Role(
        _WRITING | {"audit", "halt", "skip"}, frozenset({"owner", "support", "system", "moderator", "admin"})
    ),
    "auditor": Role(frozenset({"read", "status", "audit"})),
    "prober": Role(frozenset({"status"})),
}
ROUTES: Final[dict[str, Permission]] = {
    "release_verb": "change",
    "file_verb": "change",
    "project_verb": "change",
    "name_verb": "change",
    "namespace_verb": "change",
    "batch": "change",
    "hook": "change",
    "revoke_holder": "change",
    "acknowledge": "change",
    "upload": "upload",
    "change": "read",
    "name": "read",
    "history": "read",
    "available": "read",
    "events": "read",
    "due": "read",
    "takedowns": "read",
    "osv": "read",
    "status": "status",
    "metrics": "status",
    "flags_set": "read",
    "flag_verb": "halt",
    "skip": "skip",
    "project_state": "change",
    "eligibility": "change",
    "refusals": "audit",
    "policy": "read",
    "policy_version": "read",
}
"""What each route of the API needs. A route that is not here is open to nobody."""
OPEN: Final = frozenset({"openapi", "healthz", "readyz"})
"""Routes that say nothing about what is in this registry, and so are open to everybody."""
PROVEN_WITHIN: Final = frozenset({"hook"})
"""Routes that find out themselves who asks, by what signs the body; of its parts each is admitted by itself."""
CONSOLE: Final = "console"
"""The blueprint for people, whose callers have a session: it admits by a table of its own (console/doors.py), which is
as closed as this one.
"""
_NAMES_ITSELF: Final = frozenset({"change", "status", "acknowledge", "policy", "policy_version", "metrics"})
"""Routes about names that body or answer tell, or about none. Any other without a name in its path is about all."""
_PARTS: Final = frozenset({"batch"})
"""Routes that hold several requests; each of them is admitted by itself, as the route that it would have come by."""
_FORM: Final = re.compile(r"Bearer tally_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``body`` is the SHA-256 that the request's body must have, where the caller signed it."""

    token: Token
    body: str | None = None


def new_token(role: str, client: str, expires: str, scope: Scope = Scope()) -> tuple[str, Token]:  # noqa: B008 - frozen
    """A fresh token: the secret text, shown once, and the record to keep."""
    assert role in ROLES, role
    identifier, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return f"tally_{identifier}_{secret}", Token(identifier, client, role, expires, scope, sha256(secret.encode()))


def new_key(role: str, client: str, expires: str, public: str, scope: Scope = Scope()) -> Token:  # noqa: B008 - frozen
    """The record of a public key (PEM) that signs a client's requests instead of a secret."""
    assert role in ROLES, role
    return Token(secrets.token_hex(8), client, role, expires, scope, public=public)


def new_webhook(role: str, client: str, expires: str, key: bytes, scope: Scope = Scope()) -> tuple[str, Token]:  # noqa: B008 - frozen
    """A fresh secret that signs a client's messages, shown once, and the record to keep. It is made of the service's
    ``key`` and the record's id, so that nobody finds it in the database.
    """
    assert role in ROLES, role
    identifier = secrets.token_hex(8)
    secret = webhooks.written(webhooks.derived(key, identifier))
    return secret, Token(identifier, client, role, expires, scope, sha256(secret.encode()))


def webhook_secret(token: Token, key: bytes | None) -> bytes | None:
    """The secret of a webhook's token; None if the token is no webhook's, or another key's."""
    if key is None or token.sha256 is None:
        return None
    secret = webhooks.derived(key, token.id)
    return secret if hmac.compare_digest(sha256(webhooks.written(secret).encode()), token.sha256) else None


def authenticate(journal: Journal, request: Request, url: str, now: datetime) -> Caller:
    """Who sent this request, by a token or by a signature. 401 for anything else, whatever it is."""
    header = request.headers.get("Authorization")
    if not signatures.is_signed(request):
        return Caller(_live(_bearer(journal, header), now))
    if header is not None:
        raise unauthorized("auth_malformed", "Send a signature or an Authorization header, not both.")
    signed = signatures.verify(journal, request, url, now)
    return Caller(_live(signed.token, now), signed.body)


def known(journal: Journal, secret: str, now: datetime) -> Token:
    """The token of this text, as a person pastes it. 401 for anything else."""
    return _live(_bearer(journal, f"Bearer {secret}"), now)


def still_known(journal: Journal, identifier: str, now: datetime) -> Token | None:
    """The token of this id while it is good; None from the moment on at which it is revoked or expired."""
    with journal.reading() as view:
        token = view.token(identifier)
    return token if token is not None and token.is_live(now) else None


def admit(caller: Caller, route: str, asked: Mapping[str, Any], peer: str | None) -> None:
    """403 unless the caller's role and scope allow this route, with what its path asks for, from this address."""
    permit(caller, route, ROUTES.get(route), asked, peer)


def permit(caller: Caller, route: str, needed: Permission | None, asked: Mapping[str, Any], peer: str | None) -> None:
    """As ``admit``, for a table of another room: None stands for a route that it does not list."""
    token = caller.token
    if needed is None:
        raise _forbidden("route_closed", f"No role may use {route}.", route)
    if needed not in ROLES[token.role].may:
        able = _roles(name for name, role in ROLES.items() if needed in role.may)
        detail = f"{_who(token)} has the role {token.role}; the permission {needed} needs {able}."
        raise _forbidden("role_insufficient", detail, needed)
    if not token.scope.holds_address(peer):
        allowed = " or ".join(token.scope.networks or ())
        raise _forbidden("caveat_ip", f"{_who(token)} is good from {allowed} only, not from {peer}.", peer)
    if route in _PARTS:
        return
    action = asked.get("verb", needed)
    if token.scope.actions is not None and action not in token.scope.actions:
        may = ", ".join(token.scope.actions)
        raise _forbidden("caveat_action", f"{_who(token)} may {may}; this needs {action!r:.40}.", action)
    if route not in _NAMES_ITSELF:
        authorise_name(caller, asked.get("name"))


def authorise_name(caller: Caller, name: str | None) -> None:
    """403 unless the token's scope holds this name; None stands for all names."""
    token = caller.token
    if token.scope.names is not None and (name is None or not token.scope.holds_name(normalise(name))):
        held = ", ".join(token.scope.names)
        detail = f"{_who(token)} is for the names under {held}; {name or 'every name'} is not among them."
        raise _forbidden("caveat_project", detail, name)


def authorise_actor(caller: Caller, actor: ActorClass) -> None:
    """403 unless the token's role may act as this class."""
    token = caller.token
    if actor not in ROLES[token.role].acts_as:
        able = _roles(name for name, role in ROLES.items() if actor in role.acts_as)
        detail = f"{_who(token)} has the role {token.role}; to act as {actor} needs {able}."
        raise _forbidden("role_insufficient", detail, actor)


def _bearer(journal: Journal, header: str | None) -> Token:
    if header is None:
        detail = "Send `Authorization: Bearer tally_…`; `tallystick-service token new` makes one."
        raise unauthorized("auth_missing", detail)
    match = _FORM.fullmatch(header)
    if match is None:
        raise unauthorized("auth_malformed", "The Authorization header is not `Bearer tally_<id>_<secret>`.")
    with journal.reading() as view:
        token = view.token(match[1])
    digest = sha256(match[2].encode())
    if token is None or token.sha256 is None or not hmac.compare_digest(token.sha256, digest):
        raise unauthorized("auth_unknown", "No such token.")
    return token


def _live(token: Token, now: datetime) -> Token:
    if token.revoked is not None:
        raise unauthorized("token_revoked", f"{_who(token)} was revoked at {token.revoked}.")
    if now >= moment(token.expires):
        raise unauthorized("token_expired", f"{_who(token)} expired at {token.expires}.")
    return token


def _who(token: Token) -> str:
    return f"The token {token.id} of {token.client!r}"


def _roles(able: Iterable[str]) -> str:
    """The roles that can, for people."""
    named = sorted(able)
    return f"a token of the role {' or '.join(named)}" if named else "what no token has"


def _forbidden(code: str, detail: str, missing: str | None) -> Problem:
    return Problem(403, code, "The token may not do so", f"{detail} {NOTHING_WRITTEN}", {"missing": missing})
