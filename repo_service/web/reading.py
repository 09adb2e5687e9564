"""What a registry's own programs read: the feed of events, a name's history, whether a name is free.

The feed holds what is signed, in the order in which it came into force. A history also shows what is not signed yet.
"""

from collections.abc import Callable
from datetime import datetime

from flask import Flask, Response, request

from keys import layout, names, skeletons, strict
from keys.encoding import compact
from repo_service.accepting import surroundings
from repo_service.domain import changes as c
from repo_service.domain import flags, naming
from repo_service.domain.availability import availability
from repo_service.domain.foresight import serial_of
from repo_service.domain.notices import gap_notice, notices
from repo_service.publishing import roots
from repo_service.storage.journal import Journal
from repo_service.storage.view import View
from repo_service.web import answers
from repo_service.web.conditions import tagged
from repo_service.web.problems import Problem

MAX_EVENTS = 1000


def register(app: Flask, journal: Journal, clock: Callable[[], datetime]) -> None:
    """The reading routes below ``/v1``."""

    @app.get("/v1/events")
    def events() -> Response:
        generation, _, seq = request.args.get("after", "0-0").partition("-")
        after = number("after", generation), number("after", seq)
        with journal.reading() as view:
            found = view.signed_events(after, min(number("limit", request.args.get("limit", "1000")), MAX_EVENTS))
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
            serial = serial_of(view.name(normal))
        if not found:
            raise Problem(404, "name_unknown", "Not found", f"{normal} is not known to this registry.")
        listed = [_event(event, signed.get(event.seq)) for event in found]
        return tagged(_json(answers.History(normal, tuple(listed))), serial)

    @app.get("/v1/names/<name>/availability")
    def available(name: str) -> Response:
        normal = names.normalise(name)
        with journal.reading() as view:
            held, now = roots.held_names(view.newest(layout.TARGETS)), clock()
            alike = surroundings.alike(view, normal, held)
            objections = naming.in_the_way(normal, view.policy(now), alike, now)
            known = view.name(normal)
            found = availability(normal, known.state, held, objections, alike, view.grants_over(normal))
            head, page, pages = view.head(), _page(view, normal), tuple(_page(view, each) for each in alike)
            # A grant is on the page of its prefix, so every prefix is looked up; the name itself is one of them.
            prefixes = tuple(_page(view, prefix) for prefix in names.prefixes(normal))
        proof = answers.Proof(
            target=page.target,
            sha256=page.sha256,
            alike=pages,
            skeleton=f"{skeletons.FUNCTION}:{skeletons.skeleton(normal)}",
            snapshot=head.snapshot.version if head else None,
            timestamp=head.generation if head else 0,
            namespaces=prefixes,
        )
        available = answers.Available(found.name, found.standing, found.sentence, found.until, found.alike, proof)
        return tagged(_json(available), serial_of(known))

    @app.get("/v1/notices")
    def due() -> Response:
        now = clock()
        with journal.reading() as view:
            policy = view.policy(now)
            states = view.states(view.noticed(now))
            gaps, pauses = view.gaps(), flags.pauses(view.flags(), now)
            listed = [each for state in states.values() for each in notices(state, policy, now, pauses)]
            done = view.acknowledged(each.id for each in listed)
            waiting = [*(each for each in listed if each.id not in done), *view.escalations()]
        waiting += [each for gap in gaps for each in gap_notice(gap.name, gap.waits_for, gap.held, gap.since, now)]
        return _json(answers.Notices(tuple(sorted(waiting, key=lambda each: each.due_at))))


def _page(view: View, name: str) -> answers.PageProof:
    found = view.target(names.page_path(name))
    return answers.PageProof(names.page_path(name), found.sha256 if found else None)


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


def number(parameter: str, text: str) -> int:
    """A whole number of a query; Malformed for anything else."""
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise strict.Malformed(parameter, f"must be a whole number, not {text!r:.40}")
    return int(text)


def _json(body: object) -> Response:
    return Response(compact(strict.dump(body)), 200, content_type="application/json")
