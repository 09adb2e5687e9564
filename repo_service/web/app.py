"""The API for the registry's engineer: one route for each verb, one receipt for each accepted change."""

from flask import Flask, Response, g, request

from keys import names, strict
from repo_service.accepting import intake, uploads
from repo_service.domain.artifacts import BadArtifact
from repo_service.storage.deliveries import Delivery
from repo_service.storage.requestreading import ChangeRecord
from repo_service.web import (
    answers,
    auth,
    batches,
    changes,
    conditions,
    halts,
    holders,
    hooks,
    openapi,
    operating,
    policies,
    previews,
    problems,
    public,
    reading,
    refusals,
    states,
    takedowns,
)
from repo_service.web import sequences as sequence_door
from repo_service.web.desk import Desk, json_answer
from repo_service.web.limits import received
from repo_service.web.problems import Problem
from repo_service.web.receipts import receipt
from repo_service.web.verbs import VERBS


def create_app(desk: Desk) -> Flask:
    """The WSGI application: ``/v1`` for the registry, the rest for everyone."""
    app = Flask(__name__, static_folder=None)
    problems.register(app, problems.problem)
    operating.observe(app, desk)
    app.register_blueprint(public.blueprint(desk.journal, desk.depot, desk.layout))
    _authentication(app, desk)
    changes.register(app, desk)
    batches.register(app, desk)
    hooks.register(app, desk)
    holders.register(app, desk)
    _reading(app, desk)
    reading.register(app, desk.journal, desk.clock)
    takedowns.register(app, desk.journal, desk.url)
    states.register(app, desk)
    sequence_door.register(app, desk)
    halts.register(app, desk)
    refusals.register(app, desk.journal)
    policies.register(app, desk.journal, desk.clock)
    _files(app, desk)
    operating.register(app, desk)
    openapi.register(app, VERBS, desk.url)
    app.wsgi_app = desk.turns.before(app.wsgi_app)  # type: ignore[method-assign,assignment]  # as Flask's documentation has it
    return app


def _authentication(app: Flask, desk: Desk) -> None:
    @app.before_request
    def authenticate() -> None:
        if request.blueprint == public.NAME or (request.endpoint is None and not request.path.startswith("/v1/")):
            return
        if request.endpoint in auth.OPEN | auth.PROVEN_WITHIN or request.blueprint == auth.CONSOLE:
            return
        now = desk.clock()
        g.caller = auth.authenticate(desk.journal, request, desk.url, now)
        desk.limits.count_client(g.caller.token, now)
        if request.endpoint is not None:
            auth.admit(g.caller, request.endpoint, request.view_args or {}, request.remote_addr)


def _reading(app: Flask, desk: Desk) -> None:
    @app.get("/v1/changes/<identifier>")
    def change(identifier: str) -> Response:
        with desk.journal.reading() as view:
            record: ChangeRecord | Delivery | None = view.change(identifier) or view.delivery_by_id(identifier)
        if record is None:
            raise Problem(404, "change_unknown", "Not found", f"There is no change {identifier!r:.64}.")
        auth.authorise_name(g.caller, record.name)
        return json_answer(receipt(desk, record), 200)

    @app.get("/v1/names/<name>")
    def name(name: str) -> Response:
        normal = names.normalise(name)
        with desk.journal.reading() as view:
            state = view.name(normal).state
        if state is None:
            raise Problem(404, "name_unknown", "Not found", f"{normal} is not known to this registry.")
        return conditions.tagged(json_answer(strict.dump(state), 200), state.serial)

    @app.get("/v1/projects/<name>/releases/<version>/unpublish-eligibility", defaults={"verb": "unpublish"})
    def eligibility(name: str, version: str, verb: str) -> Response:
        del verb  # it is for auth.admit: who may not do it is not told either
        asked = previews.unpublishing(name, version, request.args)
        auth.authorise_actor(g.caller, asked.actor.kind)
        found = intake.preview(desk.journal, intake.Item(asked), desk.clock())
        return conditions.tagged(json_answer(previews.described(found), 200), found.serial)

    @app.get("/v1/status")
    def status() -> Response:
        with desk.journal.reading() as view:
            head = view.head()
            held, oldest = sequence_door.waiting(view)
            body = answers.Status(
                **view.counts(),
                held=held,
                oldest_held=oldest,
                timestamp=head.generation if head else 0,
                snapshot=head.snapshot.version if head else 0,
            )
        return json_answer(strict.dump(body), 200)


def _files(app: Flask, desk: Desk) -> None:
    @app.put("/v1/projects/<name>/files/<filename>")
    def upload(name: str, filename: str) -> Response:
        normal = names.normalise(name)
        desk.limits.count_name(normal, desk.clock())
        halts.check_upload(desk.journal)
        with desk.depot.incoming() as draft:
            with draft.open("wb") as file:
                file.writelines(received(request.stream, desk.limits.max_upload, g.caller.body))
            found = uploads.examine(filename, draft)
            if found.artifact.name != normal:
                raise BadArtifact(f"{filename} is a file of {found.artifact.name}, not of {normal}")
            uploads.store(desk.depot, found, draft)
        metadata = uploads.core_metadata_digest(found)
        body = answers.Uploaded(found.filename, found.sha256, found.size, found.requires_python, metadata)
        return json_answer(strict.dump(body), 201)
