"""What every page of the console works with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tuf.ngclient import Updater

from repo_service.build.due import Lifetimes
from repo_service.operating.status import Status
from repo_service.publishing.witnessing import Panel
from repo_service.web.desk import Desk


@dataclass(frozen=True, slots=True)
class Console:
    """The service as its pages see it. ``status`` looks at journal and depot; ``panel`` are the witnesses that are
    asked, if any are; ``for_all`` are the pages for which nobody need sign in (doors.py); ``secret`` signs sessions,
    and all servers of a service have the same; ``make_updater`` makes python-tuf's client.
    """

    desk: Desk
    status: Callable[[], Status]
    lifetimes: Lifetimes
    panel: Panel | None
    for_all: frozenset[str]
    secret: str = field(repr=False)
    make_updater: Callable[..., Updater] = Updater
