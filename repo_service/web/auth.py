"""Who is asking: opaque bearer tokens ``tally_<id>_<secret>``, of which only SHA-256 is kept.

256 random bits need no slow hash. A role may act as the actor classes of the table and as no other.
"""

import hmac
import re
import secrets
from datetime import datetime
from typing import Final

from keys.encoding import sha256
from keys.state import ActorClass
from keys.times import moment
from repo_service.storage.journal import Journal
from repo_service.storage.view import Token
from repo_service.web.problems import Problem

ROLES: Final[dict[str, frozenset[ActorClass]]] = {
    "registry": frozenset({"owner", "support", "system"}),
    "moderator": frozenset({"moderator"}),
    "admin": frozenset({"owner", "support", "system", "moderator", "admin"}),
}
_FORM: Final = re.compile(r"Bearer tally_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)


def new_token(role: str, label: str, expires: str) -> tuple[str, Token]:
    """A fresh token: the secret text, shown once, and the record to keep."""
    assert role in ROLES, role
    identifier, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return f"tally_{identifier}_{secret}", Token(identifier, sha256(secret.encode()), role, label, expires)


def authenticate(journal: Journal, header: str | None, now: datetime) -> Token:
    """The token in an Authorization header. 401 for anything else, whatever it is."""
    if header is None:
        raise _unauthorized(
            "auth_missing", "Send `Authorization: Bearer tally_…`; `tallystick-service token` makes one."
        )
    match = _FORM.fullmatch(header)
    if match is None:
        raise _unauthorized("auth_malformed", "The Authorization header is not `Bearer tally_<id>_<secret>`.")
    with journal.reading() as view:
        token = view.token(match[1])
    if token is None or not hmac.compare_digest(token.sha256, sha256(match[2].encode())):
        raise _unauthorized("auth_unknown", "No such token.")
    if now >= moment(token.expires):
        raise _unauthorized("token_expired", f"The token {token.label!r} expired at {token.expires}.")
    return token


def authorise(token: Token, actor: ActorClass) -> None:
    """403 unless the token's role may act as this class."""
    if actor not in ROLES[token.role]:
        able = sorted(role for role, classes in ROLES.items() if actor in classes)
        needs = f"a token of the role {' or '.join(able)}" if able else "nobody's token"
        detail = f"The token {token.label!r} has the role {token.role}; to act as {actor} needs {needs}."
        raise Problem(403, "role_insufficient", "The token may not act so", detail)


def _unauthorized(code: str, detail: str) -> Problem:
    return Problem(401, code, "Not authenticated", detail)
