"""Whose is a prefix (PEP 752)? Its grant to an organisation, and what that means for every name under it.

Grants that overlap have one owner. Of several over a name the longest decides who may take it. What a name is under is
part of its own state, so each name follows by an event of its own when a grant over it changes.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from keys import names
from keys.state import TAKING
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Verdict, Why, role, step, wrong_name_state
from repo_service.domain.granting import orgs_after

_SAYS_WHOSE: Final = TAKING | {"project.assigned"}

# What follows for a name.


def followed(name: c.Name, org: str | None, grants: Iterable[c.Granted]) -> tuple[c.Change, ...]:
    """The event that brings a name, which belongs to ``org``, into line with the grants over it, if it is not."""
    over = sorted((each for each in grants if names.is_under(name.name, each.prefix)), key=lambda each: each.prefix)
    found = tuple(c.Match(each.prefix, org in each.orgs) for each in over)
    said = tuple(c.Match(each.prefix, each.owned) for each in name.state.namespaces) if name.state else ()
    return () if found == said else (c.NamespacesMatched(found),)


def follow(case: Case, org: str | None, changes: tuple[c.Change, ...]) -> tuple[c.Change, ...]:
    """The same for the name that a request is about. It comes first: a name is taken where it already is."""
    if not changes:
        return ()
    whose = org if any(c.type_of(change) in _SAYS_WHOSE for change in changes) else case.name.org
    orgs = case.name.orgs
    for change in changes:
        orgs = orgs_after(orgs, change, org)
    own = (c.Granted(case.name.name, "", None, orgs),) if orgs else ()
    return followed(case.name, whose, (*_above(case), *own))


def strangers(case: Case, org: str | None, changes: Iterable[c.Change]) -> Iterator[Why]:
    """An objection to taking a name in somebody else's namespace (I21)."""
    nearest = case.around.grants[-1] if case.around.grants else None
    if nearest is not None and org not in nearest.orgs and any(c.type_of(change) in TAKING for change in changes):
        sentence = (
            f"{case.name.name} is in the namespace {nearest.prefix} of {nearest.owner}; only they, and whom "
            "they share it with, take names there (actor.org says for whom the account acts)"
        )
        yield Why("name_in_namespace", sentence, {"namespace": nearest.prefix, "owner": nearest.owner})


def not_renewable(case: Case) -> Iterator[Why]:
    """An objection to prolonging a reservation that somebody else's grant has overtaken."""
    nearest = case.state.namespaces[-1] if case.state and case.state.namespaces else None
    if nearest is not None and not nearest.owned:
        sentence = (
            f"{case.name.name} is in the namespace {nearest.prefix} of somebody else by now; its reservation lasts to "
            "its end and no longer"
        )
        yield Why("reservation_not_renewable", sentence, {"namespace": nearest.prefix})


def assign(case: Case, request: r.Assign) -> Verdict:
    """Say whose a project is."""
    if case.state is None or case.state.state != "registered":
        return [wrong_name_state(case)]
    if case.name.org == request.org:
        return []
    return [*step(machines.NAME, case, request, c.ProjectAssigned())]


# The grant itself.


def grant(case: Case, request: r.Grant) -> Verdict:
    """Give a prefix to an organisation."""
    if (active := case.name.granted) is not None:
        return [] if active.owned_by == request.org else [_taken(active)]
    change = c.NamespaceGranted(request.owner)
    return [*_offered(case, request), *_overlaps(case, request.org), *_depth(case), *_step(case, request, change)]


def grant_child(case: Case, request: r.GrantChild) -> Verdict:
    """Give a prefix under one's own root grant a grant of its own."""
    if (active := case.name.granted) is not None:
        return [] if request.actor.org in active.orgs[:1] else [_taken(active)]
    above = _above(case)
    if not above:
        return [Why("namespace_unknown", f"{case.name.name} is under no namespace that is granted")]
    root = above[-1]
    found: Verdict = [*_owns(root, request.actor), *_depth(case)]
    if root.parent is not None:
        sentence = f"{root.prefix} is a child grant of {root.parent} and has no child grants of its own"
        found.append(Why("grandchild_grant", sentence, {"namespace": root.prefix, "parent": root.parent}))
    return [*found, *_step(case, request, c.ChildGranted(root.prefix, root.owner))]


def share(case: Case, request: r.Share) -> Verdict:
    """Let another organisation take names in the namespace."""
    active, why = _active(case)
    if active is None or request.org in active.orgs:
        return why
    return [
        *_owns(active, request.actor),
        *_step(case, request, c.NamespaceShared((*active.shared_with, request.shown))),
    ]


def unshare(case: Case, request: r.Unshare) -> Verdict:
    """Take that back. What the other organisation has there stays, and is no longer of the namespace."""
    active, why = _active(case)
    if active is None or request.org not in active.orgs[1:]:
        return why
    return [*_owns(active, request.actor), *_step(case, request, c.NamespaceUnshared(_without(active, request.org)))]


def hand_over(case: Case, request: r.HandOver) -> Verdict:
    """Give the namespace to another organisation, or show its owner by another text."""
    active, why = _active(case)
    if active is None or (active.owned_by, active.owner) == (request.org, request.owner):
        return why
    change = c.NamespaceTransferred(request.owner, _without(active, request.org))
    return [*_owns(active, request.actor), *_overlaps(case, request.org), *_step(case, request, change)]


def end(case: Case, request: r.EndGrant) -> Verdict:
    """End the grant: its names are everybody's again."""
    active, why = _active(case)
    if active is None:
        return why
    found: Verdict = [*_owns(active, request.actor)]
    if active.shared_with:
        sentence = f"the namespace {active.prefix} is shared; hand it over or unshare it first"
        found.append(Why("namespace_shared", sentence, {"shared_with": len(active.shared_with)}))
    if children := [each.prefix for each in case.around.below if each.parent == active.prefix]:
        sentence = f"{', '.join(children)} are child grants of {active.prefix}; end them first"
        found.append(Why("namespace_has_children", sentence, {"children": len(children)}))
    return [*found, *_step(case, request, c.NamespaceEnded())]


def _active(case: Case) -> tuple[c.Granted | None, Verdict]:
    if (active := case.name.granted) is not None:
        return active, []
    return None, [Why("namespace_unknown", f"{case.name.name} is a namespace of nobody")]


def _without(active: c.Granted, org: str) -> tuple[str, ...]:
    """What is shown of those a namespace is shared with, but for one of them. Where nobody knows who they are, it is
    shared with nobody from here on.
    """
    if not active.orgs:
        return ()
    return tuple(text for each, text in zip(active.orgs[1:], active.shared_with, strict=True) if each != org)


def _above(case: Case) -> tuple[c.Granted, ...]:
    return tuple(each for each in case.around.grants if each.prefix != case.name.name)


def _step(case: Case, request: r.OfNamespace, change: c.Change) -> Iterator[c.Change | Why]:
    source = machines.namespace_state(case.state)
    if case.state is not None and case.state.state == "prohibited" and source == "none":
        yield wrong_name_state(case)
    yield from role(machines.NAMESPACE, source, c.type_of(change), request.actor)
    yield change


def _taken(active: c.Granted) -> Why:
    return Why("namespace_taken", f"{active.prefix} is the namespace of {active.owner}", {"owner": active.owner})


def _owns(active: c.Granted, actor: r.Actor) -> Iterator[Why]:
    """An objection unless an owner acts for the organisation that owns the grant."""
    if actor.kind == "owner" and (actor.org is None or actor.org != active.owned_by):
        sentence = f"{active.prefix} is the namespace of {active.owner}, and actor.org is not their id"
        yield Why("namespace_not_owned", sentence, {"namespace": active.prefix, "owner": active.owner})


def _offered(case: Case, request: r.Grant) -> Iterator[Why]:
    """Objections of the policy: nobody is granted anything, or no organisation by itself."""
    grants = case.policy.namespaces.grants
    if grants == "off" or (grants == "review" and request.actor.kind == "owner"):
        who = "there are no namespaces here" if grants == "off" else "the registry's support grants namespaces here"
        yield Why("feature_disabled", f"{who}, says the policy {case.policy.id}", {"act": "grant"})
    elif request.actor.kind == "owner" and request.actor.org != request.org:
        sentence = "an account takes a namespace for its own organisation only: org must be actor.org"
        yield Why("namespace_not_owned", sentence, {"namespace": case.name.name})
    elif request.actor.kind == "owner" and case.name.org != request.org and _is_somebodys(case):
        yield wrong_name_state(case)


def _is_somebodys(case: Case) -> bool:
    return case.state is not None and case.state.state != "vacant"


def _overlaps(case: Case, org: str) -> Iterator[Why]:
    """Grants that overlap have one owner (PEP 752). Those whose owners were lost together are settled one by one."""
    lost = case.name.granted is not None and case.name.granted.owned_by is None
    for other in (*_above(case), *case.around.below):
        if other.owned_by != org and not (lost and other.owned_by is None):
            sentence = f"{case.name.name} overlaps {other.prefix}, the namespace of {other.owner}"
            yield Why("namespace_overlap", sentence, {"namespace": other.prefix, "owner": other.owner})


def _depth(case: Case) -> Iterator[Why]:
    parts, most = case.name.name.count("-") + 1, case.policy.namespaces.max_depth
    if parts > most:
        sentence = f"{case.name.name} has {parts} parts; a namespace has at most {most} here"
        yield Why("namespace_too_deep", sentence, {"parts": parts, "max_depth": most})
