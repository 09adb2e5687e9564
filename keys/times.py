"""Instants as the TUF specification writes them: UTC, whole seconds, ``2026-11-22T10:00:00Z`` (section 4.2)."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final

from keys.strict import Form

_FORM: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
Instant = Annotated[str, Form(pattern=_FORM.pattern)]
"""Text that ``moment`` reads."""


@lru_cache(maxsize=256)  # what is done in one transaction is done at one time
def stamp(moment: datetime) -> str:
    """An aware datetime as text, cut to whole seconds."""
    assert moment.tzinfo is not None, "an instant without a time zone"
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4096)  # sixteen thousand bins expire at a few instants, and files of a release came at one
def moment(text: str) -> datetime:
    """The inverse of ``stamp``; ValueError for any other spelling."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"a time must look like 2026-11-22T10:00:00Z, not {text!r}")
    return datetime.fromisoformat(text)
