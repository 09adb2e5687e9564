"""What another registry says of a project, and the requests that bring it here: all of it is decided like any change.

An import only adds. Its requests ask for what is there already too; those change nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keys import names
from keys.state import Reason
from keys.times import moment, stamp
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.case import Accepted, Around, Refusal
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve_all
from repo_service.domain.policy import Policy
from repo_service.domain.requests import Advice, Said

SYSTEM: Final = r.Actor("system")
SOURCE: Final = r.Actor("system", "import", approver="source")
"""The brake is for what an account asks: two stand behind a yank that another registry had in force already."""
OPERATOR: Final = r.Actor("admin")


@dataclass(frozen=True, slots=True)
class BroughtRelease:
    """A release with its files. ``published_at`` is when those came that do not say it themselves."""

    version: str
    files: tuple[r.NewFile, ...]
    published_at: str | None = None
    yanked: Said | None = None

    def __post_init__(self) -> None:
        if not self.files:
            raise ValueError(f"{self.version!r:.80} has no file")
        if self.published_at is not None:
            moment(self.published_at)


@dataclass(frozen=True, slots=True)
class Reserved:
    """Who holds a name: the account, never published, and what is shown of it."""

    account: str
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """A project as its registry knows it (docs/FORMAT.md, "Import"). ``name`` is in any spelling."""

    name: str
    releases: tuple[BroughtRelease, ...] = ()
    display: str | None = None
    archived: Said | None = None
    deprecated: Advice | None = None
    quarantined: Reason | None = None
    reserved: Reserved | None = None
    prohibited: Reason | None = None

    def __post_init__(self) -> None:
        normal = names.normalise(self.name)
        if self.display is not None and names.normalise(self.display) != normal:
            raise ValueError(f"{self.display!r:.80} is not a spelling of {normal}")
        said = (bool(self.releases), self.reserved is not None, self.prohibited is not None)
        if sum(said) != 1:
            raise ValueError("a line has either releases or reserved or prohibited")
        if not self.releases and (self.archived or self.deprecated or self.quarantined):
            raise ValueError("a name without releases is not archived, deprecated or quarantined")
        if self.archived is not None and self.deprecated is not None:
            raise ValueError("archived and deprecated at once; one of the two")


@dataclass(frozen=True, slots=True)
class Done:
    """One request of an import, with its decision and the events that follow, which are not numbered yet."""

    request: r.Request
    outcome: Accepted | Refusal
    events: tuple[c.Event, ...] = ()


def asked(project: Brought) -> Iterator[r.Request]:
    """The requests, in an order in which none stands in another's way."""
    name, display = names.normalise(project.name), project.display or project.name
    for each in project.releases:
        files = tuple(_dated(file, each.published_at) for file in each.files)
        yield r.Publish(name, each.version, files, SYSTEM, display)
    for each in project.releases:
        if each.yanked is not None:
            yield r.Yank(name, each.version, each.yanked.reason or Reason("imported"), SOURCE)
    if project.deprecated is not None:
        yield r.Deprecate(name, project.deprecated.reason, project.deprecated.alternative, SYSTEM)
    if project.archived is not None:
        yield r.Archive(name, project.archived.reason, SYSTEM)
    if project.quarantined is not None:
        yield r.Quarantine(name, project.quarantined, OPERATOR)
    if project.releases:
        # Most are older than releases stay open: closed here, they are not closed one by one when the sweeper comes.
        yield r.CloseDue(name)
    if project.reserved is not None:
        yield r.Reserve(name, SYSTEM, project.reserved.shown, display, project.reserved.account)
    if project.prohibited is not None:
        yield r.Prohibit(name, project.prohibited, OPERATOR)


def bring(
    name: c.Name, requests: Iterable[r.Request], policy: Policy, now: datetime, around: Around
) -> tuple[c.Name, list[Done]]:
    """Decide each request after those before it. The name afterwards, and what became of each.

    Publishing one version does not look at another, so versions that are new are decided beside each other and folded
    into the state together: one after the other, a project of ten thousand releases would be copied ten thousand times.
    """
    done: list[Done] = []
    waiting: list[c.Event] = []
    new: set[str] = set()
    for request in requests:
        if waiting and not _is_beside(name, request, policy, new):
            name, waiting, new = evolve_all(name, waiting), [], set()
        outcome = decide(name, request, policy, now, around)
        events = _events(name, request, outcome, policy, now) if isinstance(outcome, Accepted) else ()
        done.append(Done(request, outcome, events))
        waiting += events
        for event in events:
            if isinstance(event.change, c.ReleasePublished):
                new.add(event.change.canonical)
            else:  # what else there is bears on everything that follows
                name, waiting, new = evolve_all(name, waiting), [], set()
    return evolve_all(name, waiting), done


def _is_beside(name: c.Name, request: r.Request, policy: Policy, new: set[str]) -> bool:
    """Whether a request can be decided as if the releases in ``new`` were not there yet."""
    if not isinstance(request, r.Publish) or machines.name_state(name.state) != "registered":
        return False
    try:
        return policy.version_rule.canonical(request.version) not in new
    except BadArtifact:
        return True


def _events(name: c.Name, request: r.Request, accepted: Accepted, policy: Policy, now: datetime) -> tuple[c.Event, ...]:
    reason, actor, at = getattr(request, "reason", None), request.actor, stamp(now)
    return tuple(
        c.Event(
            0, name.name, at, actor.kind, reason, policy.id, change, actor.id, accepted.holder, actor.approver,
            accepted.org,
        )
        for change in accepted.changes
    )  # fmt: skip


def _dated(file: r.NewFile, published_at: str | None) -> r.NewFile:
    if file.uploaded_at is not None or published_at is None:
        return file
    return r.NewFile(
        file.filename, file.sha256, file.size, published_at, file.requires_python, file.core_metadata, file.url,
        file.provenance,
    )  # fmt: skip
