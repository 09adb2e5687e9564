"""What follows from an event for a namespace: its public grant, the organisations behind it, and who is under it."""

from dataclasses import replace

from keys.state import Grant, Mark, Membership, NameState
from repo_service.domain import changes as c


def orgs_after(orgs: tuple[str, ...], change: c.Change, org: str | None) -> tuple[str, ...]:
    """The organisations of a grant after a change about ``org``, the owner first. Empty: there is no grant."""
    match change:
        case c.NamespaceGranted() | c.ChildGranted():
            return (_said(org),)
        case c.NamespaceShared():
            return (*orgs, _said(org))
        case c.NamespaceUnshared():
            return tuple(each for each in orgs if each != org)
        case c.NamespaceTransferred():
            return (_said(org), *(each for each in orgs[1:] if each != org))
        case c.NamespaceEnded():
            return ()
    return orgs


def with_grant(state: NameState, orgs: tuple[str, ...], event: c.Event) -> tuple[NameState, tuple[str, ...]]:
    """A name's grant and its organisations after an event. ``shared_with`` are the texts of ``orgs[1:]``, in order."""
    after = orgs_after(orgs, event.change, event.org)
    shown = dict(zip(orgs[1:], state.namespace.shared_with if state.namespace else (), strict=True))
    grant = state.namespace
    match event.change:
        case c.NamespaceGranted(owner):
            grant = Grant(owner, event.mark)
        case c.ChildGranted(parent, owner):
            grant = Grant(owner, event.mark, parent)
        case c.NamespaceTransferred(owner):
            assert grant is not None, f"{state.name} is nobody's namespace"
            grant = replace(grant, owner=owner, mark=event.mark)
        case c.NamespaceShared(text):
            shown[_said(event.org)] = text
        case c.NamespaceEnded():
            grant = None
    if grant is not None:
        grant = replace(grant, shared_with=tuple(shown[org] for org in after[1:]))
    return replace(state, namespace=grant), after


def matched(state: NameState, change: c.NamespacesMatched, mark: Mark) -> NameState:
    """What the name is under from here on; a membership that stays as it is keeps its ``since``."""
    del mark
    kept = {(each.prefix, each.owned): each for each in state.namespaces}
    found = ((each.prefix, each.owned) for each in change.namespaces)
    return replace(state, namespaces=tuple(kept.get(key, Membership(*key, state.serial)) for key in found))


def _said(org: str | None) -> str:
    assert org is not None, "a grant is an organisation's"
    return org
