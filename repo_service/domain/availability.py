"""Can I have this name? The answer from the signed state alone, so that anybody can check it against the snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from keys.state import NameState
from repo_service.domain import machines
from repo_service.domain.case import Why
from repo_service.domain.changes import Granted

Standing = Literal[
    "free", "taken", "reserved", "placeholder", "prohibited", "held", "namespace", "invalid", "word", "similar"
]  # fmt: skip

_STANDINGS: Final[dict[str, Standing]] = {"name_invalid": "invalid", "name_stdlib": "word", "name_similar": "similar"}
"""What the policy can have against a new name."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a name can be registered now by somebody who holds nothing, with one sentence for people.

    ``alike`` are the names that it looks like, whether or not that stands in the way.
    """

    name: str
    standing: Standing
    sentence: str
    until: str | None = None
    alike: tuple[str, ...] = ()


def availability(
    name: str,
    state: NameState | None,
    held: frozenset[str],
    objections: Sequence[Why] = (),
    alike: tuple[str, ...] = (),
    grants: tuple[Granted, ...] = (),
) -> Availability:
    """The standing of a normalised name. ``held`` are the names that only the offline keys speak for, ``objections``
    what the policy has against it as a new name, ``grants`` the active namespaces that it is in, the shortest first.
    """
    if name in held:
        return Availability(name, "held", f"{name} is held by the registry's offline keys")
    if machines.name_state(state) in machines.NOBODYS:
        if grants:
            prefix, owner = grants[-1].prefix, grants[-1].owner
            sentence = (
                f"{name} is in the namespace {prefix}, in which only {owner} and whom they share it with take names"
            )
            return Availability(name, "namespace", sentence, alike=alike)
        for why in objections:
            return Availability(name, _STANDINGS[why.code], why.sentence, alike=alike)
    if state is None:
        return Availability(name, "free", f"{name} is not known to this registry", alike=alike)
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
    return Availability(name, "free", f"{name} was given up on {since} and is free again", alike=alike)
