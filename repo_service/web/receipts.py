"""What became of a change, and staying until it is visible."""

import re
import time
from collections.abc import Sequence
from typing import Any, Final

from flask import g, request

from keys import strict
from repo_service.storage.deliveries import Delivery
from repo_service.storage.view import ChangeRecord, View
from repo_service.web import answers
from repo_service.web import sequences as sequence_door
from repo_service.web.desk import Desk

MAX_WAIT: Final = 60
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])", re.ASCII)


def wait(desk: Desk, record: ChangeRecord) -> None:
    """With ``Prefer: wait=N`` (RFC 7240), stay until the change is signed and visible, at most N seconds."""
    match = _WAIT.search(request.headers.get("Prefer", ""))
    until = time.monotonic() + min(int(match[1]), MAX_WAIT) if match and record.events else 0.0
    rounds = desk.bell.rounds()
    while (left := until - time.monotonic()) > 0 and not _is_published(desk, record):
        desk.bell.await_round(rounds, left)
        rounds = desk.bell.rounds()


def _is_published(desk: Desk, record: ChangeRecord) -> bool:
    with desk.journal.reading() as view:
        signed = view.signed_in(record.id)
    return signed is not None and signed.published


def receipt(desk: Desk, record: ChangeRecord | Delivery) -> dict[str, Any]:
    """What became of a change: ``accepted`` is durable, ``signed`` is in a snapshot that every client can see."""
    return receipts(desk, [record])[0]


def receipts(desk: Desk, records: Sequence[ChangeRecord | Delivery]) -> list[dict[str, Any]]:
    """What became of several changes, as of one moment."""
    g.setdefault("changes", []).extend(record.id for record in records)  # for the log
    with desk.journal.reading() as view:
        return [
            sequence_door.receipt(view, record) if isinstance(record, Delivery) else _receipt(view, record)
            for record in records
        ]


def _receipt(view: View, record: ChangeRecord) -> dict[str, Any]:
    signed = view.signed_in(record.id)
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
