"""Several changes at once: all or none of them, or each on its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from flask import Flask, Response, g, request

from keys import names, strict
from repo_service.accepting import intake, sequences
from repo_service.domain import requests as r
from repo_service.domain.foresight import Foresight
from repo_service.domain.verbs import ROUTES
from repo_service.storage.deliveries import Delivery
from repo_service.storage.requestreading import ChangeRecord
from repo_service.web import auth, conditions, previews, problems
from repo_service.web import sequences as sequence_door
from repo_service.web.desk import Desk, body_of_change, check_blobs, is_preview, json_answer, sender
from repo_service.web.receipts import receipts_waited_for

MAX_BATCH: Final = 1000


def register(app: Flask, desk: Desk) -> None:
    """The route."""

    @app.post("/v1/batch")
    def batch() -> Response:
        return _batch(desk)


def _batch(desk: Desk) -> Response:
    """Several changes in order, all or none, or each on its own; each is admitted as if it had come alone.

    What the door itself turns away (a form, a token's scope, a file that is not here) turns the whole batch away.
    """
    if said := sorted({"If-Match", conditions.PREVIEW} & set(request.headers.keys())):
        raise strict.Malformed(said[0], "is about one change; an item of a batch says expected_serial")
    body = body_of_change()
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
    desk.limits.check_pending(desk.journal, now)
    for each in asked:
        check_blobs(desk, each.request)
    if is_preview():
        return _preview_batch(desk, asked, now)
    if numbered:
        return _received(desk, sequences.record_all(desk.journal, numbered, intake.Sender(*sender()), now))
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
    return _received(desk, intake.record_all(desk.journal, asked, intake.Sender(*sender()), now))


def _received(desk: Desk, records: Sequence[ChangeRecord | Delivery]) -> Response:
    said = receipts_waited_for(desk, records)
    waiting = any(each["status"] in ("accepted", "held") for each in said)
    return json_answer({"items": said}, 202 if waiting else 200)


def _each(desk: Desk, asked: list[intake.Item], now: datetime) -> Response:
    """A receipt or a problem for each. 207 (RFC 4918) where one was turned away: who reads the status alone sees it."""
    done = list(intake.record_each(desk.journal, asked, intake.Sender(*sender()), now))
    said = receipts_waited_for(desk, [each for each in done if isinstance(each, ChangeRecord)])
    unsigned = any(each["status"] == "accepted" for each in said)
    following = iter(said)
    rows = [
        {"receipt": next(following)} if isinstance(each, ChangeRecord) else {"problem": _problem_of(each)}
        for each in done
    ]
    status = 207 if len(said) < len(rows) else 202 if unsigned else 200
    return json_answer({"items": rows, "done": len(said), "turned_away": len(rows) - len(said)}, status)


_MODES: Final = {"all": _all, "each": _each}


def _preview_batch(desk: Desk, asked: list[intake.Item], now: datetime) -> Response:
    found = intake.preview_all(desk.journal, asked, now)
    rows = [
        {"preview": previews.described(each)} if isinstance(each, Foresight) else {"problem": _problem_of(each)}
        for each in found
    ]
    allowed = sum(isinstance(each, Foresight) and each.outcome == "allow" for each in found)
    return json_answer({"items": rows, "allowed": allowed, "turned_away": len(rows) - allowed}, 200)


def _problem_of(error: Exception) -> dict[str, Any]:
    return problems.details(problems.described(error))


def _item(item: object, where: str) -> intake.Item:
    """One change of a batch: its verb, its name, its version and file name where the verb has them, and its body."""
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise strict.Malformed(where, "must be an object with a verb and a name")
    body = {**item}
    verb = body.pop("verb", None)
    route, verbs = next((route, verbs) for part, route, verbs in ROUTES if part is None or part in item)
    if not isinstance(verb, str) or verb not in verbs:
        raise strict.Malformed(f"{where}.verb", f"must be one of {', '.join(sorted(verbs))}, not {verb!r:.40}")
    return admitted(route, verb, verbs[verb], body, where)


def admitted(route: str, verb: str, kind: type[r.Request], said: dict[str, Any], where: str) -> intake.Item:
    """A request that says all of itself, if its caller may send it by its own route. ``expected_serial`` is what
    If-Match is to a change that comes alone.
    """
    expected = said.pop("expected_serial", None)
    if expected is not None and (type(expected) is not int or expected < 0):
        raise strict.Malformed(f"{where}.expected_serial", f"must be a serial, not {expected!r:.40}")
    auth.admit(g.caller, route, {"verb": verb, "name": said["name"]}, request.remote_addr)
    asked = strict.load(kind, {**said, "name": names.normalise(said["name"])}, where)
    auth.authorise_actor(g.caller, asked.actor.kind)
    return intake.Item(asked, expected)
