"""Which flags are set, and setting and clearing them: for admins, and for whoever wants to know why nothing moves."""

from typing import Final, get_args

from flask import Flask, Response, g, request

from keys import strict
from keys.encoding import compact
from repo_service.accepting import halting
from repo_service.domain import flags
from repo_service.domain.halts import why
from repo_service.storage.journal import Journal
from repo_service.web.conditions import expected_serial, tagged
from repo_service.web.desk import Desk, body_of_change
from repo_service.web.problems import NOTHING_WRITTEN, Problem, refusal

VERBS: Final[dict[str, type]] = {"set": flags.SetFlag, "clear": flags.ClearFlag}


def register(app: Flask, desk: Desk) -> None:
    """The routes below ``/v1/flags``. If-Match is heard, not demanded: who pulls a brake is not asked to look first."""

    @app.get("/v1/flags")
    def flags_set() -> Response:
        return _answer(desk.journal, 200)

    @app.post("/v1/flags/<flag>/<verb>")
    def flag_verb(flag: str, verb: str) -> Response:
        asked, now, client = {**body_of_change(), "flag": flag}, desk.clock(), f"client:{g.caller.token.client}"
        expected = expected_serial(request.headers)
        match verb:
            case "set":
                done = halting.set_flag(desk.journal, strict.load(flags.SetFlag, asked), client, expected, now)
            case "clear":
                done = halting.clear_flag(desk.journal, strict.load(flags.ClearFlag, asked), client, expected, now)
            case _:
                detail = f"{verb!r:.40} is not one of clear, set. {NOTHING_WRITTEN}"
                raise Problem(404, "verb_unknown", "No such verb", detail)
        if done:
            desk.bell.ring()
        return _answer(desk.journal, 202 if done else 200, changed=done is not None)


def check_upload(journal: Journal) -> None:
    """503 while a flag says that nothing is uploaded; the journal knows nothing of bytes that are not published yet."""
    with journal.reading() as view:
        found = [each for each in flags.standing(view.flags()) if each.flag in ("read_only", "uploads_halted")]
    if reasons := [*map(why, found)]:
        raise refusal(reasons, "The upload is refused", f"{reasons[0].sentence}. {NOTHING_WRITTEN}", {})


def _answer(journal: Journal, status: int, **more: bool) -> Response:
    """Every flag there is, and the signed document that says so (None: no flag was ever set)."""
    with journal.reading() as view:
        acts, unsigned = view.flags(), view.unsigned_flags()
    standing = {each.flag: each for each in flags.standing(acts)}
    listed = [{"flag": flag, "set": strict.dump(standing.get(flag))} for flag in get_args(flags.Flag)]
    document = {"number": acts[-1].number, "target": acts[-1].path, "signed": not unsigned} if acts else None
    body = {"flags": listed, "document": document, **more}
    return tagged(Response(compact(body), status, content_type="application/json"), len(acts))
