"""Alarms to a webhook, as Standard Webhooks says: signed, at least once, under one id until it was taken.

What is to be told waits in the monitor's book. A receiver that is away costs a round one attempt, one that is slow half
a minute; then the round goes on.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import urllib3

from keys import webhooks
from repo_service.monitor import telling
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding

VARIABLE: Final = "TALLYSTICK_WEBHOOK_SECRET"
SECONDS: Final = 10
LONGEST: Final = 30
"""Seconds that a round gives to a receiver, however much waits."""
LONGEST_PAUSE: Final = 3600
"""Seconds until a message is tried again, at most."""
_TABLE: Final = "CREATE TABLE IF NOT EXISTS hooked (number INTEGER PRIMARY KEY, tries INTEGER, due INTEGER)"
_TOLD: Final = "hooks/told"


class BadSecret(Exception):
    """A webhook's secret cannot be used. Nothing was looked at."""


@dataclass(frozen=True, slots=True)
class Hook:
    """Where alarms go, with the secret that signs them."""

    url: str
    secret: bytes


def secret_of(file: Path | None, environment: Mapping[str, str] = os.environ) -> bytes:
    """The secret from a file, or else from the environment. Raises BadSecret."""
    where = str(file) if file else VARIABLE
    text = file.read_text("utf-8").strip() if file else environment.get(VARIABLE, "")
    if not text:
        raise BadSecret(f"a webhook needs a secret: --webhook-secret FILE, or the variable {VARIABLE}")
    try:
        return webhooks.secret_of(text)
    except webhooks.BadSecret as error:
        raise BadSecret(f"{where}: {error}") from None


def collect(book: Book) -> None:
    """Take in the alarms that were found since the last time, in one transaction with how far that was."""
    book.db.execute(_TABLE)
    with book.transaction():
        last = told = book.number(_TOLD, 0)
        for last, finding in book.findings(told):
            if finding.level == "alarm":
                book.db.execute("INSERT OR IGNORE INTO hooked VALUES (?, 0, 0)", (last,))
        if last != told:
            book.keep(_TOLD, str(last).encode())


def deliver(book: Book, hook: Hook, origin: str, now: datetime) -> int:
    """Send what is due, the oldest first; how many still wait. After the first that nobody answers none is tried."""
    collect(book)
    at = int(now.timestamp())
    pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(SECONDS))
    due = book.db.execute("SELECT number, tries FROM hooked WHERE due <= ? ORDER BY number", (at,)).fetchall()
    ends = time.monotonic() + LONGEST
    for number, tries in due:
        if time.monotonic() > ends:
            break
        _, finding = next(book.findings(number - 1))
        status = _send(pool, hook, origin, number, finding, at)
        if status is not None and 200 <= status < 300:
            book.db.execute("DELETE FROM hooked WHERE number = ?", (number,))
            continue
        pause = min(LONGEST_PAUSE, 5 << min(tries, 12))
        book.db.execute("UPDATE hooked SET tries = ?, due = ? WHERE number = ?", (tries + 1, at + pause, number))
        if status is None:
            break  # nobody is there: the others wait with it
    waiting: int = book.db.execute("SELECT count(*) FROM hooked").fetchone()[0]
    return waiting


def _send(pool: urllib3.PoolManager, hook: Hook, origin: str, number: int, finding: Finding, at: int) -> int | None:
    """The status that came back; None if nobody answered."""
    body = telling.body(origin, finding)
    signed = webhooks.headers(hook.secret, telling.identity(origin, number, finding), at, body)
    try:
        response = pool.request(
            "POST", hook.url, body=body, headers={**signed, "content-type": "application/json"}, redirect=False,
            preload_content=False,
        )  # fmt: skip
        response.close()
    except urllib3.exceptions.HTTPError:
        return None
    return response.status
