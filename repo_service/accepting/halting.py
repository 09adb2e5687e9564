"""Flags are set and cleared: each act is remembered in one transaction, to be signed with the next release."""

from collections.abc import Callable, Sequence
from datetime import datetime

from repo_service.domain import flags
from repo_service.domain.flags import FlagAct
from repo_service.storage.committing import Overtaken
from repo_service.storage.journal import Journal


class FlagsMoved(Exception):
    """A flag was set or cleared since the caller looked. Nothing was written."""


def set_flag(
    journal: Journal, asked: flags.SetFlag, client: str, expected: int | None, now: datetime
) -> FlagAct | None:
    """Halt what the flag stops; None if it was so already. Raises FlagsMoved, Malformed."""
    return _written(journal, client, expected, lambda acts: flags.set_flag(acts, asked, now))


def clear_flag(
    journal: Journal, asked: flags.ClearFlag, client: str, expected: int | None, now: datetime
) -> FlagAct | None:
    """Let it go on; None if the flag was not set. Raises FlagsMoved."""
    return _written(journal, client, expected, lambda acts: flags.clear_flag(acts, asked, now))


def clear_due(journal: Journal, now: datetime) -> int:
    """Clear every flag whose time has come; how many there were. Asking again changes nothing."""
    cleared = 0
    while _is_due(journal, now) and _written(journal, "clock", None, lambda acts: flags.clear_due(acts, now)):
        cleared += 1
    return cleared


def _is_due(journal: Journal, now: datetime) -> bool:
    with journal.reading() as view:
        return flags.clear_due(view.flags(), now) is not None


def _written(
    journal: Journal, client: str, expected: int | None, act: Callable[[Sequence[FlagAct]], FlagAct | None]
) -> FlagAct | None:
    """``expected`` is the number of the last act that the caller saw, if it insists on it."""
    while True:
        try:
            with journal.writing() as pen:
                acts = pen.flags()
                if expected not in (None, len(acts)):
                    raise FlagsMoved(f"the last act of flags is number {len(acts)}, not {expected}")
                if new := act(acts):
                    pen.add_flag_act(new, client)
                return new
        except Overtaken:
            continue
