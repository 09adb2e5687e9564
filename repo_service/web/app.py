"""The API for the registry's engineer: one route for each verb, one receipt for each accepted change."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Flask, Response, g, request

from keys import names, strict
from keys.encoding import compact
from keys.times import stamp
from repo_service import intake, sequences, uploads
from repo_service.bell import Bell
from repo_service.build.pages import Layout
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.foresight import Foresight
from repo_service.domain.notices import notices
from repo_service.storage.deliveries import Delivery
from repo_service.storage.depot import LocalDepot
from repo_service.storage.journal import Journal
from repo_service.storage.view import Acknowledged, ChangeRecord
from repo_service.web import (
    answers,
    auth,
    conditions,
    halts,
    openapi,
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
from repo_service.web.bodies import Ban, Told
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
    "assign": r.Assign,
    "respell": r.Respell,
    "unpublish": r.UnpublishProject,
    "restore": r.RestoreProject,
    "remove": r.RemoveProject,
    "verdict": r.Judge,
    "transfer": r.TransferProject,
}
NAME_VERBS: Final[dict[str, type[r.Request]]] = {
    "reserve": r.Reserve,
    "renew": r.Renew,
    "release": r.Release,
    "claim": r.Claim,
    "revoke": r.Revoke,
    "prohibit": r.Prohibit,
    "unprohibit": r.Unprohibit,
    "open-session": r.OpenSession,
    "claim-open": r.ClaimOpen,
    "transfer-reservation": r.TransferReservation,
}
NAMESPACE_VERBS: Final[dict[str, type[r.Request]]] = {
    "grant": r.Grant,
    "grant-child": r.GrantChild,
    "share": r.Share,
    "unshare": r.Unshare,
    "hand-over": r.HandOver,
    "end": r.EndGrant,
}
VERBS: Final[dict[str, Mapping[str, type]]] = {
    "release_verb": RELEASE_VERBS,
    "file_verb": FILE_VERBS,
    "project_verb": PROJECT_VERBS,
    "name_verb": NAME_VERBS,
    "namespace_verb": NAMESPACE_VERBS,
    "flag_verb": halts.VERBS,
}
"""The verbs of each route that ends in one."""
_ROUTES: Final[tuple[tuple[str | None, str, dict[str, type[r.Request]]], ...]] = (
    ("filename", "file_verb", FILE_VERBS),
    ("version", "release_verb", RELEASE_VERBS),
    (None, "project_verb", {**PROJECT_VERBS, **NAME_VERBS, **NAMESPACE_VERBS}),
)
"""What a change of a batch is about, by the most particular thing that it names."""
MAX_BATCH: Final = 1000
MAX_BODY: Final = 1 << 20
MAX_WAIT: Final = 60
_POLL: Final = 0.01
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
    takedowns.register(app, desk.journal, desk.url)
    states.register(
        app, desk.journal, desk.clock, desk.bell, desk.limits, lambda asked: _check_blobs(desk, asked),
        lambda record: _receipt(desk, record), _is_preview,
    )  # fmt: skip
    sequence_door.register(app, desk.journal, desk.clock, desk.bell, _body)
    halts.register(app, desk.journal, desk.clock, desk.bell, _body)
    refusals.register(app, desk.journal)
    policies.register(app, desk.journal, desk.clock)
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

    @app.post("/v1/namespaces/<name>/<verb>")
    def namespace_verb(name: str, verb: str) -> Response:
        return _change(desk, NAMESPACE_VERBS, verb, name, {})

    @app.post("/v1/holders/<holder>/revoke")
    def revoke_holder(holder: str) -> Response:
        return _revoke_holder(desk, holder)

    @app.post("/v1/notices/<outcome>")
    def acknowledge(outcome: str) -> Response:
        return _acknowledge(desk, outcome)

    @app.post("/v1/batch")
    def batch() -> Response:
        return _batch(desk)


def _reading(app: Flask, desk: Desk) -> None:
    @app.get("/v1/changes/<identifier>")
    def change(identifier: str) -> Response:
        with desk.journal.reading() as view:
            record: ChangeRecord | Delivery | None = view.change(identifier) or view.delivery_by_id(identifier)
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
        return conditions.tagged(_json(strict.dump(state), 200), state.serial)

    @app.get("/v1/projects/<name>/releases/<version>/unpublish-eligibility", defaults={"verb": "unpublish"})
    def eligibility(name: str, version: str, verb: str) -> Response:
        del verb  # it is for auth.admit: who may not do it is not told either
        asked = previews.unpublishing(name, version, request.args)
        auth.authorise_actor(g.caller, asked.actor.kind)
        found = intake.preview(desk.journal, intake.Item(asked), desk.clock())
        return conditions.tagged(_json(previews.described(found), 200), found.serial)

    @app.get("/v1/status")
    def status() -> Response:
        with desk.journal.reading() as view:
            base = view.base()
            held, oldest = sequence_door.waiting(view)
            body = answers.Status(
                **view.counts(),
                held=held,
                oldest_held=oldest,
                timestamp=base.generation,
                snapshot=base.snapshot[0] if base.snapshot else 0,
            )
        return _json(strict.dump(body), 200)


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
        return _json(strict.dump(body), 201)


def _change(desk: Desk, verbs: dict[str, type[r.Request]], verb: str, name: str, path: dict[str, str]) -> Response:
    kind = verbs.get(verb)
    if kind is None:
        detail = f"{verb!r:.40} is not one of {', '.join(sorted(verbs))}. {problems.NOTHING_WRITTEN}"
        raise Problem(404, "verb_unknown", "No such verb", detail)
    body = _body()
    number = sequence_door.taken_from(body)
    asked = strict.load(kind, {**body, **path, "name": names.normalise(name)})
    auth.authorise_actor(g.caller, asked.actor.kind)
    now = desk.clock()
    desk.limits.count_name(asked.name, now)
    desk.limits.check_pending(desk.journal)
    _check_blobs(desk, asked)
    if _is_preview():
        found = intake.preview(desk.journal, intake.Item(asked, conditions.expected_serial(request.headers)), now)
        return conditions.tagged(_json(previews.described(found), 200), found.serial)
    record = _record(desk, asked, number, now)
    if isinstance(record, Delivery):
        return _json(_receipt(desk, record), 202)
    if record.events:
        desk.bell.ring()
    _wait(desk, record)
    receipt = _receipt(desk, record)
    return conditions.tagged(_json(receipt, 202 if receipt["status"] == "accepted" else 200), record.serial)


def _record(desk: Desk, asked: r.Request, number: int | None, now: datetime) -> ChangeRecord | Delivery:
    sender = intake.Sender(
        *_sender(), conditions.expected_serial(request.headers), conditions.expected_preview(request.headers)
    )
    if number is None:
        return intake.record(desk.journal, asked, sender, now)
    for header, said in (("If-Match", sender.expected), (conditions.PREVIEW, sender.previewed)):
        if said is not None:
            raise strict.Malformed(header, "does not go with source_seq, which puts changes in order already")
    return sequences.record(desk.journal, sequences.Numbered(asked, number), sender, now)


def _batch(desk: Desk) -> Response:
    """Several changes in order, all or none, or each on its own; each is admitted as if it had come alone.

    What the door itself turns away (a form, a token's scope, a file that is not here) turns the whole batch away.
    """
    if said := sorted({"If-Match", conditions.PREVIEW} & set(request.headers.keys())):
        raise strict.Malformed(said[0], "is about one change; an item of a batch says expected_serial")
    body = _body()
    if unknown := sorted(body.keys() - {"items", "mode"}):
        raise strict.Malformed(unknown[0], "is not known here; known are items, mode")
    items, mode = body.get("items"), body.get("mode", "all")
    if not isinstance(mode, str) or mode not in _MODES:
        raise strict.Malformed("mode", f"must be {' or '.join(_MODES)}, not {mode!r:.40}")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_BATCH:
        raise strict.Malformed("items", f"must be a list of 1 to {MAX_BATCH} changes")
    numbers = [
        sequence_door.taken_from(item, f"items[{place}]") if isinstance(item, dict) else None
        for place, item in enumerate(items)
    ]
    asked = [_item(item, f"items[{place}]") for place, item in enumerate(items)]
    numbered = _numbered(asked, numbers)
    if numbered and mode != "all":
        raise strict.Malformed("mode", "is all where items have a source_seq; send each of them alone otherwise")
    now = desk.clock()
    for name in {each.request.name for each in asked}:
        desk.limits.count_name(name, now)
    desk.limits.check_pending(desk.journal)
    for each in asked:
        _check_blobs(desk, each.request)
    if _is_preview():
        return _preview_batch(desk, asked, now)
    if numbered:
        return _received(desk, sequences.record_all(desk.journal, numbered, intake.Sender(*_sender()), now))
    return _MODES[mode](desk, asked, now)


def _numbered(asked: list[intake.Item], numbers: list[int | None]) -> list[sequences.Numbered]:
    """The items with their numbers, if each has one."""
    pairs = list(zip(asked, numbers, strict=True))
    found = [sequences.Numbered(each.request, number) for each, number in pairs if number is not None]
    if found and len(found) < len(asked):
        raise strict.Malformed("items", "have a source_seq each, or none has")
    for place, (each, _) in enumerate(pairs if found else ()):
        if each.expected is not None:
            where = f"items[{place}].expected_serial"
            raise strict.Malformed(where, "does not go with source_seq, which puts changes in order already")
    return found


def _all(desk: Desk, asked: list[intake.Item], now: datetime) -> Response:
    return _received(desk, intake.record_all(desk.journal, asked, intake.Sender(*_sender()), now))


def _received(desk: Desk, records: Sequence[ChangeRecord | Delivery]) -> Response:
    receipts = _receipts(desk, records)
    waiting = any(each["status"] in ("accepted", "held") for each in receipts)
    return _json({"items": receipts}, 202 if waiting else 200)


def _each(desk: Desk, asked: list[intake.Item], now: datetime) -> Response:
    """A receipt or a problem for each. 207 (RFC 4918) where one was turned away: who reads the status alone sees it."""
    done = list(intake.record_each(desk.journal, asked, intake.Sender(*_sender()), now))
    receipts = _receipts(desk, [each for each in done if isinstance(each, ChangeRecord)])
    unsigned = any(each["status"] == "accepted" for each in receipts)
    following = iter(receipts)
    rows = [
        {"receipt": next(following)} if isinstance(each, ChangeRecord) else {"problem": _problem_of(each)}
        for each in done
    ]
    status = 207 if len(receipts) < len(rows) else 202 if unsigned else 200
    return _json({"items": rows, "done": len(receipts), "turned_away": len(rows) - len(receipts)}, status)


_MODES: Final = {"all": _all, "each": _each}


def _preview_batch(desk: Desk, asked: list[intake.Item], now: datetime) -> Response:
    found = intake.preview_all(desk.journal, asked, now)
    rows = [
        {"preview": previews.described(each)} if isinstance(each, Foresight) else {"problem": _problem_of(each)}
        for each in found
    ]
    allowed = sum(isinstance(each, Foresight) and each.outcome == "allow" for each in found)
    return _json({"items": rows, "allowed": allowed, "turned_away": len(rows) - allowed}, 200)


def _problem_of(error: Exception) -> dict[str, Any]:
    return problems.details(problems.described(error))


def _receipts(desk: Desk, records: Sequence[ChangeRecord | Delivery]) -> list[dict[str, Any]]:
    """Ring once for all of them, and wait for the last if the caller waits."""
    made = [record for record in records if isinstance(record, ChangeRecord) and record.events]
    if made:
        desk.bell.ring()
        _wait(desk, made[-1])
    return [_receipt(desk, record) for record in records]


def _revoke_holder(desk: Desk, holder: str) -> Response:
    """End every reservation of an account that may hold none any more; the projects it has published go on."""
    asked = strict.load(Ban, _body())
    auth.authorise_actor(g.caller, asked.actor.kind)
    now = desk.clock()
    desk.limits.check_pending(desk.journal)
    records = intake.revoke_all(desk.journal, holder, asked.reason, asked.actor, intake.Sender(*_sender()), now)
    if records:
        desk.bell.ring()
        _wait(desk, records[-1])
    receipts = [_receipt(desk, record) for record in records]
    return _json({"items": receipts}, 202 if any(each["status"] == "accepted" for each in receipts) else 200)


def _acknowledge(desk: Desk, outcome: str) -> Response:
    """The registry says of a notice that it was sent, or that nobody could be reached; asking again changes nothing."""
    if outcome not in ("sent", "failed"):
        raise Problem(404, "verb_unknown", "No such verb", f"{outcome!r:.40} is not sent or failed.")
    asked, now = strict.load(Told, _body()), desk.clock()
    name = names.normalise(asked.id.partition("/")[0])
    auth.authorise_name(g.caller, name)
    said = Acknowledged(asked.id, "sent" if outcome == "sent" else "failed", stamp(now))
    with desk.journal.writing() as pen:
        state = pen.name(name).state
        if state is None or asked.id not in {each.id for each in notices(state, pen.policy(now), now)}:
            detail = f"There is no notice {asked.id!r:.200}; GET /v1/notices lists them. {problems.NOTHING_WRITTEN}"
            raise Problem(404, "notice_unknown", "Not found", detail)
        known = pen.acknowledged([asked.id]).get(asked.id)
        if known is None or known.outcome != said.outcome:
            pen.acknowledge(said)
            known = said
    return _json(strict.dump(known), 200)


def _item(item: object, where: str) -> intake.Item:
    """One change of a batch: its verb, its name, its version and file name where the verb has them, and its body; and
    ``expected_serial``, what If-Match is to a change that comes alone.
    """
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise strict.Malformed(where, "must be an object with a verb and a name")
    verb, expected = item.get("verb"), item.get("expected_serial")
    body = {key: value for key, value in item.items() if key not in ("verb", "expected_serial")}
    if expected is not None and (type(expected) is not int or expected < 0):
        raise strict.Malformed(f"{where}.expected_serial", f"must be a serial, not {expected!r:.40}")
    route, verbs = next((route, verbs) for part, route, verbs in _ROUTES if part is None or part in item)
    if not isinstance(verb, str) or verb not in verbs:
        raise strict.Malformed(f"{where}.verb", f"must be one of {', '.join(sorted(verbs))}, not {verb!r:.40}")
    auth.admit(g.caller, route, {"verb": verb, "name": item["name"]}, request.remote_addr)
    asked = strict.load(verbs[verb], {**body, "name": names.normalise(item["name"])}, where)
    auth.authorise_actor(g.caller, asked.actor.kind)
    return intake.Item(asked, expected)


def _is_preview() -> bool:
    """``?dry_run=true``. Any other parameter or value is refused: who misspells a preview must not make the change."""
    if unknown := sorted(request.args.keys() - {"dry_run"}):
        raise strict.Malformed(unknown[0], "is not a parameter of a change; dry_run is")
    if (value := request.args.get("dry_run")) not in (None, "true"):
        raise strict.Malformed("dry_run", f"must be true or left out, not {value!r:.40}")
    return value == "true"


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


def _sender() -> tuple[str, str]:
    """The client and its Idempotency-Key."""
    key = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(key) <= 200 or not key.isprintable():
        detail = (
            "Send an Idempotency-Key of 1 to 200 characters, a new one for each change you mean; the same one "
            f"again is safe and answers the same. {problems.NOTHING_WRITTEN}"
        )
        raise Problem(400, "idempotency_key_missing", "No Idempotency-Key", detail)
    return f"client:{g.caller.token.client}", key


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


def _receipt(desk: Desk, record: ChangeRecord | Delivery) -> dict[str, Any]:
    """What became of a change: ``accepted`` is durable, ``signed`` is in a snapshot that every client can see."""
    with desk.journal.reading() as view:
        if isinstance(record, Delivery):
            return sequence_door.receipt(view, record)
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
