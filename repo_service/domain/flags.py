"""Flags halt whole kinds of change: the signed acts by which admins set and clear them (docs/FORMAT.md, "Flags").

A date alone clears nothing: after ``until`` the clock clears the flag, by an act like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from keys import names, strict
from keys.encoding import compact
from keys.state import Reason
from keys.times import moment, stamp

Flag = Literal["read_only", "deletions_halted", "new_names_halted", "uploads_halted"]
DOCUMENT: Final = "flags"
"""Flags lie beside the policies, so that no policy may have this name."""

Pause = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class SetFlag:
    """Halt what a flag stops, until an admin clears it or, if ``until`` is given, the clock does."""

    flag: Flag
    reason: Reason
    until: str | None = None

    def __post_init__(self) -> None:
        if self.until is not None:
            moment(self.until)


@dataclass(frozen=True, slots=True)
class ClearFlag:
    """Ask that what a flag halted goes on."""

    flag: Flag
    reason: Reason


@dataclass(frozen=True, slots=True)
class Standing:
    """A flag that is set."""

    flag: Flag
    since: str
    reason: Reason
    until: str | None = None


@dataclass(frozen=True, slots=True)
class FlagAct:
    """One act, and every flag that stands after it. Numbers begin at 1 and have no gaps: the last one is the truth."""

    number: int
    at: str
    by: Literal["admin", "clock"]
    act: Literal["set", "cleared"]
    flag: Flag
    reason: Reason
    standing: tuple[Standing, ...]

    @property
    def id(self) -> str:
        """How the journal names it."""
        return f"{DOCUMENT}/{self.number}"

    @property
    def path(self) -> str:
        """Its target path."""
        return names.policy_path(DOCUMENT, self.number)

    @property
    def body(self) -> bytes:
        """The target's bytes."""
        return compact(strict.dump(self))


def standing(acts: Sequence[FlagAct]) -> tuple[Standing, ...]:
    """The flags that are set after all acts."""
    return acts[-1].standing if acts else ()


def set_flag(acts: Sequence[FlagAct], asked: SetFlag, now: datetime) -> FlagAct | None:
    """The next act; None if the flag is set already, until then and for that reason. Malformed if ``until`` is past."""
    if asked.until is not None and moment(asked.until) <= now:
        raise strict.Malformed("until", f"is {asked.until}, which is past; leave it out, or say a time to come")
    old = _find(acts, asked.flag)
    if old is not None and (old.reason, old.until) == (asked.reason, asked.until):
        return None
    new = Standing(asked.flag, old.since if old else stamp(now), asked.reason, asked.until)
    others = [each for each in standing(acts) if each.flag != asked.flag]
    listed = tuple(sorted((*others, new), key=lambda each: each.flag))
    return FlagAct(len(acts) + 1, stamp(now), "admin", "set", asked.flag, asked.reason, listed)


def clear_flag(acts: Sequence[FlagAct], asked: ClearFlag, now: datetime) -> FlagAct | None:
    """The next act; None if the flag is not set."""
    if _find(acts, asked.flag) is None:
        return None
    others = tuple(each for each in standing(acts) if each.flag != asked.flag)
    return FlagAct(len(acts) + 1, stamp(now), "admin", "cleared", asked.flag, asked.reason, others)


def clear_due(acts: Sequence[FlagAct], now: datetime) -> FlagAct | None:
    """The clock's next act: clear the first flag whose time has come."""
    for each in standing(acts):
        if each.until is not None and moment(each.until) <= now:
            others = tuple(other for other in standing(acts) if other.flag != each.flag)
            why = Reason("time_over", f"was set until {each.until}")
            return FlagAct(len(acts) + 1, stamp(now), "clock", "cleared", each.flag, why, others)
    return None


def pauses(acts: Sequence[FlagAct], now: datetime) -> tuple[Pause, ...]:
    """The times in which the registry was read-only, in order; one that goes on ends now."""
    found: list[Pause] = []
    began: datetime | None = None
    for act in acts:
        if act.flag != "read_only":
            continue
        if act.act == "set":
            began = began or moment(act.at)
        elif began is not None:
            found.append((began, moment(act.at)))
            began = None
    return (*found, (began, max(began, now))) if began else tuple(found)


def paused(pauses: Sequence[Pause], start: datetime, end: datetime) -> timedelta:
    """How long the registry was read-only between two instants."""
    return sum((max(min(to, end) - max(at, start), timedelta()) for at, to in pauses), timedelta())


def extended(pauses: Sequence[Pause], start: datetime, due: datetime) -> datetime:
    """When a deadline really is, that began to run at ``start`` and was to end at ``due``: nobody's time is shortened,
    for while the registry is read-only nobody can use it.
    """
    for at, to in pauses:
        if max(at, start) < due and to > start:
            due += to - max(at, start)
    return due


def _find(acts: Sequence[FlagAct], flag: Flag) -> Standing | None:
    return next((each for each in standing(acts) if each.flag == flag), None)
