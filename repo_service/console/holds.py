"""Yanks that the brake holds: what waits and why; two admins make it true, one cancels it."""

import re
from datetime import datetime
from typing import Final

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from keys.names import normalise
from repo_service.accepting import approving
from repo_service.accepting.approving import ApprovedAlready, Hold, NotHeld, Seen, TokenGone
from repo_service.accepting.turned_away import TurnedAway
from repo_service.console import pages
from repo_service.console.console import Console
from repo_service.storage.approvals import Approval
from repo_service.storage.searching import Search
from repo_service.web import auth, problems
from repo_service.web.problems import NOTHING_WRITTEN, Problem

_SERIAL: Final = re.compile(r"\d{1,15}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

_SAYS: Final[dict[type[TurnedAway], tuple[int, str, str, str]]] = {
    ApprovedAlready: (409, "approved_already", "It takes another admin", ""),
    NotHeld: (409, "yank_not_held", "No yank waits", " It came into force, or was cancelled."),
    TokenGone: (401, "token_revoked", "Your token is no longer good", " Sign in with another."),
}
"""What only this room turns away: status, code, title, and what to do."""


def register(routes: Blueprint, console: Console) -> None:
    """The pages, and the two things to do."""
    desk = console.desk

    @routes.get("/holds")
    def holds() -> Response:
        now = desk.clock()
        with desk.journal.reading_with(Search) as view:
            found = approving.holds(view, now)
        return pages.page("holds.html", holds=found, now=now)

    @routes.get("/holds/<name>/<version>")
    def hold(name: str, version: str) -> Response:
        return _shown(name, version, desk.clock())

    @routes.post("/holds/<name>/<version>/approve")
    def approve(name: str, version: str) -> Response | WerkzeugResponse:
        now = _admitted("approve", name)
        try:
            done = approving.approve(desk.journal, _seen(name, version), g.caller.token, now)
        except TurnedAway as error:
            return _turned_away(error, name, version, now)
        if isinstance(done, Approval):
            return redirect(url_for("console.hold", name=name, version=version), 303)
        desk.bell.ring()
        return redirect(url_for("console.timeline", name=name), 303)

    @routes.post("/holds/<name>/<version>/cancel")
    def cancel(name: str, version: str) -> Response | WerkzeugResponse:
        now = _admitted("unyank", name)
        try:
            approving.cancel(desk.journal, _seen(name, version), g.caller.token, now)
        except TurnedAway as error:
            return _turned_away(error, name, version, now)
        desk.bell.ring()
        return redirect(url_for("console.timeline", name=name), 303)

    def _admitted(verb: str, name: str) -> datetime:
        """The same doors as the API's: what this token may do, as whom, how often."""
        auth.permit(g.caller, verb, "change", {"verb": verb, "name": name}, request.remote_addr)
        auth.authorise_actor(g.caller, "admin")
        now = desk.clock()
        desk.limits.count_name(normalise(name), now)
        desk.limits.check_pending(desk.journal, now)
        return now

    def _turned_away(error: TurnedAway, name: str, version: str, now: datetime) -> Response:
        why = _described(error)
        g.problem = why.code  # for the log and the metrics
        with desk.journal.reading_with(Search) as view:
            found = approving.hold(view, normalise(name), version, now)
        return pages.page("turned_away.html", why.status, why=why, name=name, version=version, hold=found)

    def _shown(name: str, version: str, now: datetime) -> Response:
        with desk.journal.reading_with(Search) as view:
            found = approving.hold(view, normalise(name), version, now)
        if found is None:
            detail = (
                f"No yank of {name} {version} waits: it came into force, or was cancelled. The timeline says which."
            )
            return pages.page("no_hold.html", 404, name=normalise(name), version=version, detail=detail)
        return pages.page("hold.html", hold=found, now=now, mine=_mine(found), may=_may())


def _described(error: TurnedAway) -> Problem:
    if type(error) not in _SAYS:
        return problems.described(error)
    status, code, title, more = _SAYS[type(error)]
    return Problem(status, code, title, f"{error}.{more} {NOTHING_WRITTEN}")


def _mine(hold: Hold) -> Approval | None:
    """What this admin has approved already."""
    return next((each for each in hold.approvals if each.admin == g.caller.token.client), None)


def _may() -> bool:
    return "admin" in auth.ROLES[g.caller.token.role].acts_as


def _seen(name: str, version: str) -> Seen:
    """What the form says that its sender saw."""
    serial, digest = request.form.get("serial", ""), request.form.get("digest", "")
    if not _SERIAL.fullmatch(serial) or not _DIGEST.fullmatch(digest):
        detail = (
            f"The form does not say what was looked at. Open the page again, and send it from there. {NOTHING_WRITTEN}"
        )
        raise Problem(400, "form_stale", "This form cannot be used", detail)
    return Seen(normalise(name), version, int(serial), digest)
