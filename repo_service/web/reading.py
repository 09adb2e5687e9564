"""What a registry's own programs read: the feed of events, a name's history, whether a name is free.

The feed holds what is signed, in the order in which it came into force. A history also shows what is not signed yet.
"""

from collections.abc import Callable
from datetime import datetime

from flask import Flask, Response, request

from keys import layout, names, strict
from keys.encoding import compact
from repo_service import roots
from repo_service.domain import changes as c
from repo_service.domain.availability import availability
from repo_service.domain.notices import horizon, notices
from repo_service.storage.journal import Journal
from repo_service.web import answers
from repo_service.web.problems import Problem

MAX_EVENTS = 1000


def register(app: Flask, journal: Journal, clock: Callable[[], datetime]) -> None:
    """The reading routes below ``/v1``."""

    @app.get("/v1/events")
    def events() -> Response:
        generation, _, seq = request.args.get("after", "0-0").partition("-")
        after = _number("after", generation), _number("after", seq)
        with journal.reading() as view:
            found = view.signed_events(after, min(_number("limit", request.args.get("limit", "1000")), MAX_EVENTS))
        listed = [_event(event, generation) for generation, event in found]
        # Always there, also at the end: ask again from it and nothing is missed, nothing comes twice.
        follow = f"{listed[-1].signed_in}-{listed[-1].seq}" if listed else request.args.get("after", "0-0")
        return _json(answers.Feed(tuple(listed), follow))

    @app.get("/v1/names/<name>/history")
    def history(name: str) -> Response:
        normal = names.normalise(name)
        with journal.reading() as view:
            found = view.events(normal, limit=MAX_EVENTS)
            signed = view.signing(event.seq for event in found)
        if not found:
            raise Problem(404, "name_unknown", "Not found", f"{normal} is not known to this registry.")
        return _json(answers.History(normal, tuple(_event(event, signed.get(event.seq)) for event in found)))

    @app.get("/v1/names/<name>/availability")
    def available(name: str) -> Response:
        normal = names.normalise(name)
        with journal.reading() as view:
            held = roots.held_names(view.newest(layout.TARGETS))
            found = availability(normal, view.name(normal).state, held)
            base, page = view.base(), view.target(names.page_path(normal))
        proof = answers.Proof(
            target=names.page_path(normal),
            sha256=page.sha256 if page else None,  # None: absence, which the one bin of this path proves
            snapshot=base.snapshot[0] if base.snapshot else None,
            timestamp=base.generation,
        )
        return _json(answers.Available(found.name, found.standing, found.sentence, found.until, proof))

    @app.get("/v1/notices")
    def due() -> Response:
        now = clock()
        with journal.reading() as view:
            policy = view.policy(now)
            states = view.states(view.due(now + horizon(policy)))
        listed = [each for state in states.values() for each in notices(state, policy, now)]
        return _json(answers.Notices(tuple(sorted(listed, key=lambda each: each.due_at))))


def _event(event: c.Event, generation: int | None) -> answers.Event:
    """The public part of an event; accounts stay inside."""
    return answers.Event(
        seq=event.seq,
        name=event.name,
        at=event.at,
        by=event.by,
        type=c.type_of(event.change),
        reason=event.reason,
        policy=event.policy,
        change=event.change,
        signed_in=generation,
    )


def _number(parameter: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise strict.Malformed(parameter, f"must be a whole number, not {text!r:.40}")
    return int(text)


def _json(body: object) -> Response:
    return Response(compact(strict.dump(body)), 200, content_type="application/json")
