"""The console's frame: one blueprint, one gate before every page, and the headers that every answer bears.

Nothing here runs in a browser: pages are HTML and one style sheet, and the content security policy lets nothing else be
loaded or run, whatever a name or a reason holds.
"""

from typing import Final

from flask import Blueprint, Flask, Response, g, redirect, request, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from jinja2 import StrictUndefined
from werkzeug.wrappers import Response as WerkzeugResponse

from repo_service.console import (
    ceremonies,
    doors,
    events,
    holds,
    log,
    lookup,
    overview,
    pages,
    policies,
    sessions,
    signing_in,
)
from repo_service.console.console import Console
from repo_service.web import auth, problems
from repo_service.web.auth import Caller
from repo_service.web.problems import NOTHING_WRITTEN, Problem

MAX_FORM: Final = 1 << 16
"""Bytes of a form that a page sends."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a form could not show over TLS that it comes from here
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def register(app: Flask, console: Console) -> None:
    """Hang the console into the application, behind its own gate."""
    sessions.configure(app, console.secret)
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)  # the gate checks; a session has an end
    csrf = CSRFProtect(app)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    pages.furnish(app, console.for_all)
    app.register_blueprint(blueprint(console, csrf))


def blueprint(console: Console, csrf: CSRFProtect) -> Blueprint:
    """Every page below ``/console``."""
    routes = Blueprint(
        auth.CONSOLE, __name__, url_prefix=doors.PREFIX, template_folder="templates", static_folder="static"
    )
    _gate(routes, console, csrf)
    problems.register(routes, pages.problem)
    routes.register_error_handler(CSRFError, lambda error: pages.problem(_forged(error)))
    routes.after_request(_sealed)
    for each in (signing_in, overview, lookup, events, holds, policies, ceremonies, log):
        each.register(routes, console)
    return routes


def _gate(routes: Blueprint, console: Console, csrf: CSRFProtect) -> None:
    @routes.before_request
    def admit() -> WerkzeugResponse | None:
        page, now = (request.endpoint or "").removeprefix(f"{auth.CONSOLE}."), console.desk.clock()
        g.caller = None
        if page == "static":
            return None  # for all, and not to be what ends a session: the page that does says so
        request.max_content_length = MAX_FORM
        csrf.protect()  # every form, also that of signing in
        g.was_somebody = sessions.has_somebody()
        token = sessions.holder(console.desk.journal, now)
        if token is None:
            return _nobody(page, console.for_all)
        g.caller = Caller(token)
        console.desk.limits.count_client(token, now)
        if page not in doors.OPEN:
            auth.permit(g.caller, page, doors.PAGES.get(page), request.view_args or {}, request.remote_addr)
        return None


def _nobody(page: str, for_all: frozenset[str]) -> WerkzeugResponse | None:
    """What is for all is shown. Any other page is asked for again after signing in; what was to be changed is not."""
    is_entrance = page == "sign_in"
    if page in for_all and not is_entrance:
        return None
    if request.method not in ("GET", "HEAD"):
        detail = f"Sign in, and send it again. {NOTHING_WRITTEN}"
        raise Problem(401, "session_missing", "You are not signed in", detail)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        # Along a link from elsewhere a strict cookie is not sent; it is, once the page asks for itself again.
        return pages.page("again.html", where=_asked_for())
    if is_entrance:
        return None
    return redirect(url_for("console.sign_in", next=_asked_for(), ended="1" if g.was_somebody else None))


def _asked_for() -> str:
    return request.full_path.removesuffix("?")


def _forged(error: CSRFError) -> Problem:
    detail = f"{error.description} Open the page again, and send the form from there. {NOTHING_WRITTEN}"
    return Problem(400, "form_stale", "This form cannot be used", detail)


def _sealed(response: Response) -> Response:
    response.headers.update(HEADERS)
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response
