"""What follows from an event for a namespace: its public grant, the organisations behind it, and who is under it.

The grant follows from the public part of events alone, so that anybody can replay it; organisations are restricted.
"""

from dataclasses import replace

from keys.state import Grant, Mark, Membership, NameState
from repo_service.domain import changes as c


def orgs_after(orgs: tuple[str, ...], change: c.Change, org: str | None) -> tuple[str, ...]:
    """The organisations of a grant after a change about ``org``, the owner first: those that its texts stand for, in
    the same order. Empty: there is no grant, or who replays it does not know all of them, and then none takes another's
    place.
    """
    match change:
        case c.NamespaceGranted() | c.ChildGranted():
            return () if org is None else (org,)
        case c.NamespaceShared():
            return () if org is None or not orgs else (*orgs, org)
        case c.NamespaceUnshared():
            return () if org is None else tuple(each for each in orgs if each != org)
        case c.NamespaceTransferred():
            return () if org is None else (org, *(each for each in orgs[1:] if each != org))
        case c.NamespaceEnded():
            return ()
    return orgs


def granted(state: NameState, change: c.NamespaceGranted, mark: Mark) -> NameState:
    """The state once its prefix was granted."""
    return replace(state, namespace=Grant(change.owner, mark))


def child_granted(state: NameState, change: c.ChildGranted, mark: Mark) -> NameState:
    """The state once a part of a namespace was granted to an owner of its own."""
    return replace(state, namespace=Grant(change.owner, mark, change.parent))


def shared(state: NameState, change: c.NamespaceShared | c.NamespaceUnshared, mark: Mark) -> NameState:
    """The state once the list of those who may take names below it is another."""
    del mark
    return replace(state, namespace=replace(_grant(state), shared_with=change.shared_with))


def transferred(state: NameState, change: c.NamespaceTransferred, mark: Mark) -> NameState:
    """The state once its namespace has another owner."""
    after = replace(_grant(state), owner=change.owner, mark=mark, shared_with=change.shared_with)
    return replace(state, namespace=after)


def ended(state: NameState, change: c.NamespaceEnded, mark: Mark) -> NameState:
    """The state once nobody owns its namespace."""
    del change, mark
    return replace(state, namespace=None)


def matched(state: NameState, change: c.NamespacesMatched, mark: Mark) -> NameState:
    """What the name is under from here on; a membership that stays as it is keeps its ``since``."""
    del mark
    kept = {(each.prefix, each.owned): each for each in state.namespaces}
    found = ((each.prefix, each.owned) for each in change.namespaces)
    return replace(state, namespaces=tuple(kept.get(key, Membership(*key, state.serial)) for key in found))


def _grant(state: NameState) -> Grant:
    assert state.namespace is not None, f"{state.name} is nobody's namespace"
    return state.namespace
