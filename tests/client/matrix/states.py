"""Every state of a name, release or file as one row: what a person wants of it, and what must come of it.

A row has a project of its own, named after the state, with 1.0 and 2.0. ``now`` is what is signed of it when somebody
installs, None for nothing; this machine has verified ``before`` then, if that is not None. What is read at the terminal
is in ``golden``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from client_verify.refusals import Code
from client_verify.verifier import Verifier
from keys.encoding import sha256
from keys.state import (
    ActorClass,
    Deprecation,
    HeldYank,
    Mark,
    NameState,
    Release,
    Removal,
    Reservation,
    Takedown,
    TakedownStatus,
    Yank,
    YankClass,
)
from keys.times import stamp
from tests import paper
from tests.client.matrix.stage import PUBLISHED, Stage

_BY: Final[dict[YankClass, ActorClass]] = {"owner": "owner", "security": "admin", "support": "support"}


@dataclass(frozen=True, slots=True)
class State:
    """``installs`` is the version that is there afterwards, ``code`` the refusal where it is none; ``options`` are what
    the person says to ``tallystick run``.
    """

    now: NameState | None
    wanted: str = "==1.0"
    installs: str = ""
    code: Code | None = None
    before: NameState | None = None
    options: tuple[str, ...] = ()


def wheels(name: str) -> list[paper.Artifact]:
    """All files of a row's project; 3.0 is the new holder's."""
    return [paper.wheel(name, version) for version in ("1.0", "2.0", "3.0")]


def patched(name: str) -> paper.Artifact:
    """The build of 1.0 that every installer prefers (PEP 427)."""
    built = paper.wheel(name, "1.0", says="patched")
    return replace(built, filename=built.filename.replace("1.0", "1.0-1"))


def enact(stage: Stage, rows: dict[str, State]) -> None:
    """This machine verifies what was before, and then the rest is signed."""
    begin(stage, {name: row for name, row in rows.items() if row.before is not None})
    become(stage, rows)


def begin(stage: Stage, rows: dict[str, State]) -> None:
    """All is well, and this machine has verified it."""
    seen = {name: row.before for name, row in rows.items() if row.before is not None}
    _say(stage, seen.values())
    with stage.as_person():
        verifier = Verifier.pinned()
        for name in seen:
            verifier.ask(name)


def become(stage: Stage, rows: dict[str, State]) -> None:
    """Sign what is so now."""
    _say(stage, (row.now for row in rows.values() if row.now is not None))


def _say(stage: Stage, states: Iterable[NameState]) -> None:
    for state in states:
        if state.name not in stage.repository.held:
            stage.repository.say(state)
        for each in (*wheels(state.name), patched(state.name)):
            stage.repository.add_file(state.name, each.filename, each.data, each.metadata)
    stage.repository.publish(stage.now)


def _releases(name: str) -> tuple[Release, Release]:
    one, two, _ = wheels(name)
    return paper.release(PUBLISHED, "1.0", one), paper.release(PUBLISHED, "2.0", two)


def _fine(name: str, **changes: Any) -> NameState:
    return replace(paper.project(PUBLISHED, name, *_releases(name)), **changes)


def _one(name: str, **changes: Any) -> NameState:
    """1.0 has changed."""
    one, two = _releases(name)
    return paper.project(PUBLISHED, name, replace(one, **changes), two, serial=2)


def _patched(name: str, *removals: Removal) -> NameState:
    """1.0 has two files."""
    one = paper.release(PUBLISHED, "1.0", wheels(name)[0], patched(name))
    return paper.project(PUBLISHED, name, replace(one, removals=removals), serial=1 + len(removals))


def _gone(name: str, **changes: Any) -> NameState:
    """All is removed."""
    gone = [paper.removed(PUBLISHED, each, "the whole project was a trap") for each in _releases(name)]
    return replace(paper.project(PUBLISHED, name, *gone, serial=2), **changes)


def _yanked(name: str, kind: YankClass = "owner") -> tuple[Release, ...]:
    mark = _mark("looks broken", _BY[kind])
    return tuple(replace(each, yank=Yank(kind, mark)) for each in _releases(name))


def _all_yanked(name: str) -> NameState:
    return paper.project(PUBLISHED, name, *_yanked(name), serial=2)


def _one_yanked(name: str, kind: YankClass) -> NameState:
    return paper.project(PUBLISHED, name, _yanked(name, kind)[0], _releases(name)[1], serial=2)


def _two_yanked(name: str) -> NameState:
    return paper.project(PUBLISHED, name, _releases(name)[0], _yanked(name)[1], serial=2)


def _passed_on(name: str) -> NameState:
    """Somebody else has the name, and has published 3.0."""
    three = replace(paper.release(PUBLISHED, "3.0", wheels(name)[2]), generation=2)
    gone = [paper.removed(PUBLISHED, each, "given up") for each in _releases(name)]
    return replace(paper.project(PUBLISHED, name, *gone, three, serial=3), generation=2)


def _empty(name: str, **changes: Any) -> NameState:
    return replace(paper.project(PUBLISHED, name), **changes)


def _mark(text: str, by: ActorClass = "admin") -> Mark:
    return paper.mark(PUBLISHED, by, text=text)


def _listed(name: str, status: TakedownStatus) -> Takedown:
    digest, at = sha256(wheels(name)[0].data), _mark("it steals tokens")
    return Takedown(f"{name}/1/1", "malware", status, ("1.0",), (digest,), at, at, ("MAL-2026-7",))


_ADVICE: Final = Deprecation(_mark("nobody maintains it", "owner"), "flask")
_HELD_BACK: Final = HeldYank("owner", _mark("looks broken", "owner"), stamp(PUBLISHED + timedelta(days=1)))
_TOMBSTONE: Final = _mark("published by mistake", "owner")
_KEPT: Final = Reservation("user", "The Acme Company", "2027-01-31T00:00:00Z", "2027-02-28T00:00:00Z", 0)
_TRAP: Final = _mark("the whole project was a trap")

INSTALLS: Final = {
    "active": State(_fine("active"), "", "2.0"),
    "deprecatedproject": State(_fine("deprecatedproject", deprecated=_ADVICE), "", "2.0"),
    "deprecatedrelease": State(_one("deprecatedrelease", deprecated=_ADVICE), "==1.0", "1.0"),
    "archived": State(_fine("archived", archived=_mark("finished", "owner")), "", "2.0"),
    "yankedpin": State(_one_yanked("yankedpin", "owner"), "==1.0", "1.0"),
    "supportyanked": State(_one_yanked("supportyanked", "support"), "==1.0", "1.0"),
    "yankedrange": State(_two_yanked("yankedrange"), ">=1", "1.0"),
    "yankheld": State(_one("yankheld", held_yank=_HELD_BACK), "==1.0", "1.0"),
    "yankedbutpinned": State(_all_yanked("yankedbutpinned"), "==1.0", "1.0", before=_fine("yankedbutpinned")),
    "suspected": State(replace(_fine("suspected"), takedowns=(_listed("suspected", "suspected"),)), "==1.0", "1.0"),
    "filegone": State(
        _patched("filegone", Removal(patched("filegone").filename, "removed", _TOMBSTONE)),
        "==1.0",
        "1.0",
        before=_patched("filegone"),
    ),
    "lowernamed": State(_two_yanked("lowernamed"), "==1.0", "1.0", before=_fine("lowernamed")),
    "securityallowed": State(
        _one_yanked("securityallowed", "security"), "==1.0", "1.0", options=("--allow-security-yanked",)
    ),
    "loweraccepted": State(
        _two_yanked("loweraccepted"), "", "1.0", before=_fine("loweraccepted"), options=("--accept-yanks",)
    ),
    "newholderaccepted": State(
        _passed_on("newholderaccepted"),
        "",
        "3.0",
        before=_fine("newholderaccepted"),
        options=("--accept-new-generation",),
    ),
}
"""All at once, in one run of each installer."""

REFUSES: Final = {
    "quarantinedproject": State(
        _fine("quarantinedproject", serial=2, quarantine=_mark("it may steal tokens")), code="quarantined"
    ),
    "quarantinedrelease": State(
        _one("quarantinedrelease", quarantine=_mark("it may steal tokens")), code="release-quarantined"
    ),
    "unpublished": State(_one("unpublished", state="unpublished", removed=_TOMBSTONE), code="unpublished"),
    "purged": State(_one("purged", state="purged", removed=_mark("a key was inside")), code="unpublished"),
    "takendown": State(
        replace(
            _one("takendown", state="unpublished", removed=_mark("it steals tokens")),
            takedowns=(_listed("takendown", "confirmed"),),
        ),
        code="taken-down",
    ),
    "placeholder": State(_gone("placeholder", state="placeholder", since=_TRAP), "", code="placeholder"),
    "reserved": State(_empty("reserved", state="reserved", reservation=_KEPT), "", code="reserved"),
    "prohibited": State(_gone("prohibited", state="prohibited", since=_TRAP), "", code="prohibited"),
    paper.HELD_NAME: State(paper.prohibited(PUBLISHED, paper.HELD_NAME), "", code="prohibited"),
    "vacant": State(_empty("vacant", state="vacant", since=_mark("given up", "owner")), "", code="vacant"),
    "absent": State(None, "", code="absent"),
    "securityyanked": State(_one_yanked("securityyanked", "security"), code="security-yanked"),
    "allyanked": State(_all_yanked("allyanked"), "", code="all-yanked", before=_fine("allyanked")),
    "lower": State(_two_yanked("lower"), "", code="lower-version", before=_fine("lower")),
    "newholder": State(_passed_on("newholder"), "", code="new-generation", before=_fine("newholder")),
}
"""One run for each, since an installer ends with the first."""

_OFTEN: Final = {name: REFUSES[name] for name in ("quarantinedrelease", "unpublished", "securityyanked", "newholder")}
SOME_LOCKED: Final = {
    **{name: replace(row, wanted="==1.0", before=_fine(name)) for name, row in _OFTEN.items()},
    **{name: replace(INSTALLS[name], before=_fine(name)) for name in ("yankedpin", "lowernamed")},
    "filegone": INSTALLS["filegone"],
}
LOCKED: Final = {
    **SOME_LOCKED,
    **{
        name: replace(REFUSES[name], wanted="==1.0", before=_fine(name))
        for name in ("quarantinedproject", "placeholder", "prohibited", "purged", "takendown")
    },
}
"""What was locked and installed while all was well, and is installed anew from the lock, all caches being warm."""
