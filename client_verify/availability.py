"""Can somebody have this name? The answer from signed pages alone, with what proves it and what it cannot prove.

In this order: the name's own page, or the proof that there is none; then a page for each prefix, on which a namespace
would be granted (docs/adr/0008). Whether it looks like another name cannot be told from here: no signed file lists all
names, so that there is nothing whose absence could be proven.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from client_verify.answers import Answer, Found, ProvenAbsent
from keys import names, skeletons
from keys.state import Grant, NameState

Standing = Literal["free", "taken", "reserved", "placeholder", "prohibited", "held", "namespace", "invalid"]
"""The registry's own words for it (GET /v1/names/NAME/availability), but those that only it can know."""

UNPROVEN: Final = (
    "whether the name looks too much like another one: no signed file lists all names",
    "whether the registry's policy keeps the word for nobody, as it may the modules of a standard library",
)
"""What may still stand in the way of a free name. Only the registry can say."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A page that was looked at: of which name, and the serial that it was signed as, None if it is absent."""

    name: str
    serial: int | None


@dataclass(frozen=True, slots=True)
class Availability:
    """A standing with one sentence for people, and ``until`` when, if it ends by itself."""

    name: str
    standing: Standing
    sentence: str
    until: str | None = None
    looked: tuple[Looked, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether nothing that is signed stands in the way."""
        return self.standing == "free"

    @property
    def skeleton(self) -> str:
        """What other names would have to look like to be in the way of this one."""
        return f"{skeletons.FUNCTION}:{skeletons.skeleton(self.name)}"


def availability(name: str, answers: Mapping[str, Answer]) -> Availability:
    """The standing of a normalised name. ``answers`` has one for each of ``names.prefixes(name)``."""
    looked = tuple(Looked(each, _serial(answers[each])) for each in names.prefixes(name))
    match answers[name]:
        case Found(state) if state.state != "vacant":
            standing, sentence, until = _taken(state)
            return Availability(name, standing, sentence, until, looked)
        case Found(state):
            free = f"{name} was given up on {state.since.at[:10]} and is free again"
        case ProvenAbsent():
            free = f"{name} is not known to the registry"
    if (grant := _grant(name, answers)) is not None:
        prefix, owner = grant
        sentence = (
            f"{name} is in the namespace {prefix}: only {owner.owner} and whom they share it with take names there"
        )
        return Availability(name, "namespace", sentence, None, looked)
    return Availability(name, "free", free, None, looked)


def invalid(name: str, why: str) -> Availability:
    """The standing of what can be no name."""
    return Availability(name, "invalid", why)


def _taken(state: NameState) -> tuple[Standing, str, str | None]:
    name, since = state.name, state.since.at[:10]
    if state.event == 0:
        return "held", f"{name} is held by the registry's offline keys", None
    if (kept := state.reservation) is not None:
        holder = f" for {kept.holder}" if kept.holder else ""
        return "reserved", f"{name} is reserved{holder} until {kept.expires_at[:10]}", kept.expires_at
    match state.state:
        case "placeholder":
            return "placeholder", f"{name} is kept empty since {since}, after its releases were removed", None
        case "prohibited":
            return "prohibited", f"{name} is prohibited since {since}", None
    return "taken", f"{name} is registered since {since}", None


def _grant(name: str, answers: Mapping[str, Answer]) -> tuple[str, Grant] | None:
    """The namespace that the name is in, of several the longest prefix, as for the registry."""
    for prefix in reversed(names.prefixes(name)):
        answer = answers[prefix]
        if isinstance(answer, Found) and answer.state.namespace is not None:
            return prefix, answer.state.namespace
    return None


def _serial(answer: Answer) -> int | None:
    return answer.state.serial if isinstance(answer, Found) else None
