"""One route for each verb, one receipt for each accepted change."""

from datetime import datetime

from flask import Flask, Response, g, request

from keys import names, strict
from repo_service.accepting import intake, sequences
from repo_service.domain import requests as r
from repo_service.domain.verbs import FILE_VERBS, NAME_VERBS, NAMESPACE_VERBS, PROJECT_VERBS, RELEASE_VERBS
from repo_service.storage.deliveries import Delivery
from repo_service.storage.requestreading import ChangeRecord
from repo_service.web import auth, conditions, previews
from repo_service.web import sequences as sequence_door
from repo_service.web.desk import Desk, body_of_change, check_blobs, is_preview, json_answer, sender
from repo_service.web.problems import NOTHING_WRITTEN, Problem
from repo_service.web.receipts import receipt, receipts_waited_for


def register(app: Flask, desk: Desk) -> None:
    """The routes that end in a verb."""

    @app.post("/v1/projects/<name>/releases/<version>/<verb>")
    def release_verb(name: str, version: str, verb: str) -> Response:
        return _change(desk, RELEASE_VERBS, verb, name, {"version": version})

    @app.post("/v1/projects/<name>/releases/<version>/files/<filename>/<verb>")
    def file_verb(name: str, version: str, filename: str, verb: str) -> Response:
        return _change(desk, FILE_VERBS, verb, name, {"version": version, "filename": filename})

    @app.post("/v1/projects/<name>/<verb>")
    def project_verb(name: str, verb: str) -> Response:
        return _change(desk, PROJECT_VERBS, verb, name, {})

    @app.post("/v1/names/<name>/<verb>")
    def name_verb(name: str, verb: str) -> Response:
        return _change(desk, NAME_VERBS, verb, name, {})

    @app.post("/v1/namespaces/<name>/<verb>")
    def namespace_verb(name: str, verb: str) -> Response:
        return _change(desk, NAMESPACE_VERBS, verb, name, {})


def _change(desk: Desk, verbs: dict[str, type[r.Request]], verb: str, name: str, path: dict[str, str]) -> Response:
    kind = verbs.get(verb)
    if kind is None:
        detail = f"{verb!r:.40} is not one of {', '.join(sorted(verbs))}. {NOTHING_WRITTEN}"
        raise Problem(404, "verb_unknown", "No such verb", detail)
    body = body_of_change()
    number = sequence_door.taken_from(body)
    asked = strict.load(kind, {**body, **path, "name": names.normalise(name)})
    auth.authorise_actor(g.caller, asked.actor.kind)
    now, expected = desk.clock(), conditions.expected_serial(request.headers)
    check(desk, asked, now)
    if is_preview():
        return foreseen(desk, intake.Item(asked, expected), now)
    asking = intake.Sender(*sender(), expected, conditions.expected_preview(request.headers))
    return taken(desk, asked, number, asking, now)


def check(desk: Desk, asked: r.Request, now: datetime) -> None:
    """Whether the door can take a request now, by how often its name comes, what waits, and which files are here."""
    desk.limits.count_name(asked.name, now)
    desk.limits.check_pending(desk.journal, now)
    check_blobs(desk, asked)


def foreseen(desk: Desk, item: intake.Item, now: datetime) -> Response:
    """What a request would do."""
    found = intake.preview(desk.journal, item, now)
    return conditions.tagged(json_answer(previews.described(found), 200), found.serial)


def taken(desk: Desk, asked: r.Request, number: int | None, asking: intake.Sender, now: datetime) -> Response:
    """Do what is asked, and say what became of it."""
    since = desk.bell.rounds()
    record = _record(desk, asked, number, asking, now)
    if isinstance(record, Delivery):
        return json_answer(receipt(desk, record), 202)
    (said,) = receipts_waited_for(desk, [record], since)
    return conditions.tagged(json_answer(said, 202 if said["status"] == "accepted" else 200), record.serial)


def _record(
    desk: Desk, asked: r.Request, number: int | None, asking: intake.Sender, now: datetime
) -> ChangeRecord | Delivery:
    if number is None:
        return intake.record(desk.journal, asked, asking, now)
    for header, said in (("If-Match", asking.expected), (conditions.PREVIEW, asking.previewed)):
        if said is not None:
            raise strict.Malformed(header, "does not go with source_seq, which puts changes in order already")
    return sequences.record(desk.journal, sequences.Numbered(asked, number), asking, now)
