"""How names, releases and what happened to them are put on a page: a word or a sentence, and how alarming it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from keys.state import Mark, NameState, Release
from repo_service.domain import requests as r

Kind = Literal["", "ok", "info", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Badge:
    """A word in a colour, and when it became so, by whom and why, if somebody said it."""

    text: str
    kind: Kind
    mark: Mark | None = None


_NAME: Final[dict[str, Kind]] = {
    "registered": "ok", "reserved": "info", "placeholder": "warn", "prohibited": "bad", "vacant": "",
}  # fmt: skip
_LOUD: Final = (
    "release.yank", "release.quarantined", "release.purged", "release.unpublished", "project.quarantined",
    "project.removed", "project.locked", "name.prohibited", "name.placeholder", "takedown.", "file.removed",
    "file.purged",
)  # fmt: skip
_CALM: Final = ("release.yank_cancelled",)


def of_name(state: NameState | None) -> Iterator[Badge]:
    """What a name is, and what lies over it."""
    if state is None:
        yield Badge("not known", "")
        return
    yield Badge(state.state, _NAME[state.state])
    marks: tuple[tuple[str, Kind, Mark | None], ...] = (
        ("quarantined", "bad", state.quarantine),
        ("locked", "warn", state.locked),
        ("archived", "info", state.archived),
        ("deprecated", "warn", state.deprecated.mark if state.deprecated else None),
        ("namespace", "info", state.namespace.mark if state.namespace else None),
    )
    yield from (Badge(text, kind, mark) for text, kind, mark in marks if mark is not None)


def of_release(release: Release) -> Iterator[Badge]:
    """What a release is, and what lies over it."""
    if release.state != "published":
        yield Badge(release.state, "bad", release.removed)
    marks: tuple[tuple[str, Kind, Mark | None], ...] = (
        ("quarantined", "bad", release.quarantine),
        ("yanked", "bad", release.yank.mark if release.yank else None),
        ("yank held", "warn", release.held_yank.mark if release.held_yank else None),
        ("deprecated", "warn", release.deprecated.mark if release.deprecated else None),
    )
    found = [Badge(text, kind, mark) for text, kind, mark in marks if mark is not None]
    yield from found
    if release.state == "published" and not found:
        yield Badge("published", "ok")


def loudness(kind: str) -> Kind:
    """How alarming a type of event is."""
    if kind.startswith(_CALM):
        return "ok"
    return "warn" if kind.startswith(_LOUD) else "info"


_COMES: Final[dict[type[r.Request], str]] = {
    r.Expire: "the reservation ends",
    r.CloseDue: "releases take no more files",
    r.PurgeRelease: "{version} can never be restored again",
    r.PurgeFile: "a removed file of {version} can never be restored again",
    r.YankDue: "the held yank of {version} comes into force",
}


def coming(due: list[tuple[datetime, r.Request]]) -> list[tuple[datetime, str]]:
    """What time will do, and when."""
    return [(at, _COMES[type(each)].format(version=getattr(each, "version", ""))) for at, each in due]
