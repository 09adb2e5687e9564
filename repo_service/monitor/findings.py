"""What a monitor has to say: one value for everything that is wrong, or that somebody should look at."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["alarm", "notice"]
"""``alarm``: somebody must act now, and the exit code says so. ``notice``: good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` is for programs (docs/LOG.md lists them), ``sentence`` for people. ``index`` is the leaf that it is
    about and ``name`` the name, where there is one; ``at`` is the time that the log says, or that of looking.
    """

    code: str
    level: Level
    sentence: str
    at: str
    index: int | None = None
    name: str | None = None
