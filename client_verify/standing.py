"""What this machine knows of a pinned repository without asking it: verified again from the pinned root, read only."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from client_verify import disk
from client_verify.metadata.trusted import Trusted
from client_verify.refusals import Refused
from client_verify.remembering.memory import Memory
from client_verify.session import MEMORY, alone
from client_verify.trust import Pin
from keys import layout


@dataclass(frozen=True, slots=True)
class Verified:
    """The newest metadata that was verified here, by its versions. ``signed_at`` is the signer's word for when it
    signed the timestamp, ``valid_until`` the first date of timestamp and snapshot.
    """

    root: int
    root_expires: datetime
    timestamp: int
    snapshot: int
    signed_at: str | None
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """``verified`` is None if nothing was yet; ``damage`` says what cannot be read; ``evidence`` is of names that
    contradicted themselves, each with the time at which that was seen.
    """

    pin: Pin
    directory: Path
    verified: Verified | None = None
    names: int = 0
    evidence: tuple[tuple[str, str], ...] = ()
    damage: str | None = None


def standing(pin: Pin, directory: Path) -> Standing:
    """What is known of a repository from its data directory. Nobody is asked, and nothing is changed."""
    verified = None
    try:
        if not directory.is_dir():
            return Standing(pin, directory)
        with alone(directory):
            verified = _verified(pin, directory / "metadata")
            if not (directory / MEMORY).exists():
                return Standing(pin, directory, verified)
            memory = Memory(directory / MEMORY)
            return Standing(pin, directory, verified, memory.count(), tuple(memory.contradictions()))
    except Refused as refused:
        return Standing(pin, directory, verified, damage=str(refused))
    except (OSError, sqlite3.Error) as error:
        return Standing(pin, directory, verified, damage=disk.complaint(error))


def _verified(pin: Pin, metadata: Path) -> Verified | None:
    if not (metadata / f"{layout.TIMESTAMP}.json").exists():
        return None
    trusted = Trusted(metadata, pin.root)
    timestamp, snapshot = trusted.timestamp, trusted.snapshot
    signed_at = timestamp.unrecognized_fields.get(layout.SIGNED_AT_FIELD)
    return Verified(
        trusted.root.version,
        trusted.root.expires,
        timestamp.version,
        snapshot.version,
        signed_at if isinstance(signed_at, str) else None,
        min(timestamp.expires, snapshot.expires),
    )
