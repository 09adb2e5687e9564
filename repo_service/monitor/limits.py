"""How much is too much: the limits of the monitor's alarms, each with its default, as data."""

import tomllib
from dataclasses import dataclass, fields, replace
from typing import Final


class BadLimits(Exception):
    """A file of limits cannot be used. Nothing was looked at."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Each is the most that is still no alarm. What is counted is counted within ``window_s`` seconds."""

    window_s: int = 3600
    withdrawn: int = 20
    withdrawn_percent: int = 50
    withdrawn_percent_from: int = 5
    withdrawn_everywhere: int = 200
    projects_of_one_class: int = 100
    quarantines: int = 20
    takedowns: int = 20
    late_s: int = 86400
    standstill_s: int = 12 * 3600
    held_back_s: int = 3600
    cosigned_age_s: int = 3 * 86400

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) < 1:
                raise ValueError(f"{each.name} is {getattr(self, each.name)}; a limit is at least 1")


ABOUT: Final[dict[str, str]] = {
    "window_s": "seconds in which things are counted together",
    "withdrawn": "releases of one project that are taken away (yanked, removed, in quarantine)",
    "withdrawn_percent": "the same, in percent of what could be installed of the project",
    "withdrawn_percent_from": "releases taken away from which on percent count",
    "withdrawn_everywhere": "releases that are taken away, of all projects together",
    "projects_of_one_class": "projects from which one class of actor takes something away",
    "quarantines": "projects and releases that are put into quarantine",
    "takedowns": "takedowns that are listed or confirmed",
    "late_s": "seconds between the date of an event and that of its release",
    "standstill_s": "seconds since the newest release was signed",
    "held_back_s": "seconds that the registry is out of reach, or a vantage has a newer head of the log",
    "cosigned_age_s": "seconds since the last of a quorum of witnesses cosigned",
}
"""What each limit counts, for people (docs/LOG.md)."""


def read(text: str) -> Limits:
    """The limits of a TOML file; what it does not say has its default. Raises BadLimits."""
    try:
        said = tomllib.loads(text)
        if unknown := sorted(said.keys() - ABOUT.keys()):
            raise BadLimits(f"{unknown[0]} is no limit; there are: {', '.join(ABOUT)}")
        if wrong := sorted(name for name, value in said.items() if type(value) is not int):
            raise BadLimits(f"{wrong[0]} is a whole number")
        return replace(Limits(), **said)
    except ValueError as error:
        raise BadLimits(str(error)) from None


def doubled(count: int, limit: int) -> int:
    """How far above a limit this is: 0 up to it, 1 up to twice of it, 2 up to four times of it, and so on."""
    return ((count - 1) // limit).bit_length() if count else 0
