"""Which policy judges, which ones come and what they change, and how far each rule has come."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import Flask, Response

from keys import strict
from keys.encoding import compact
from keys.times import moment
from repo_service.domain.announcing import Published, differences, in_force
from repo_service.domain.policy import RULES, Policy, enforced_from, phase
from repo_service.storage.journal import Journal
from repo_service.web.problems import Problem


def register(app: Flask, journal: Journal, clock: Callable[[], datetime]) -> None:
    """``GET /v1/policy`` and ``GET /v1/policy/NAME/VERSION``."""

    @app.get("/v1/policy")
    def policy() -> Response:
        now = clock()
        with journal.reading() as view:
            published = view.policies()
        judging = in_force(published, now)
        coming = [each for each in published if moment(each.effective_from) > now]
        body = {
            "in_force": next(_announced(each) for each in reversed(published) if each.policy == judging),
            "rules": [_rule(judging, code, now) for code in sorted(RULES)],
            "coming": [
                {**_announced(each), "differences": [asdict(found) for found in differences(judging, each.policy)]}
                for each in coming
            ],
        }
        return Response(compact(body), 200, content_type="application/json")

    @app.get("/v1/policy/<name>/<version>")
    def policy_version(name: str, version: str) -> Response:
        with journal.reading() as view:
            found = next((each for each in view.policies() if each.policy.id == f"{name}/{version}"), None)
        if found is None:
            detail = f"No policy {name:.80}/{version:.20} was ever published; GET /v1/policy says which one judges."
            raise Problem(404, "policy_unknown", "Not found", detail)
        return Response(found.body, 200, content_type="application/json")  # as it is signed at found.path


def _announced(published: Published) -> dict[str, Any]:
    policy = published.policy
    return {
        "id": policy.id,
        "published_at": published.published_at,
        "effective_from": published.effective_from,
        "emergency": policy.emergency,
        "target": published.path,
    }


def _rule(policy: Policy, code: str, now: datetime) -> dict[str, Any]:
    """``enforced_from``: when a rule that does not refuse yet will, if that is settled."""
    steps = next((each.steps for each in policy.phases if each.code == code), ())
    return {
        "code": code,
        "demands": RULES[code],
        "phase": phase(policy, code, now),
        "enforced_from": enforced_from(policy, code, now),
        "steps": strict.dump(steps),
    }
