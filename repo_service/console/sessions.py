"""Sessions of people: a signed cookie that names a token, which is looked up again for each page.

So whoever revokes the token ends the session with the next click. The cookie holds no secret of the token. Signing out
forgets it in this browser; a copy of it elsewhere ends with the token, or with time.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from flask import Flask, session
from flask.sessions import SecureCookieSessionInterface

from keys.times import moment, stamp
from repo_service.storage.journal import Journal
from repo_service.storage.tokens import Token
from repo_service.web import auth

COOKIE: Final = "__Host-tallystick"
"""A browser takes a cookie of this prefix from this very host alone, over TLS or from its own machine."""
IDLE: Final = timedelta(minutes=30)
"""A session ends so long after its last page,"""
WHOLE: Final = timedelta(hours=12)
"""and so long after it began."""
_SEEN_EVERY: Final = timedelta(minutes=1)


class Sessions(SecureCookieSessionInterface):
    """Flask's, by HMAC with SHA-256. No answer but the console's asks for a session, so none else sets a cookie."""

    digest_method = staticmethod(hashlib.sha256)


def configure(app: Flask, secret: str) -> None:
    """How the cookie is signed and sent."""
    app.secret_key = secret
    app.session_interface = Sessions()
    app.permanent_session_lifetime = WHOLE
    app.config.update(
        SESSION_COOKIE_NAME=COOKIE, SESSION_COOKIE_PATH="/", SESSION_COOKIE_SECURE=True, SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
    )  # fmt: skip


def begin(token: Token, now: datetime) -> None:
    """Nothing of a session of before stays, nor does a value that it had when nobody was signed in."""
    session.clear()
    session.update(token=token.id, began=stamp(now), seen=stamp(now))


def end() -> None:
    """Forget who it was."""
    session.clear()


def has_somebody() -> bool:
    """Whether somebody signed in here, who may be it no longer: ask before ``holder``, which forgets them then."""
    return "token" in session


def holder(journal: Journal, now: datetime) -> Token | None:
    """The token of this session while both are good, counted as seen now; else None, and the session is empty."""
    try:
        identifier, began, seen = str(session["token"]), moment(session["began"]), moment(session["seen"])
    except (KeyError, TypeError, ValueError):
        return None
    lasts = now < began + WHOLE and now < seen + IDLE
    token = auth.still_known(journal, identifier, now) if lasts else None
    if token is None:
        end()
    elif now - seen >= _SEEN_EVERY:
        session["seen"] = stamp(now)
    return token
