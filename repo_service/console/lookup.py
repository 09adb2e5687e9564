"""A name: what a stranger can verify of it, beside what the journal says; and everything that ever happened to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from keys import layout, page
from keys.encoding import sha256
from keys.names import InvalidName, normalise
from keys.state import Mark, NameState, Reason
from repo_service.build.metadata import metadata_path
from repo_service.console import pages, words
from repo_service.console.console import Console
from repo_service.console.proving import Proven, Prover, Unproven
from repo_service.domain import changes as c
from repo_service.domain import deadlines, flags
from repo_service.domain.evolve import evolve
from repo_service.monitor.saying import happened
from repo_service.storage.searching import Search, Signature, Told
from repo_service.storage.view import View
from repo_service.web.problems import Problem
from repo_service.web.reading import number

SHOWN: Final = 50
"""Events on one page of a timeline."""
RELEASES: Final = 200
"""Releases on a page: the newest."""
_FOLDED: Final = 500
"""Events of a name of which the generation of each is worked out; with more, it is said for the whole name."""
Agreement = Literal["same", "ahead", "differs", "unknown"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: what happened, and what signs it. ``generation`` is the name's then, if it is known;
    ``begins`` says that it is another than before.
    """

    serial: int
    at: str
    by: str
    type: str
    happened: str
    kind: words.Kind
    reason: Reason | None
    policy: str
    signed: Signature | None
    generation: int | None = None
    begins: bool = False


def register(routes: Blueprint, console: Console) -> None:
    """The pages."""
    journal, clock = console.desk.journal, console.desk.clock
    prover = Prover(console.desk.depot, lambda: _first_root(console), clock, console.make_updater)

    @routes.get("/names")
    def names() -> Response | WerkzeugResponse:
        asked = request.args.get("name", "").strip()
        if not asked:
            return pages.page("names.html", asked="", error=None)
        try:
            normal = normalise(asked)
        except InvalidName as error:
            return pages.page("names.html", 422, asked=asked[:200], error=str(error))
        return redirect(url_for("console.name", name=normal), 303)

    @routes.get("/names/<name>")
    def name(name: str) -> Response | WerkzeugResponse:
        if (normal := normalise(name)) != name:
            return redirect(url_for("console.name", name=normal), 301)
        found, now = prover.prove(normal), clock()
        with journal.reading() as view:
            said = view.name(normal).state if g.caller else None
            due = _due(view, _shown(found, said), now)
        return pages.page(
            "name.html", name=normal, found=found, proven=isinstance(found, Proven), state=_shown(found, said),
            said=said, agreement=agreement(found, said), due=due, now=now, words=words, most=RELEASES,
        )  # fmt: skip

    @routes.get("/names/<name>/timeline")
    def timeline(name: str) -> Response | WerkzeugResponse:
        if (normal := normalise(name)) != name:
            return redirect(url_for("console.timeline", name=normal), 301)
        found, now = prover.prove(normal), clock()
        before = number("before", request.args["before"]) if "before" in request.args else None
        with journal.reading_with(Search) as view:
            said, told = view.name(normal).state, view.history(normal, before, SHOWN)
            generations = _generations(view, normal)
            due = _due(view, _shown(found, said if g.caller else None), now)
        listed = entries(told.events, generations)
        if g.caller is None:
            listed = for_all(listed, found)
        if not listed and before is None:
            detail = f"Nothing {'' if g.caller else 'signed '}is known of {normal} here. Check the spelling."
            raise Problem(404, "name_unknown", "No such name", detail)
        return pages.page(
            "timeline.html", name=normal, entries=listed, more=told.before, before=before, due=due, state=said,
            found=found, proven=isinstance(found, Proven), now=now,
        )  # fmt: skip


def agreement(found: Proven | Unproven, said: NameState | None) -> Agreement:
    """Whether clients verify what the journal says, or what it said some events ago."""
    if isinstance(found, Unproven):
        return "unknown"
    verified, accepted = (found.state.serial if found.state else 0), (said.serial if said else 0)
    if verified < accepted:
        return "ahead"
    same = verified == accepted and (said is None or sha256(page.render(said)) == found.sha256)
    return "same" if same else "differs"


def _shown(found: Proven | Unproven, said: NameState | None) -> NameState | None:
    """What the rest of a page is about: what is verified, and only for who is signed in what is not."""
    if isinstance(found, Proven) and found.state is not None:
        return found.state
    return said


def _first_root(console: Console) -> bytes | None:
    with console.desk.journal.reading() as view:
        return view.file(metadata_path(layout.ROOT, 1))


def _due(view: View, state: NameState | None, now: datetime) -> list[tuple[datetime, str]]:
    if state is None:
        return []
    found = deadlines.deadlines(state, view.policy(now), flags.pauses(view.flags(), now))
    return words.coming(found)


def _generations(view: Search, name: str) -> Mapping[int, int]:
    """The generation after each event, by its serial; nothing for a name of too many, or whose first ones are lost."""
    events = view.events(name, limit=_FOLDED + 1)
    found, folded = dict[int, int](), c.Name(name, None, None)
    if len(events) > _FOLDED or view.first_serial(name) != 1:
        return found
    for serial, event in enumerate(events, 1):
        folded = evolve(folded, event)
        assert folded.state is not None, "an event leaves a state"
        found[serial] = folded.state.generation
    return found


def entries(told: Sequence[Told], generations: Mapping[int, int]) -> list[Entry]:
    """Events as lines of a timeline."""
    return [_entry(each, generations) for each in told]


def _entry(told: Told, generations: Mapping[int, int]) -> Entry:
    event, kind = told.event, c.type_of(told.event.change)
    generation, before = generations.get(told.serial), generations.get(told.serial - 1)
    return Entry(
        told.serial, event.at, event.by, kind, happened(event.change), words.loudness(kind), event.reason, event.policy,
        told.signed, generation, before is not None and generation != before,
    )  # fmt: skip


def for_all(listed: Sequence[Entry], found: Proven | Unproven) -> list[Entry]:
    """What everybody may see: what is verified. A reason is shown as the signed page says it, and not otherwise."""
    state = found.state if isinstance(found, Proven) else None
    if state is None:
        return []
    marks: dict[int, Mark] = {act.serial: act.mark for act in state.history}
    return [
        replace(each, reason=marks[each.serial].reason if each.serial in marks else None)
        for each in listed
        if each.serial <= state.serial and each.signed is not None and each.signed.published
    ]
