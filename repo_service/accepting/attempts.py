"""Refused attempts are remembered for a while, each in a transaction of its own: that of the request is rolled back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from keys.times import stamp
from repo_service.accepting.turned_away import Refused
from repo_service.domain.requests import verb_of
from repo_service.storage.journal import Journal, Written, once_more
from repo_service.storage.refusals import Attempt

KEPT: Final = timedelta(days=90)
"""For how long an attempt that was refused is remembered."""


def attempt(refused: Refused, client: str, now: datetime) -> Attempt:
    """What is kept of a refusal."""
    request = refused.request
    version = getattr(request, "version", None)
    return Attempt(
        refused.id, stamp(now), client, verb_of(request), request.name, version[:80] if version else None,
        request.actor.kind, refused.refusal.reasons, refused.policy.id,
    )  # fmt: skip


def remember(journal: Journal, found: Attempt) -> None:
    """Keep an attempt."""
    with journal.writing() as pen:
        pen.refuse(found)


def noted(journal: Journal, write: Callable[[], Written], client: str, now: datetime) -> Written:
    """What ``write``, a transaction that may begin again, gives. What it refuses is remembered: it was rolled back."""
    try:
        return once_more(write)
    except Refused as refused:
        remember(journal, attempt(refused, client, now))
        raise


def sweep(journal: Journal, now: datetime) -> None:
    """Forget what is too old."""
    with journal.reading() as view:
        old = view.has_refusals(now - KEPT)
    if old:
        with journal.writing() as pen:
            pen.forget_refusals(now - KEPT)
