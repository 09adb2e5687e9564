"""How a page is made: its template, what the head of every page shows, and words for times and lengths."""

from datetime import datetime, timedelta
from typing import Any, Final

from flask import Flask, Response, g, render_template, request
from markupsafe import Markup

from keys.times import moment, stamp
from repo_service.console import doors
from repo_service.operating.status import span
from repo_service.web.problems import Problem

MEDIA_TYPE: Final = "text/html; charset=utf-8"
NAV: Final = (
    ("overview", "Overview"), ("names", "Names"), ("events", "Events"), ("holds", "Holds"), ("policies", "Policies"),
    ("ceremonies", "Keys"), ("log", "Log"),
)  # fmt: skip
"""Pages with a link at the head of every page, in this order."""
UNDER: Final = {"name": "names", "timeline": "names", "hold": "holds", "approve": "holds", "cancel": "holds"}
"""Pages that one of these leads to."""


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page of the console. What is in ``values`` is shown as text, whatever it holds."""
    return Response(render_template(f"console/{template}", **values), status, content_type=MEDIA_TYPE)


def problem(error: Problem) -> Response:
    """A page that says what is wrong."""
    g.problem = error.code  # for the log and the metrics
    response = page("problem.html", error.status, problem=error)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def furnish(app: Flask, for_all: frozenset[str]) -> None:
    """What templates may use, besides what they are given."""
    app.jinja_env.filters.update(at=at, span=span, number=number)

    @app.context_processor
    def head() -> dict[str, Any]:
        caller = g.get("caller")
        shown = [(name, text) for name, text in NAV if doors.offered(name, caller, for_all)]
        here = (request.endpoint or "").removeprefix("console.")
        return {"caller": caller, "nav": shown, "here": UNDER.get(here, here)}


def at(when: datetime | str) -> Markup:
    """A time, or how the journal writes it, as people read it and programs too. Always UTC."""
    read = moment(when) if isinstance(when, str) else when
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M} UTC</time>').format(stamp(read), read)


def number(value: int) -> str:
    """A count with its thousands apart."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def ago(when: datetime, now: datetime) -> str:
    """How long ago a time was."""
    return "just now" if now - when < timedelta(seconds=2) else f"{span(now - when)} ago"
