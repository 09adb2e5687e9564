"""What the registry says of accounts and their contacts: that one is banned, and what became of a notice."""

from dataclasses import dataclass

from flask import Flask, Response, g

from keys import names, strict
from keys.state import Reason
from keys.times import stamp
from repo_service.accepting import intake
from repo_service.domain import flags
from repo_service.domain import requests as r
from repo_service.domain.notices import notices
from repo_service.storage.requestreading import Acknowledged
from repo_service.web import auth
from repo_service.web.desk import Desk, body_of_change, json_answer, sender
from repo_service.web.problems import NOTHING_WRITTEN, Problem
from repo_service.web.receipts import receipts_waited_for


@dataclass(frozen=True, slots=True)
class Ban:
    """The body of the revocation of all that an account has reserved."""

    reason: Reason
    actor: r.Actor


@dataclass(frozen=True, slots=True)
class Told:
    """The body of an acknowledgement: the id of a notice, as it was listed."""

    id: str


def register(app: Flask, desk: Desk) -> None:
    """The routes."""

    @app.post("/v1/holders/<holder>/revoke")
    def revoke_holder(holder: str) -> Response:
        return _revoke_holder(desk, holder)

    @app.post("/v1/notices/<outcome>")
    def acknowledge(outcome: str) -> Response:
        return _acknowledge(desk, outcome)


def _revoke_holder(desk: Desk, holder: str) -> Response:
    """End every reservation of an account that may hold none any more; the projects it has published go on."""
    asked = strict.load(Ban, body_of_change())
    auth.authorise_actor(g.caller, asked.actor.kind)
    now = desk.clock()
    desk.limits.check_pending(desk.journal, now)
    records = intake.revoke_all(desk.journal, holder, asked.reason, asked.actor, intake.Sender(*sender()), now)
    said = receipts_waited_for(desk, records)
    return json_answer({"items": said}, 202 if any(each["status"] == "accepted" for each in said) else 200)


def _acknowledge(desk: Desk, outcome: str) -> Response:
    """The registry says of a notice that it was sent, or that nobody could be reached; asking again changes nothing."""
    if outcome not in ("sent", "failed"):
        raise Problem(404, "verb_unknown", "No such verb", f"{outcome!r:.40} is not sent or failed.")
    asked, now = strict.load(Told, body_of_change()), desk.clock()
    name = names.normalise(asked.id.partition("/")[0])
    auth.authorise_name(g.caller, name)
    said = Acknowledged(asked.id, "sent" if outcome == "sent" else "failed", stamp(now))
    with desk.journal.writing() as pen:
        state = pen.name(name).state
        pauses = flags.pauses(pen.flags(), now)
        if state is None or asked.id not in {each.id for each in notices(state, pen.policy(now), now, pauses)}:
            detail = f"There is no notice {asked.id!r:.200}; GET /v1/notices lists them. {NOTHING_WRITTEN}"
            raise Problem(404, "notice_unknown", "Not found", detail)
        known = pen.acknowledged([asked.id]).get(asked.id)
        if known is None or known.outcome != said.outcome:
            pen.acknowledge(said)
            known = said
    return json_answer(strict.dump(known), 200)
