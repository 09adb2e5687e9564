"""That a log only grew since this machine last looked: the head it had before begins the head it has now.

A quorum of witnesses looks at each step and signs only what follows, so this machine looks for itself once a day; where
no witness must, it looks at every step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tuf.api.exceptions import DownloadError

from client_verify.logged.files import Fetch, Files
from client_verify.refusals import Refused
from client_verify.remembering import logs
from client_verify.remembering.memory import CHECKED, NEWEST, Head, Memory
from keys.times import moment, stamp
from keys.tlog.merkle import HASH_BYTES, NotProven
from keys.tlog.notes import Checkpoint
from keys.tlog.proofs import Policy, Witnessed
from keys.tlog.tiles import WIDTH

EVERY: Final = timedelta(days=1)
GRACE: Final = timedelta(days=7)
"""How long this machine believes the witnesses alone, where the files that show the growth cannot be had."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Two heads of one log, the one that was kept first, and the tiles that show that they are not of one tree."""

    kept: bytes
    new: bytes
    tiles: Mapping[str, bytes]
    why: str


@dataclass(frozen=True, slots=True)
class _Kept:
    note: bytes
    at: datetime
    checkpoint: Checkpoint


class Growth:
    """What is remembered of the heads of one log (``policy``). ``now`` is when this is asked."""

    def __init__(self, memory: Memory, policy: Policy, files: Files, now: datetime) -> None:
        self._memory = memory
        self._policy = policy
        self._files = files
        self._now = now
        self._looked = False
        found = {purpose: self._recalled(purpose) for purpose in (NEWEST, CHECKED)}
        self._kept = {purpose: kept for purpose, kept in found.items() if kept is not None}

    def check(self, head: Witnessed) -> Fork | None:
        """A fork if this head and those that were kept are of two trees. Refused if it is older than what this machine
        has seen, or if its growth cannot be checked and must be.
        """
        for kept in self._kept.values():
            before, after = kept.checkpoint, head.checkpoint
            if logs.is_split(before, after):
                why = f"two different heads of the log {after.origin} with {after.size} leaves are signed"
                return Fork(kept.note, _written(head), {}, why)
            if before.size > after.size:
                raise Refused(
                    "rollback",
                    f"the log {after.origin} is shown with {after.size} leaves; this machine has verified "
                    f"{before.size}",
                )
        return self._look(head) if self._is_due(head.checkpoint) else None

    def keep(self, head: Witnessed) -> None:
        """Remember a head of which ``check`` found nothing wrong."""
        new, newest = Head(_written(head), stamp(self._now)), self._kept.get(NEWEST)
        changed = {} if newest and newest.checkpoint == head.checkpoint else {NEWEST: new}
        if self._looked or not self._kept:
            changed[CHECKED] = new
        if changed:
            self._memory.keep_head(self._policy.origin, changed)

    def _recalled(self, purpose: str) -> _Kept | None:
        head = self._memory.head(self._policy.origin, purpose)
        # After a theft a new root names another key; what only the old one signed tells nothing then.
        seen = head and logs.head_of(head.note, self._policy)
        return _Kept(head.note, moment(head.at), seen.checkpoint) if head and seen else None

    def _is_due(self, head: Checkpoint) -> bool:
        if all(kept.checkpoint == head for kept in self._kept.values()):
            return False  # nothing was kept, or nothing is new
        return not self._policy.quorum or self._is_late(EVERY)

    def _is_late(self, limit: timedelta) -> bool:
        """Whether this machine itself last looked longer ago than that."""
        looked = self._kept.get(CHECKED)
        return looked is None or self._now - looked.at >= limit

    def _look(self, head: Witnessed) -> Fork | None:
        try:
            forked = self._files.by_each(WIDTH * HASH_BYTES, lambda fetch: self._forked(head, fetch))
        except (DownloadError, NotProven) as error:
            if self._policy.quorum and not self._is_late(GRACE):
                return None
            raise Refused(
                "log-unwitnessed",
                f"whether the log {head.checkpoint.origin} of {head.checkpoint.size} leaves only grew since this "
                f"machine saw it cannot be checked: {error}",
            ) from error
        self._looked = forked is None
        return forked

    def _forked(self, head: Witnessed, fetch: Fetch) -> Fork | None:
        """A fork from one of the heads that were kept. Each tile is fetched once."""
        seen: dict[str, bytes] = {}

        def remembered(path: str) -> bytes:
            if path not in seen:
                seen[path] = fetch(path)
            return seen[path]

        for kept in self._kept.values():
            if logs.forked(kept.checkpoint, head.checkpoint, remembered):
                begins = f"does not begin with the {kept.checkpoint.size} that it had before"
                why = f"the log {head.checkpoint.origin} of {head.checkpoint.size} leaves {begins}"
                return Fork(kept.note, _written(head), seen, why)
        return None


def _written(head: Witnessed) -> bytes:
    return str(head.note).encode()
