"""Is the page of each name that of its state, and its state the fold of its events?"""

from collections.abc import Iterator
from typing import Final

from keys import invariants, names, page, succession
from keys.encoding import sha256
from keys.state import NameState
from repo_service.build.pages import Target, page_of, policy_page
from repo_service.domain import changes as c
from repo_service.domain.evolve import evolve
from repo_service.mending.damage import RESTORE, Problem
from repo_service.mending.look import Look, named

_UNSIGNED: Final = 1 << 62
"""Later than every release."""


def pages(look: Look) -> Iterator[Problem]:
    """Every name has a page in the bins, and where nothing is pending it is the page of the name's state."""
    for name in named(look, "pages"):
        assert name.state is not None, "a row of names has a state"
        targets = {target.path: target for _, target in look.view.targets_of([name.name])}
        yield from _page(look, name.state, targets, waiting=look.view.is_pending(name.name))
    for who, path in look.view.strays():
        yield Problem(path, f"is a target of {who}, which nobody ever touched", RESTORE)
    for document in look.view.signed_documents():
        own = policy_page(document).targets[0]
        if look.view.target(own.path) != own:
            yield Problem(own.path, f"is not the target that {document.id} should be", RESTORE)


def _page(look: Look, state: NameState, targets: dict[str, Target], *, waiting: bool) -> Iterator[Problem]:
    own = targets.get(names.page_path(state.name))
    if own is None:
        if not waiting:
            yield Problem(state.name, "has no signed page", RESTORE)
        return
    body = look.view.current(own.stored_at)
    if body is None:
        yield Problem(state.name, f"its signed page is not in the journal's current state: {own.stored_at}", RESTORE)
        return
    try:
        signed = page.parse(body)
    except page.InvalidPage as error:
        yield Problem(state.name, f"its signed page cannot be read: {error}", RESTORE)
        return
    if signed.name != state.name or sha256(body) != own.sha256:
        yield Problem(state.name, f"its signed page is another: of {signed.name}", RESTORE)
    if waiting:
        return
    expected = page_of(state, look.its.layout)
    if expected.body != body:
        yield Problem(state.name, f"its signed page (serial {signed.serial}) is not that of its state", RESTORE)
    made = {target.path: target for target in expected.targets}
    for path in sorted(made.keys() | targets.keys()):
        if made.get(path) != targets.get(path) and path != own.path:
            yield Problem(path, "is signed otherwise than the state says", RESTORE)


def histories(look: Look) -> Iterator[Problem]:
    """Every name is the fold of its events, of which each is in one release, and no release took anything back."""
    for name in named(look, "histories"):
        try:
            yield from _history(look, name)
        except (AssertionError, ValueError, KeyError) as error:
            yield Problem(name.name, f"its events do not follow each other: {error}", RESTORE)


def _history(look: Look, name: c.Name) -> Iterator[Problem]:
    folded, last, signed = c.Name(name.name, None, None), 0, None
    number = 0
    if begun := look.view.begun_from(name.name):  # what came before was lost with an older journal
        folded, number, last = begun
    for each in look.view.history(name.name, after=number):
        number += 1
        release = _UNSIGNED if each.release is None else each.release
        if each.serial != number:
            yield Problem(name.name, f"event {number} is missing: {each.serial} comes next", RESTORE)
            return
        if release < last:
            yield Problem(name.name, f"event {number} is signed in release {release}, before those it follows", RESTORE)
        if last and release != last:
            yield from _succession(signed, folded.state)
            signed = folded.state
        folded, last = evolve(folded, each.event), release
    if last != _UNSIGNED:
        yield from _succession(signed, folded.state)
        signed = folded.state
    if folded != name:
        yield Problem(name.name, "its state is not what its events lead to", RESTORE)
    if signed is not None:
        yield from _signed_state(look, signed)


def _succession(before: NameState | None, after: NameState | None) -> Iterator[Problem]:
    if before is not None and after is not None:
        for broken in succession.broken_promises(before, after):
            yield Problem(after.name, f"serial {after.serial} takes something back: {broken.sentence}", RESTORE)


def _signed_state(look: Look, signed: NameState) -> Iterator[Problem]:
    """The page in the bins is the one that the signed events lead to, and it breaks no invariant."""
    for broken in invariants.broken_invariants(signed, look.its.now):
        yield Problem(signed.name, f"is signed and breaks {broken}", RESTORE)
    target = look.view.target(names.page_path(signed.name))
    if target is not None and target.sha256 != sha256(page.render(signed)):
        yield Problem(signed.name, "its signed page is not what its signed events lead to", RESTORE)
