"""The same log from elsewhere: of one size there must be one root, and the larger tree must begin with the smaller.

A vantage is an address or a folder: a witness's monitoring prefix (C2SP tlog-witness) or a mirror of the registry. What
it has is believed only as far as the log's own key signed it. Two trees of one log are kept, as the log signed them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from keys.encoding import sha256
from keys.times import stamp
from keys.tlog import merkle, notes, proofs
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote
from keys.tlog.proofs import Policy, Witnessed
from keys.tlog.tiles import Tree
from repo_service.monitor.alarms import finding
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.limits import Limits
from repo_service.monitor.reading import OutOfReach, Public, public_at

LOG: Final = "log/"
EVIDENCE: Final = "evidence"


@dataclass(frozen=True, slots=True)
class Vantage:
    """A place from which the log is looked at."""

    where: str
    public: Public

    @staticmethod
    def at(where: str) -> "Vantage":
        return Vantage(where, public_at(where))


@dataclass(frozen=True, slots=True)
class Look:
    """What a vantage had: the checkpoint's note, if it has one that the log signed, or why not."""

    vantage: Vantage
    head: Witnessed | None
    why: str = ""


def look(vantage: Vantage, policy: Policy) -> Look:
    """Ask a vantage. To be done before the registry is asked, so that what it has is there too, if all is well."""
    try:
        for path in (f"{hashlib.sha256(policy.origin.encode()).hexdigest()}/checkpoint", f"{LOG}{proofs.CHECKPOINT}"):
            data = vantage.public.read(path, notes.MAX_NOTE)
            if data is not None:
                return Look(vantage, proofs.check_head(notes.read_note(data), policy))
        return Look(vantage, None, "it has no checkpoint of this log")
    except (OutOfReach, NotProven, BadNote) as error:
        return Look(vantage, None, str(error))
