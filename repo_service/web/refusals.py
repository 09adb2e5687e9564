"""What was refused to whom, for those who look after the registry. It is kept for a while and never signed."""

from typing import Any

from flask import Flask, Response, request

from keys import names
from keys.encoding import compact
from keys.strict import Malformed
from repo_service.storage.journal import Journal
from repo_service.storage.refusals import Attempt
from repo_service.web.problems import reason

PAGE = 100


def register(app: Flask, journal: Journal) -> None:
    """``GET /v1/refusals``: the newest first; with ``after=next``, those before them."""

    @app.get("/v1/refusals")
    def refusals() -> Response:
        if unknown := sorted(request.args.keys() - {"name", "after"}):
            raise Malformed(unknown[0], "is not known here; known are after, name")
        name, after = request.args.get("name"), request.args.get("after")
        with journal.reading() as view:
            found = view.refusals(names.normalise(name) if name is not None else None, after, PAGE)
        follow = found[-1].id if len(found) == PAGE else None
        body = {"refusals": [_described(each) for each in found], "next": follow}
        return Response(compact(body), 200, content_type="application/json")


def _described(attempt: Attempt) -> dict[str, Any]:
    return {
        "refusal": attempt.id,
        "at": attempt.at,
        "client": attempt.client,
        "verb": attempt.verb,
        "name": attempt.name,
        "version": attempt.version,
        "by": attempt.by,
        "reasons": [reason(why) for why in attempt.reasons],
        "policy": attempt.policy,
    }
