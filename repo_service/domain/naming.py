"""May this be a new name? What the policy asks of a name that nobody has: its spelling, and what it looks like."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from repo_service.domain import changes as c
from repo_service.domain import limits, machines, words
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Why
from repo_service.domain.policy import Policy, Warned, phase

GRAMMARS: Final = {
    "pep508": (re.compile(r".*"), "any name that normalises"),  # keys/names.py has asked for all of PEP 508
    "npm": (re.compile(r"[a-z0-9][a-z0-9._-]{0,213}"), "npm's are in lower case and have at most 214 characters"),
    "crates": (
        re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}"),
        "a crate's begins with a letter and has letters, digits, '-' and '_', at most 64 of them",
    ),
}
"""How a new name may be spelled, beyond what every name is (``keys.names.normalise``), and that in words."""


def takes_a_name(name: c.Name, request: r.Request) -> bool:
    """Whether a request, if it is accepted, takes a name that nobody has."""
    return (
        isinstance(request, r.Publish | r.Reserve | r.OpenSession)
        and machines.name_state(name.state) in machines.NOBODYS
    )


def new_name(case: Case, request: r.Publish | r.Reserve | r.OpenSession) -> Iterator[Why | Warned]:
    """Every objection to taking this name.

    What the registry does itself (an import, an exception that support makes) is only warned of; its event lists the
    names that this one looks like.
    """
    policy, owner = case.policy, request.actor.kind == "owner"
    for why in _objections(request.name, request.display or request.name, policy, case.around.alike):
        if owner and not _is_observed(policy, why):
            yield why
        elif phase(policy, why.code, case.now) != "off":
            yield Warned(why.code, why.sentence, None)
    if owner:
        yield from limits.new_names(case)


def in_the_way(name: str, policy: Policy, alike: tuple[str, ...], now: datetime) -> list[Why]:
    """What refuses a name that nobody has to every owner, however they spell it."""
    found = _objections(name, name, policy, alike)
    return [why for why in found if not _is_observed(policy, why) and phase(policy, why.code, now) == "enforce"]


def respelled(case: Case, request: r.Publish | r.Respell) -> Iterator[Why]:
    """An objection to how the holder of a name spells it anew."""
    if request.display is not None and request.actor.kind == "owner":
        yield from _spelling(request.display, case.policy)


def _objections(name: str, spelling: str, policy: Policy, alike: tuple[str, ...]) -> Iterator[Why]:
    yield from _spelling(spelling, policy)
    if words.is_reserved(name, policy):
        sentence = f"{name} is a word that no new name may be: a module of the language, or a device of Windows"
        yield Why("name_stdlib", sentence, {"grammar": policy.names.grammar})
    word = words.looks_like(name, policy)
    looks_like = ", ".join((*alike, *([word] if word else [])))
    if looks_like and policy.names.similar != "off":
        sentence = f"{name} looks like {looks_like}; choose another name, or ask the registry's support"
        yield Why("name_similar", sentence, {"similar_to": looks_like})


def _spelling(spelling: str, policy: Policy) -> Iterator[Why]:
    pattern, wanted = GRAMMARS[policy.names.grammar]
    if not pattern.fullmatch(spelling):
        yield Why("name_invalid", f"{spelling!r:.80} is no new name here: {wanted}", {"grammar": policy.names.grammar})


def _is_observed(policy: Policy, why: Why) -> bool:
    return why.code == "name_similar" and policy.names.similar == "observe"
