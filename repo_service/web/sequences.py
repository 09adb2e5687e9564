"""Numbered requests at the door: what became of each, which projects wait, and giving a missing number up."""

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, Response

from keys import names, strict
from keys.encoding import compact
from repo_service.accepting import sequences
from repo_service.accepting.sequences import RefusedInTurn
from repo_service.storage.deliveries import Delivery, Gap
from repo_service.storage.view import View
from repo_service.web.desk import Desk, body_of_change
from repo_service.web.problems import reason

FIELD: Final = "source_seq"


@dataclass(frozen=True, slots=True)
class Skip:
    """Wait no longer for any number up to ``through``."""

    name: str
    through: int

    def __post_init__(self) -> None:
        if self.through < 1:
            raise strict.Malformed("through", f"is the last number that will not come; it is {self.through}")


def register(app: Flask, desk: Desk) -> None:
    """``skip``."""

    @app.post("/v1/projects/<name>/skip")
    def skip(name: str) -> Response:
        asked = strict.load(Skip, {**body_of_change(), "name": names.normalise(name)})
        last = sequences.skip(desk.journal, asked.name, asked.through, desk.clock())
        desk.bell.ring()
        return Response(compact({"name": asked.name, "last": last}), 200, content_type="application/json")


def taken_from(body: dict[str, Any], where: str = "") -> int | None:
    """The number of a request, taken out of its body. Malformed if it is none."""
    number = body.pop(FIELD, None)
    if number is not None and type(number) is not int:
        raise strict.Malformed(f"{where}.{FIELD}".lstrip("."), f"must be a whole number, not {number!r:.40}")
    return number


def receipt(view: View, delivery: Delivery) -> dict[str, Any]:
    """What became of a numbered request that made no events: it waits, or it was refused when its turn came."""
    waiting = {"waits_for": (view.sequence(delivery.name) or 0) + 1} if delivery.state == "held" else {}
    refused = RefusedInTurn(delivery) if delivery.state == "refused" else None
    said = {"reasons": [*map(reason, refused.refusal.reasons)], **refused.said} if refused else {}
    return {
        "change": delivery.id,
        "name": delivery.name,
        "serial": None,
        "changed": False,
        "status": delivery.state,
        FIELD: delivery.source_seq,
        "signed_in": None,
        "warnings": [],
        **waiting,
        **said,
    }


def waiting(view: View) -> tuple[int, Gap | None]:
    """How many requests wait for a number, and the project that has waited longest."""
    gaps = view.gaps()
    return sum(gap.held for gap in gaps), gaps[0] if gaps else None
