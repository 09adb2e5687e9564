"""The people of a ceremony, with keys that are always the same, and what they make together."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ceremony.answers import Answer, answer
from ceremony.draft import Draft, draft
from ceremony.inputs import Ceremony, Inputs
from ceremony.plan import Keyring, Log, Plan, signatory
from ceremony.seal import seal
from keys import possession
from keys.possession import PublicKeyFile
from keys.signing import HeldKey
from keys.tlog.notes import HeldNoteKey, HeldWitnessKey
from keys.trust import RootOfTrust

NOW: Final = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


def private(name: str) -> Ed25519PrivateKey:
    """Somebody's private key, made from the name alone."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def held(name: str) -> HeldKey:
    return HeldKey(private(name))


def public(name: str) -> PublicKeyFile:
    return possession.read(possession.write(name, held(name), rehearsal=False))


def rehearsing(name: str) -> PublicKeyFile:
    return possession.read(possession.write(name, held(name), rehearsal=True))


def keyring(*holders: str, online: str = "service") -> Keyring:
    return Keyring(tuple(public(name) for name in holders), public(online))


THREE: Final = keyring("alice", "bob", "carol")
EVERYBODY: Final = ("alice", "bob", "carol", "dan", "erin", "frank", "service", "other", "eve")
NAMES: Final = {held(name).record.keyid: name for name in EVERYBODY}


def log_key(name: str = "log", origin: str = "pkgs.acme.example/log") -> str:
    """The public key of a log, in one line; the private one is made from ``name`` alone."""
    return str(HeldNoteKey(origin, private(name)).key)


def witness(name: str) -> str:
    """The public key of a witness, in one line."""
    return str(HeldWitnessKey(name, private(name)).key)


WITNESSES: Final = tuple(witness(f"{name}.example/w1") for name in ("cats", "dogs", "owls"))
LOG: Final = Log((log_key(),), WITNESSES, 2)
"""A log that two of three witnesses of three houses must have seen."""


def plan(ring: Keyring = THREE, **amended: Any) -> Plan:
    """A plan that the rules allow, for these keys; ``amended`` replaces parts of it."""
    parts: dict[str, Any] = {
        "name": "acme", "url": "https://pkgs.acme.example/", "purpose": "a test", "rehearsal": False, "threshold": 2,
        "days": 365, "bins": 16, "held": ("admin",), "online": signatory(ring.online),
        "holders": tuple(signatory(file) for file in ring.holders),
    }  # fmt: skip
    planned = Plan(**{**parts, **amended})
    return replace(planned, accept_no_spare=planned.threshold in (1, len(planned.holders)))


def drafted(ring: Keyring = THREE, current: RootOfTrust | None = None, now: datetime = NOW, **amended: Any) -> Draft:
    return draft(plan(ring, **amended), ring, current, now)


def opened(draft: Draft) -> Ceremony:
    """A draft as the files of these people would give it, ``names`` included."""
    ring = Keyring(tuple(public(each.name) for each in draft.plan.holders), public(draft.plan.online.name))
    return Ceremony(Inputs(draft.plan, ring, draft.current, NAMES), draft)


def answers(draft: Draft, *names: str) -> list[Answer]:
    """Everything that these people may sign of a draft."""
    return [answer(draft, name, held(name), draft.at, heard=True) for name in names]


def sealed_by(draft: Draft, *names: str) -> RootOfTrust:
    return seal(draft, answers(draft, *names), NAMES, draft.at)


def first(*names: str, **amended: Any) -> RootOfTrust:
    """The result of a first ceremony of alice, bob and carol, signed by ``names`` (alice and bob)."""
    return sealed_by(drafted(**amended), *(names or ("alice", "bob")))


def roles(draft: Draft) -> list[str]:
    """``root 2`` and so on: what is to be signed."""
    return [f"{candidate.role} {candidate.version}" for candidate in draft.candidates]


def without(files: Iterable[tuple[str, bytes]], name: str) -> dict[str, bytes]:
    return {path: data for path, data in files if path != name}
