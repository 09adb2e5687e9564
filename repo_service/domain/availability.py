"""Can I have this name? The answer from the signed state alone, so that anybody can check it against the snapshot."""

from dataclasses import dataclass
from typing import Literal

from keys.state import NameState
from repo_service.domain.changes import Granted

Standing = Literal["free", "taken", "reserved", "placeholder", "prohibited", "held", "namespace"]


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a name can be registered now by somebody who holds nothing, with one sentence for people."""

    name: str
    standing: Standing
    sentence: str
    until: str | None = None


def availability(
    name: str, state: NameState | None, held: frozenset[str], grants: tuple[Granted, ...] = ()
) -> Availability:
    """The standing of a normalised name. ``held`` are the names that only the offline keys speak for, ``grants`` the
    active namespaces that the name is in, the shortest prefix first.
    """
    if name in held:
        return Availability(name, "held", f"{name} is held by the registry's offline keys")
    if grants and (state is None or state.state == "vacant"):
        prefix, owner = grants[-1].prefix, grants[-1].owner
        sentence = f"{name} is in the namespace {prefix}, in which only {owner} and whom they share it with take names"
        return Availability(name, "namespace", sentence)
    if state is None:
        return Availability(name, "free", f"{name} is not known to this registry")
    since = state.since.at[:10]
    if state.reservation is not None:
        holder = f" for {state.reservation.holder}" if state.reservation.holder else ""
        until = state.reservation.expires_at
        return Availability(name, "reserved", f"{name} is reserved{holder} until {until[:10]}", until)
    match state.state:
        case "registered":
            return Availability(name, "taken", f"{name} is registered since {since}")
        case "placeholder":
            sentence = f"{name} is kept empty since {since}, after its releases were removed; support may grant a claim"
            return Availability(name, "placeholder", sentence)
        case "prohibited":
            return Availability(name, "prohibited", f"{name} is prohibited since {since}")
    return Availability(name, "free", f"{name} was given up on {since} and is free again")
