"""What became of a change, and staying until it is visible."""

import re
from collections.abc import Sequence
from typing import Any, Final

from flask import g, request

from keys import strict
from repo_service.storage.deliveries import Delivery
from repo_service.storage.requestreading import ChangeRecord, SignedIn
from repo_service.storage.tables import DatabaseAway
from repo_service.web import answers
from repo_service.web import sequences as sequence_door
from repo_service.web.desk import Desk
from repo_service.web.waiting import NOT_KNOWN

MAX_WAIT: Final = 60
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])", re.ASCII)


def _wait(desk: Desk, record: ChangeRecord, since: int) -> SignedIn | None:
    """With ``Prefer: wait=N`` (RFC 7240), stay until the change is signed and visible, at most N seconds.

    ``since`` is how many rounds had ended before it was recorded.
    """
    match = _WAIT.search(request.headers.get("Prefer", ""))
    if match is None:
        return None
    return desk.room.wait(record.id, since, min(int(match[1]), MAX_WAIT))


def receipt(desk: Desk, record: ChangeRecord | Delivery) -> dict[str, Any]:
    """What became of a change: ``accepted`` is durable, ``signed`` is in a snapshot that every client can see."""
    return receipts(desk, [record])[0]


def receipts_waited_for(
    desk: Desk, records: Sequence[ChangeRecord | Delivery], since: int = NOT_KNOWN
) -> list[dict[str, Any]]:
    """As ``receipts``, of what was just recorded: the bell is rung, and who asked to wait stays for the last of them.

    It stays recorded if the database goes away meanwhile. Then it is accepted, for all that anybody knows.
    """
    made = [each for each in records if isinstance(each, ChangeRecord) and each.events]
    try:
        if made:
            desk.bell.ring()
            signed = _wait(desk, made[-1], since)
            if signed and len(records) == 1:
                g.changes = [made[0].id]
                return [_receipt(made[0], signed)]
        return receipts(desk, records)
    except DatabaseAway:
        known = [each for each in records if isinstance(each, ChangeRecord)]
        if len(known) < len(records):
            raise
        return [_receipt(each, None) for each in known]


def receipts(desk: Desk, records: Sequence[ChangeRecord | Delivery]) -> list[dict[str, Any]]:
    """What became of several changes, as of one moment."""
    g.setdefault("changes", []).extend(record.id for record in records)  # for the log
    with desk.journal.reading() as view:
        signed = view.signed_in(record.id for record in records if isinstance(record, ChangeRecord))
        return [
            sequence_door.receipt(view, record)
            if isinstance(record, Delivery)
            else _receipt(record, signed.get(record.id))
            for record in records
        ]


def _receipt(record: ChangeRecord, signed: SignedIn | None) -> dict[str, Any]:
    visible = signed is not None and signed.published
    g.generation = signed.timestamp if signed and visible else None
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
