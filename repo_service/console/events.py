"""Every event, the newest first, by what it is about. Links keep what was asked for."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

from flask import Blueprint, Response, request, url_for

from keys import strict
from keys.names import normalise
from keys.state import ActorClass
from repo_service.console import pages, words
from repo_service.console.console import Console
from repo_service.domain import changes as c
from repo_service.monitor.saying import happened
from repo_service.storage import searching
from repo_service.storage.searching import Found, Search, Wanted
from repo_service.web.reading import number

SHOWN: Final = 50
FIELDS: Final = ("name", "type", "by", "since", "until", "state")
"""What can be asked for."""
CLASSES: Final = get_args(ActorClass)


def register(routes: Blueprint, console: Console) -> None:
    """The page."""

    @routes.get("/events")
    def events() -> Response:
        asked = {field: text for field in FIELDS if (text := request.args.get(field, "").strip())}
        before = number("before", request.args["before"]) if "before" in request.args else None
        try:
            wanted, error = parsed(asked), None
        except ValueError as wrong:
            wanted, error = None, str(wrong)
        found = Found((), None)
        if wanted is not None:
            with console.desk.journal.reading_with(Search) as view:
                found = view.found(wanted, before, SHOWN)
        further: dict[str, Any] = {**asked, "before": found.before}
        older = url_for("console.events", **further) if found.before is not None else None
        return pages.page(
            "events.html", 422 if error else 200, asked=asked, error=error, found=found, older=older, before=before,
            types=[*searching.types()], classes=CLASSES, happened=happened, type_of=c.type_of,
            loudness=words.loudness,
        )  # fmt: skip


def parsed(asked: Mapping[str, str]) -> Wanted:
    """What a form asked for. ValueError for what is no name, type, class or time."""
    for field, known in (("type", c.TYPES), ("by", CLASSES), ("state", ("pending", "signed"))):
        if field in asked and asked[field] not in known:
            raise strict.Malformed(field, f"is not one of {', '.join(sorted(known))}")
    return Wanted(
        name=normalise(asked["name"]) if "name" in asked else None,
        type=asked.get("type"),
        by=asked.get("by"),  # type: ignore[arg-type]  # one of CLASSES
        since=_time("since", asked["since"]) if "since" in asked else None,
        until=_time("until", asked["until"]) if "until" in asked else None,
        state=asked.get("state"),  # type: ignore[arg-type]  # one of the two
    )


_FORMS: Final = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%Y-%m-%d")
"""As browsers send a date and a time, as this console shows them, and as the journal writes them."""


def _time(field: str, text: str) -> datetime:
    found = next(_read(text), None)
    if found is None:
        raise strict.Malformed(field, f"must be a time in UTC such as 2026-11-22T10:00, not {text!r:.40}")
    return found


def _read(text: str) -> Iterator[datetime]:
    for form in _FORMS:
        try:
            yield datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
