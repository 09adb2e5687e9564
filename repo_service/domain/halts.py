"""What each flag stops: one table, and the objection that follows from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, get_args

from keys.state import ActorClass
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Why
from repo_service.domain.flags import Flag, Standing


@dataclass(frozen=True, slots=True)
class Halt:
    """A flag stops these requests, but for those by the classes that ``passes`` names, and (where ``at`` says so) only
    about names in these states.
    """

    flag: Flag
    stops: tuple[type[r.Request], ...]
    passes: tuple[ActorClass, ...] = ()
    at: tuple[str, ...] = ()


HALTS: Final[tuple[Halt, ...]] = (
    Halt("read_only", get_args(r.Request)),
    Halt("deletions_halted", (r.Unpublish, r.UnpublishProject, r.RemoveFile, r.PurgeRelease, r.PurgeFile)),
    # What is dangerous must be told from what is not, whatever else stands still.
    Halt("deletions_halted", (r.Yank, r.YankDue), passes=("moderator", "admin")),
    Halt("new_names_halted", (r.Publish, r.Reserve, r.OpenSession), at=("absent", "vacant")),
    Halt("new_names_halted", (r.ClaimOpen,)),
    Halt("uploads_halted", (r.Publish,)),
)
_SAYS: Final[dict[Flag, str]] = {
    "read_only": "the registry is read-only",
    "deletions_halted": "nothing is removed for the time being",
    "new_names_halted": "no new names are given for the time being",
    "uploads_halted": "nothing is published for the time being",
}


def halted(case: Case, request: r.Request) -> Iterator[Why]:
    """An objection for each flag that stops this request."""
    if not case.around.flags:
        return
    stopping = {halt.flag for halt in HALTS if _stops(halt, case, request)}
    yield from (why(each) for each in case.around.flags if each.flag in stopping)


def _stops(halt: Halt, case: Case, request: r.Request) -> bool:
    return (
        isinstance(request, halt.stops)
        and request.actor.kind not in halt.passes
        and (not halt.at or machines.name_state(case.state) in halt.at)
    )


def why(flag: Standing) -> Why:
    """The objection that a flag makes."""
    said = flag.reason.text or flag.reason.code
    until = f"until {flag.until}" if flag.until else "until an admin says otherwise"
    params: dict[str, str | int] = {"since": flag.since, **({"until": flag.until} if flag.until else {})}
    return Why(f"flag_{flag.flag}", f"{_SAYS[flag.flag]} since {flag.since}, {until}: {said}", params)
