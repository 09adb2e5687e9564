"""What this machine knows of a pinned repository without asking it: verified again from the pinned root, read only."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from client_verify import disk
from client_verify.directory import MEMORY, alone
from client_verify.metadata.trusted import Trusted
from client_verify.refusals import Refused
from client_verify.remembering import logs
from client_verify.remembering.memory import NEWEST, Memory
from client_verify.trust import Pin
from keys import layout
from keys.tlog.proofs import Policy


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
class LogStanding:
    """Whose word counts of the repository's log, and of its newest head that was verified here the number of leaves,
    how many witnesses had seen it and when (seconds since 1970), the last first; None and nothing if there was none.
    """

    policy: Policy
    size: int | None = None
    seen: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """``verified`` is None if nothing was yet; ``damage`` says what cannot be read; ``evidence`` is of names that
    contradicted themselves, each with the time at which that was seen. ``log`` is None if its newest root names none.
    """

    pin: Pin
    directory: Path
    verified: Verified | None = None
    log: LogStanding | None = None
    names: int = 0
    evidence: tuple[tuple[str, str], ...] = ()
    damage: str | None = None


def standing(pin: Pin, directory: Path) -> Standing:
    """What is known of a repository from its data directory. Nobody is asked, and nothing is changed."""
    verified = log = None
    try:
        if not directory.is_dir():
            return Standing(pin, directory)
        with alone(directory):
            trusted = _trusted(pin, directory / "metadata")
            verified = _verified(trusted) if trusted else None
            if not (directory / MEMORY).exists():
                return Standing(pin, directory, verified)
            memory = Memory(directory / MEMORY)
            log = _log(pin, trusted, memory) if trusted else None
            return Standing(pin, directory, verified, log, memory.count(), tuple(memory.contradictions()))
    except Refused as refused:
        return Standing(pin, directory, verified, log, damage=str(refused))
    except (OSError, sqlite3.Error) as error:
        return Standing(pin, directory, verified, log, damage=disk.complaint(error))


def _trusted(pin: Pin, metadata: Path) -> Trusted | None:
    return Trusted(metadata, pin.root) if (metadata / f"{layout.TIMESTAMP}.json").exists() else None


def _log(pin: Pin, trusted: Trusted, memory: Memory) -> LogStanding | None:
    try:
        policy = pin.log.policy(trusted.root)
    except ValueError:
        return None  # the next session says so
    if policy is None:
        return None
    kept = memory.head(policy.origin, NEWEST)
    head = kept and logs.head_of(kept.note, policy)
    if not head:
        return LogStanding(policy)
    return LogStanding(policy, head.checkpoint.size, tuple(sorted(head.cosigned.values(), reverse=True)))


def _verified(trusted: Trusted) -> Verified:
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
