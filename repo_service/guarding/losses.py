"""What a bin takes away from whoever installs: promises that it breaks, and how much of what it replaces goes."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from keys import names, page, state, succession
from keys.state import NameState, Release
from repo_service.guarding.facts import Counts
from repo_service.guarding.reading import Evidence, NotShown, Refusal, digest_of

Over = Callable[[str, str, int], None]
"""Says that a rule is broken, by its code, a sentence and how much. Raises Refusal unless that is waived."""


def losses(
    role: str, before: Mapping[str, Any], after: Mapping[str, Any], held: Collection[str], shown: Evidence, over: Over
) -> Counts:
    """What goes from the targets of before to these. Refusal if something goes or changes that never may."""
    total = Counts()
    for path, entry in before.items():
        if (other := after.get(path)) == entry:
            continue
        if other is None:
            total += _gone(role, path, held, over)
        elif path.startswith("simple/"):
            total += _page(role, path, digest_of(entry), digest_of(other), shown, over)
        elif (digest_of(entry), entry.get("length")) != (digest_of(other), other.get("length")):
            raise Refusal("changed", f"{role}: {path} is another file than before")
    return total


def _gone(role: str, path: str, held: Collection[str], over: Over) -> Counts:
    folder, _, rest = path.partition("/")
    if folder == "packages":
        return Counts(files=1)
    if folder == "simple" and rest.partition("/")[0] in map(names.segment, held):
        return Counts(removals=1)
    over("vanished", f"{role}: {path} is no longer listed", 1)
    return Counts(removals=1)


def _page(role: str, path: str, old: str | None, new: str | None, shown: Evidence, over: Over) -> Counts:
    pages = [shown.of(digest) if digest else None for digest in (old, new)]
    if None in pages and shown.files is None:
        raise NotShown
    if pages[0] is None or pages[1] is None:
        which = "before" if pages[0] is None else "now"
        over("unproven", f"{role}: the page at {path} of {which} was not shown", 1)
        return Counts()
    try:
        before, after = page.state_of(pages[0]), page.parse(pages[1])
    except page.InvalidPage as error:
        raise Refusal("succession", f"{role}: {path}: {error}") from None
    if names.page_path(after.name) != path:
        raise Refusal("succession", f"{role}: {path} is the page of {after.name}")
    if broken := succession.broken_promises(before, after):
        over("succession", f"{role}: page of {after.name}: {broken[0].sentence}", 1)
    return counts(before, after)


def counts(before: NameState, after: NameState) -> Counts:
    """Releases newly yanked; and what is newly not installable: a whole project counts as one, else each release, and
    each file of a release that stays.
    """
    pairs = [(old, new) for old in before.releases if (new := after.release_of(old.canonical))]
    yanks = sum(1 for old, new in pairs if new.yank is not None and old.yank is None)
    if _is_open(before) and not _is_open(after):
        return Counts(yanks, 1)
    gone = [(old, new) for old, new in pairs if _installs(before, old) and not _installs(after, new)]
    files = sum(len(old.present) - len(new.present) for old, new in pairs if _fewer(before, after, old, new))
    return Counts(yanks, len(gone) + files)


def _is_open(its: NameState) -> bool:
    return its.quarantine is None and its.state == "registered"


def _installs(its: NameState, release: Release) -> bool:
    return state.is_installable(its, release) and bool(release.present)


def _fewer(before: NameState, after: NameState, old: Release, new: Release) -> bool:
    return _installs(before, old) and _installs(after, new) and len(new.present) < len(old.present)
