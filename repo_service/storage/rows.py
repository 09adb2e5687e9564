"""Rows of the journal's tables as the values that they hold."""

import json
from collections.abc import Mapping
from typing import Any

from keys import strict
from keys.state import Reason
from repo_service.domain import changes as c


def event_of(row: Mapping[Any, Any]) -> c.Event:
    """An event in a whole row of ``events``."""
    change = strict.load(c.TYPES[row["type"]], json.loads(row["body"]), f"events.{row['seq']}")
    reason = strict.load(Reason, raw) if (raw := json.loads(row["reason"])) else None
    return c.Event(
        row["seq"], row["name"], row["at"], row["by"], reason, row["policy"], change, row["actor"], row["holder"],
        row["approver"], row["org"],
    )  # fmt: skip
