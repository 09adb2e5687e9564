"""What became of a change, and staying until it is visible."""

import re
from collections.abc import Sequence
from typing import Any, Final

from flask import g, request

from keys import strict
from repo_service.storage.deliveries import Delivery
from repo_service.storage.view import ChangeRecord, SignedIn
from repo_service.web import answers
from repo_service.web import sequences as sequence_door
from repo_service.web.desk import Desk
from repo_service.web.waiting import NOT_KNOWN

MAX_WAIT: Final = 60
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])", re.ASCII)


def wait(desk: Desk, record: ChangeRecord, since: int = NOT_KNOWN) -> SignedIn | None:
    """With ``Prefer: wait=N`` (RFC 7240), stay until the change is signed and visible, at most N seconds.

    ``since`` is how many rounds had ended before it was recorded.
    """
    match = _WAIT.search(request.headers.get("Prefer", ""))
    if match is None or not record.events:
        return None
    return desk.room.wait(record.id, since, min(int(match[1]), MAX_WAIT))


def receipt(desk: Desk, record: ChangeRecord | Delivery) -> dict[str, Any]:
    """What became of a change: ``accepted`` is durable, ``signed`` is in a snapshot that every client can see."""
    return receipts(desk, [record])[0]


def receipt_waited_for(desk: Desk, record: ChangeRecord, since: int) -> dict[str, Any]:
    """As ``receipt``, after ``wait``."""
    signed = wait(desk, record, since)
    if signed is None:
        return receipt(desk, record)
    g.changes = [record.id]
    return _receipt(record, signed)


def receipts(desk: Desk, records: Sequence[ChangeRecord | Delivery]) -> list[dict[str, Any]]:
    """What became of several changes, as of one moment."""
    g.setdefault("changes", []).extend(record.id for record in records)  # for the log
    with desk.journal.reading() as view:
        return [
            sequence_door.receipt(view, record)
            if isinstance(record, Delivery)
            else _receipt(record, view.signed_in(record.id))
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
