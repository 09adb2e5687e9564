"""The log and its witnesses: how long the log is, its newest checkpoint, and who cosigned what when.

Nothing of a checkpoint is shown as signed or cosigned that does not verify here: by the log's keys and the witnesses'
that the root names, and the witnesses' that the service asks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, Response

from keys import layout
from keys.tlog import notes, proofs
from keys.tlog.notes import BadNote, Checkpoint, Note, VerifierKey
from keys.tlog.proofs import Policy
from repo_service.console.console import Console
from repo_service.console.pages import ago, page
from repo_service.publishing import roots
from repo_service.publishing.witnessing import Panel
from repo_service.storage.logreading import LoggedRelease

LOOKED_BACK: Final = 50
"""Releases among which a witness's last cosignature is looked for."""
SHOWN: Final = 10
"""Releases that are listed."""


@dataclass(frozen=True, slots=True)
class Head:
    """The log after a release: its checkpoint, the note that holds it, whether one of the log's keys signed it, and
    when each known witness cosigned it.
    """

    generation: int
    checkpoint: Checkpoint
    note: Note
    is_signed: bool
    cosigned: dict[VerifierKey, datetime]


@dataclass(frozen=True, slots=True)
class Seen:
    """A witness: whether the root counts it and the service asks it, whether it cosigned the newest release, and when
    it last cosigned any of those that were looked at.
    """

    key: VerifierKey
    counts: bool
    asked: bool
    is_here: bool
    last: datetime | None


def register(routes: Blueprint, console: Console) -> None:
    """The page."""

    @routes.get("/log")
    def log() -> Response:
        now = console.desk.clock()
        with console.desk.journal.reading() as view:
            policy = proofs.policy_of(roots.parse_root(view.newest(layout.ROOT)))
            kept, head = view.cosigned(LOOKED_BACK), view.head()
        if policy is None or not kept or head is None:
            return page("log.html", policy=None)
        heads = [read(each, policy, known(policy, console.panel)) for each in kept]
        seen = witnesses(heads, policy, console.panel)
        return page(
            "log.html",
            policy=policy, newest=heads[0], heads=heads[:SHOWN], witnesses=seen, now=now, ago=ago,
            signed_at=head.signed_at, met=sum(each.is_here and each.counts for each in seen), looked_back=len(heads),
        )  # fmt: skip


def known(policy: Policy, panel: Panel | None) -> list[VerifierKey]:
    """The witnesses that the root counts, and then those besides that the service asks."""
    asked = [each.key for each in panel.witnesses] if panel else []
    return [*dict.fromkeys((*policy.witnesses, *asked))]


def read(release: LoggedRelease, policy: Policy, known: Iterable[VerifierKey]) -> Head:
    """What a release's checkpoint proves."""
    note = notes.read_note(f"{release.checkpoint}{release.cosigned or ''}".encode())
    times = notes.cosigned_at(note, known)
    cosigned = {key: datetime.fromtimestamp(seconds, UTC) for key, seconds in times.items()}
    return Head(release.generation, notes.read_checkpoint(note.text), note, _is_signed(note, policy), cosigned)


def witnesses(heads: list[Head], policy: Policy, panel: Panel | None) -> list[Seen]:
    """Every known witness. ``heads`` are the newest first."""
    asked = {each.key for each in panel.witnesses} if panel else set()
    return [
        Seen(
            key,
            key in policy.witnesses,
            key in asked,
            key in heads[0].cosigned,
            next((head.cosigned[key] for head in heads if key in head.cosigned), None),
        )
        for key in known(policy, panel)
    ]


def _is_signed(note: Note, policy: Policy) -> bool:
    try:
        return any(notes.verified(note, key) for key in policy.keys)
    except BadNote:
        return False
