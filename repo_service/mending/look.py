"""One moment of a repository, as each check of fsck looks at it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Root, Targets
from tuf.ngclient import Updater

from keys import layout
from repo_service.build.due import Signed
from repo_service.build.pages import Layout
from repo_service.domain import changes as c
from repo_service.mending.damage import Progress
from repo_service.storage.depot import Depot
from repo_service.storage.inventory import Inventory
from repo_service.storage.journal import Journal


@dataclass(frozen=True, slots=True)
class Repository:
    """What is examined: journal, depot and layout, at which time; ``progress`` hears what is being looked at, and how
    far; ``make_updater`` makes python-tuf's client.
    """

    journal: Journal
    depot: Depot
    layout: Layout
    now: datetime
    progress: Progress = lambda *_: None
    make_updater: Callable[..., Updater] = Updater


@dataclass(frozen=True, slots=True)
class Trusted:
    """The delegators of everything that is signed online, once the offline files hold together."""

    root: Root
    bins: Targets
    shape: layout.Bins


@dataclass(frozen=True, slots=True)
class Look:
    """One moment of a repository, and what several checks ask for. ``trusted`` is None where nobody can be."""

    its: Repository
    view: Inventory
    roles: Mapping[str, Signed]
    staged: frozenset[int]
    trusted: Trusted | None = None


def named(look: Look, what: str) -> Iterator[c.Name]:
    """Every name, while ``progress`` hears what is looked at of them."""
    _, total = look.view.counted()
    for number, name in enumerate(look.view.all_names(), 1):
        look.its.progress(what, number, total)
        yield name
