"""The API for the registry's engineer: one route for each verb, one receipt for each accepted change."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Flask, Response, g, request

from keys import names, strict
from keys.encoding import compact
from repo_service import intake, uploads
from repo_service.bell import Bell
from repo_service.build.pages import Layout
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact
from repo_service.storage.depot import LocalDepot
from repo_service.storage.journal import Journal
from repo_service.storage.view import ChangeRecord
from repo_service.web import answers, auth, openapi, problems, public, reading
from repo_service.web.limits import Limits, received
from repo_service.web.problems import Problem

RELEASE_VERBS: Final[dict[str, type[r.Request]]] = {
    "publish": r.Publish,
    "yank": r.Yank,
    "unyank": r.Unyank,
    "unpublish": r.Unpublish,
    "restore": r.Restore,
    "purge": r.PurgeRelease,
    "close": r.CloseRelease,
    "quarantine": r.QuarantineRelease,
    "clear": r.ClearRelease,
    "deprecate": r.DeprecateRelease,
    "undeprecate": r.UndeprecateRelease,
}
FILE_VERBS: Final[dict[str, type[r.Request]]] = {"remove": r.RemoveFile, "restore": r.RestoreFile, "purge": r.PurgeFile}
PROJECT_VERBS: Final[dict[str, type[r.Request]]] = {
    "archive": r.Archive,
    "unarchive": r.Unarchive,
    "deprecate": r.Deprecate,
    "undeprecate": r.Undeprecate,
    "quarantine": r.Quarantine,
    "clear": r.Clear,
    "lock": r.Lock,
    "unlock": r.Unlock,
}
NAME_VERBS: Final[dict[str, type[r.Request]]] = {
    "reserve": r.Reserve,
    "renew": r.Renew,
    "release": r.Release,
    "claim": r.Claim,
    "revoke": r.Revoke,
    "prohibit": r.Prohibit,
    "unprohibit": r.Unprohibit,
}
VERBS: Final[dict[str, dict[str, type[r.Request]]]] = {
    "release_verb": RELEASE_VERBS,
    "file_verb": FILE_VERBS,
    "project_verb": PROJECT_VERBS,
    "name_verb": NAME_VERBS,
}
"""The verbs of each route that ends in one."""
_ROUTES: Final[tuple[tuple[str | None, str, dict[str, type[r.Request]]], ...]] = (
    ("filename", "file_verb", FILE_VERBS),
    ("version", "release_verb", RELEASE_VERBS),
    (None, "project_verb", {**PROJECT_VERBS, **NAME_VERBS}),
)
"""What a change of a batch is about, by the most particular thing that it names."""
MAX_BATCH: Final = 1000
MAX_BODY: Final = 1 << 20
MAX_WAIT: Final = 60
_POLL: Final = 0.01
_SERIAL: Final = re.compile(r'"serial-(\d{1,15})"', re.ASCII)
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the door works with."""

    journal: Journal
    depot: LocalDepot
    layout: Layout
    clock: Callable[[], datetime]
    bell: Bell
    url: str
    limits: Limits


def create_app(desk: Desk) -> Flask:
    """The WSGI application: ``/v1`` for the registry, the rest for everyone."""
    app = Flask(__name__, static_folder=None)
    problems.register(app)
    app.register_blueprint(public.blueprint(desk.journal, desk.depot, desk.layout))
    _authentication(app, desk)
    _verbs(app, desk)
    _reading(app, desk)
    reading.register(app, desk.journal, desk.clock)
    _files(app, desk)
    openapi.register(app, VERBS, desk.url)
    return app


def _authentication(app: Flask, desk: Desk) -> None:
    @app.before_request
    def authenticate() -> None:
        if request.blueprint == public.NAME or (request.endpoint is None and not request.path.startswith("/v1/")):
            return
        if request.endpoint in auth.OPEN:
            return
        now = desk.clock()
        g.caller = auth.authenticate(desk.journal, request, desk.url, now)
        desk.limits.count_client(g.caller.token, now)
        if request.endpoint is not None:
            auth.admit(g.caller, request.endpoint, request.view_args or {}, request.remote_addr)


def _verbs(app: Flask, desk: Desk) -> None:
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

    @app.post("/v1/batch")
    def batch() -> Response:
        return _batch(desk)


def _reading(app: Flask, desk: Desk) -> None:
    @app.get("/v1/changes/<identifier>")
    def change(identifier: str) -> Response:
        with desk.journal.reading() as view:
            record = view.change(identifier)
        if record is None:
            raise Problem(404, "change_unknown", "Not found", f"There is no change {identifier!r:.64}.")
        auth.authorise_name(g.caller, record.name)
        return _json(_receipt(desk, record), 200)

    @app.get("/v1/names/<name>")
    def name(name: str) -> Response:
        normal = names.normalise(name)
        with desk.journal.reading() as view:
            state = view.name(normal).state
        if state is None:
            raise Problem(404, "name_unknown", "Not found", f"{normal} is not known to this registry.")
        return _json(strict.dump(state), 200)

    @app.get("/v1/status")
    def status() -> Response:
        with desk.journal.reading() as view:
            base = view.base()
            body = answers.Status(**view.counts(), timestamp=base.generation, snapshot=(base.snapshot or (0,))[0])
        return _json(strict.dump(body), 200)


def _files(app: Flask, desk: Desk) -> None:
    @app.put("/v1/projects/<name>/files/<filename>")
    def upload(name: str, filename: str) -> Response:
        normal = names.normalise(name)
        desk.limits.count_name(normal, desk.clock())
        with desk.depot.incoming() as draft:
            with draft.open("wb") as file:
                file.writelines(received(request.stream, desk.limits.max_upload, g.caller.body))
            found = uploads.examine(filename, draft)
            if found.artifact.name != normal:
                raise BadArtifact(f"{filename} is a file of {found.artifact.name}, not of {normal}")
            uploads.store(desk.depot, found, draft)
        metadata = uploads.core_metadata_digest(found)
        body = answers.Uploaded(found.filename, found.sha256, found.size, found.requires_python, metadata)
        return _json(strict.dump(body), 201)


def _change(desk: Desk, verbs: dict[str, type[r.Request]], verb: str, name: str, path: dict[str, str]) -> Response:
    kind = verbs.get(verb)
    if kind is None:
        detail = f"{verb!r:.40} is not one of {', '.join(sorted(verbs))}. {problems.NOTHING_WRITTEN}"
        raise Problem(404, "verb_unknown", "No such verb", detail)
    asked = strict.load(kind, {**_body(), **path, "name": names.normalise(name)})
    auth.authorise_actor(g.caller, asked.actor.kind)
    now = desk.clock()
    desk.limits.count_name(asked.name, now)
    desk.limits.check_pending(desk.journal)
    _check_blobs(desk, asked)
    if _is_preview():
        return _preview(desk, asked, now)
    record = intake.record(desk.journal, asked, _sender(), now)
    if record.events:
        desk.bell.ring()
    _wait(desk, record)
    receipt = _receipt(desk, record)
    return _json(receipt, 202 if receipt["status"] == "accepted" else 200)


def _batch(desk: Desk) -> Response:
    """Several changes in one transaction, all or none; each is admitted as if it had come alone."""
    if _is_preview() or "If-Match" in request.headers:
        raise strict.Malformed("batch", "takes neither dry_run nor If-Match; send its changes one by one for those")
    items = _body().get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_BATCH:
        raise strict.Malformed("items", f"must be a list of 1 to {MAX_BATCH} changes")
    asked = [_item(item, f"items[{number}]") for number, item in enumerate(items)]
    now = desk.clock()
    for name in {each.name for each in asked}:
        desk.limits.count_name(name, now)
    desk.limits.check_pending(desk.journal)
    for each in asked:
        _check_blobs(desk, each)
    records = intake.record_all(desk.journal, asked, _sender(), now)
    if any(record.events for record in records):
        desk.bell.ring()
    _wait(desk, next((record for record in reversed(records) if record.events), records[0]))
    receipts = [_receipt(desk, record) for record in records]
    return _json({"items": receipts}, 202 if any(each["status"] == "accepted" for each in receipts) else 200)


def _item(item: object, where: str) -> r.Request:
    """One change of a batch: its verb, its name, its version and file name where the verb has them, and its body."""
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise strict.Malformed(where, "must be an object with a verb and a name")
    verb, body = item.get("verb"), {key: value for key, value in item.items() if key != "verb"}
    route, verbs = next((route, verbs) for part, route, verbs in _ROUTES if part is None or part in item)
    if not isinstance(verb, str) or verb not in verbs:
        raise strict.Malformed(f"{where}.verb", f"must be one of {', '.join(sorted(verbs))}, not {verb!r:.40}")
    auth.admit(g.caller, route, {"verb": verb, "name": item["name"]}, request.remote_addr)
    asked = strict.load(verbs[verb], {**body, "name": names.normalise(item["name"])}, where)
    auth.authorise_actor(g.caller, asked.actor.kind)
    return asked


def _is_preview() -> bool:
    """``?dry_run=true``. Any other parameter or value is refused: who misspells a preview must not make the change."""
    if unknown := sorted(request.args.keys() - {"dry_run"}):
        raise strict.Malformed(unknown[0], "is not a parameter of a change; dry_run is")
    if (value := request.args.get("dry_run")) not in (None, "true"):
        raise strict.Malformed("dry_run", f"must be true or left out, not {value!r:.40}")
    return value == "true"


def _preview(desk: Desk, asked: r.Request, now: datetime) -> Response:
    """What the change would do, or every reason against it; nothing is written and no key is spent."""
    would, serial = intake.preview(desk.journal, asked, now)
    events = tuple(c.type_of(change) for change in would.changes)
    return _json(strict.dump(answers.Preview(asked.name, serial, events, would.warnings)), 200)


def _body() -> dict[str, Any]:
    data = b"".join(received(request.stream, MAX_BODY, g.caller.body))
    body = strict.parse(data) if data else {}
    if not isinstance(body, dict):
        raise strict.Malformed("", "must be a JSON object")
    if said := {"name", "version", "filename"} & body.keys():
        raise strict.Malformed(sorted(said)[0], "is said by the path, not by the body")
    return body


def _check_blobs(desk: Desk, asked: r.Request) -> None:
    """An embedded registry publishes only files that it can serve."""
    for file in asked.files if isinstance(asked, r.Publish) else ():
        if file.url is None:
            path = desk.depot.root / uploads.stored_at(asked.name, file.filename, file.sha256)
            if not path.is_file() or path.stat().st_size != file.size:
                detail = (
                    f"No file {file.filename} of {file.size} bytes with sha256 {file.sha256:.16}… was uploaded; PUT it "
                    f"to /v1/projects/{asked.name}/files/{file.filename} first, or give its url. "
                    f"{problems.NOTHING_WRITTEN}"
                )
                raise Problem(422, "blob_missing", "The file is not here", detail)


def _sender() -> intake.Sender:
    key = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(key) <= 200 or not key.isprintable():
        detail = (
            "Send an Idempotency-Key of 1 to 200 characters, a new one for each change you mean; the same one "
            f"again is safe and answers the same. {problems.NOTHING_WRITTEN}"
        )
        raise Problem(400, "idempotency_key_missing", "No Idempotency-Key", detail)
    return intake.Sender(f"client:{g.caller.token.client}", key, _expected_serial())


def _expected_serial() -> int | None:
    """``If-Match: "serial-7"`` (RFC 9110): change only what the caller has seen."""
    header = request.headers.get("If-Match")
    if header is None:
        return None
    if not (match := _SERIAL.fullmatch(header)):
        raise strict.Malformed("If-Match", f'must look like "serial-7", with its quotes, not {header!r:.40}')
    return int(match[1])


def _wait(desk: Desk, record: ChangeRecord) -> None:
    """With ``Prefer: wait=N`` (RFC 7240), stay until the change is signed and visible, at most N seconds."""
    match = _WAIT.search(request.headers.get("Prefer", ""))
    until = time.monotonic() + min(int(match[1]), MAX_WAIT) if match else 0.0
    while record.events and time.monotonic() < until and not _is_published(desk, record):
        time.sleep(_POLL)


def _is_published(desk: Desk, record: ChangeRecord) -> bool:
    with desk.journal.reading() as view:
        signed = view.signed_in(record.id)
    return signed is not None and signed.published


def _receipt(desk: Desk, record: ChangeRecord) -> dict[str, Any]:
    """What became of a change: ``accepted`` is durable, ``signed`` is in a snapshot that every client can see."""
    with desk.journal.reading() as view:
        signed = view.signed_in(record.id)
    visible = signed is not None and signed.published
    receipt = answers.Receipt(
        change=record.id,
        name=record.name,
        serial=record.serial,
        changed=record.events > 0,
        status="signed" if visible or not record.events else "accepted",
        signed_in=answers.SignedIn(signed.snapshot, signed.timestamp) if signed and visible else None,
        warnings=record.warnings,
    )
    body: dict[str, Any] = strict.dump(receipt)
    return body


def _json(body: object, status: int) -> Response:
    return Response(compact(body), status, content_type="application/json")
