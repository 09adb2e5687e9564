"""The way in and out: a person pastes a token, and gets a session."""

import logging
from typing import Final

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from repo_service.console import doors, sessions
from repo_service.console.console import Console
from repo_service.console.pages import NAV, page
from repo_service.web import auth
from repo_service.web.auth import Caller
from repo_service.web.problems import Problem

logger: Final = logging.getLogger(__name__)
_SAID: Final = {
    "auth_malformed": "This is no token. It begins with tally_ and has 66 characters; paste the whole of it.",
    "auth_unknown": "There is no such token here. Paste it as it was shown, once, when it was made.",
}
"""What a person at the form is told instead of what a program is."""


def register(routes: Blueprint, console: Console) -> None:
    """The first page, signing in and signing out."""
    desk = console.desk

    @routes.get("")  # else Flask would say so itself, and behind a proxy with http://
    @routes.get("/")
    def home() -> WerkzeugResponse:
        first = next((name for name, _ in NAV if doors.offered(name, g.caller, console.for_all)), "sign_in")
        return redirect(url_for(f"console.{first}"))

    @routes.get("/sign-in")
    def sign_in() -> WerkzeugResponse:
        if g.caller is not None:
            return redirect(_onwards(request.args.get("next")))
        return _asked(None, 200)

    @routes.post("/sign-in")
    def sign_in_here() -> WerkzeugResponse:
        now = desk.clock()
        desk.limits.count_sign_in(request.remote_addr, now)
        try:
            token = auth.known(desk.journal, request.form.get("token", "").strip(), now)
            auth.permit(Caller(token), "sign_in", doors.STAFF, {}, request.remote_addr)
        except Problem as error:
            g.problem = error.code  # for the metrics
            logger.info("sign-in refused", extra={"code": error.code, "peer": request.remote_addr})
            return _asked(_SAID.get(error.code, error.detail), error.status)
        sessions.begin(token, now)
        logger.info("signed in", extra={"client": token.client, "token": token.id})
        return redirect(_onwards(request.form.get("next")), 303)

    @routes.post("/sign-out")
    def sign_out() -> WerkzeugResponse:
        sessions.end()
        return redirect(url_for("console.sign_in"), 303)

    @routes.get("/<path:nothing>")
    def nowhere(nothing: str) -> Response:
        raise Problem(404, "not_found", "Not found", f"There is no page /console/{nothing:.80} here.")


def _asked(error: str | None, status: int) -> Response:
    onwards = request.values.get("next", "")
    return page("sign_in.html", status, error=error, onwards=onwards, ended="ended" in request.args)


def _onwards(where: str | None) -> str:
    """Where somebody wanted to go, if that is a page of ours; never to another site."""
    inside = where is not None and where.startswith(f"{doors.PREFIX}/") and where.isprintable()
    return where if where and inside else url_for("console.overview")
