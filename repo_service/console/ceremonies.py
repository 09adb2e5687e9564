"""Keys and ceremonies due: which keys sign which role, until when, and what people must do next, and when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import Blueprint, Response
from securesystemslib.signer import Key
from tuf.api.metadata import Role, Root, Targets

from keys import layout, rules, trust
from repo_service.build.due import WARN_DAYS, Signed, warnings
from repo_service.console.console import Console
from repo_service.console.overview import Expiry, expiry
from repo_service.console.pages import page
from repo_service.publishing import roots
from repo_service.storage.overview import SignedRole
from repo_service.storage.view import View

BEGIN: Final = timedelta(days=WARN_DAYS[0])
"""So long before the first role of a ceremony expires it is time for the next one."""


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signs a role: so many of these keys; and how it stands."""

    role: str
    threshold: int
    keys: tuple[str, ...]
    expiry: Expiry
    by: str


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A public key, what it signs, and how many files of now carry its signature if it signs online."""

    id: str
    scheme: str
    roles: tuple[str, ...]
    files: int | None


@dataclass(frozen=True, slots=True)
class Due:
    """The next ceremony: when it is time for it, when it is too late, for which roles, and whether it is time now."""

    begin: datetime
    end: datetime
    roles: tuple[str, ...]
    is_now: bool


def register(routes: Blueprint, console: Console) -> None:
    """The page."""

    @routes.get("/keys")
    def ceremonies() -> Response:
        now = console.desk.clock()
        with console.desk.journal.reading() as view:
            its, root, targets, bins = view.overview(now), *_offline(view)
            online = _online(view)
        found = [*its.roles, *([its.soonest_bin] if its.soonest_bin else [])]
        offline = [role for role in its.roles if role.role in layout.OFFLINE]
        delegated = dict(_roles(root, targets, bins))
        told = warnings((Signed(role.role, role.version, role.expires) for role in offline), now)
        return page(
            "ceremonies.html",
            now=now, due=next_due(offline, now), told=told, is_rehearsal=rules.is_rehearsal(root),
            signing=[_signing(role, delegated, expiry(role, console.lifetimes, now)) for role in found],
            keys=_keys(delegated, {**root.keys, **_keys_of(targets), **_keys_of(bins)}, online), root=root.version,
        )  # fmt: skip


def next_due(offline: list[SignedRole], now: datetime) -> Due:
    """The ceremony for whichever offline role expires first, and for all that would be due at it."""
    end = min(role.expires for role in offline)
    together = tuple(role.role for role in offline if role.expires - end < BEGIN)
    return Due(end - BEGIN, end, together, now >= end - BEGIN)


def _offline(view: View) -> tuple[Root, Targets, Targets]:
    root, targets = roots.parse_root(view.newest(layout.ROOT)), roots.parse_targets(view.newest(layout.TARGETS))
    return root, targets, roots.parse_targets(view.newest(layout.BINS))


def _online(view: View) -> dict[str, int]:
    """How many files of now each online key has signed."""
    found: dict[str, int] = {}
    for _, keyids, files in view.signed_by():
        for keyid in keyids:
            found[keyid] = found.get(keyid, 0) + files
    return found


def _roles(root: Root, targets: Targets, bins: Targets) -> Iterator[tuple[str, Role]]:
    assert targets.delegations is not None and targets.delegations.roles is not None, "rules.targets_problems"
    yield from ((role, root.roles[role]) for role in (layout.ROOT, layout.TARGETS))
    yield from ((role, targets.delegations.roles[role]) for role in (layout.HELD, layout.BINS))
    yield from trust.online_roles(root, bins)


def _keys_of(targets: Targets) -> Mapping[str, Key]:
    return targets.delegations.keys if targets.delegations else {}


def _signing(role: SignedRole, delegated: Mapping[str, Role], its: Expiry) -> Signing:
    named = role.role if role.role in delegated else layout.BIN_PREFIX
    by = "a ceremony" if role.role in layout.OFFLINE else "the service"
    return Signing(its.label, delegated[named].threshold, tuple(delegated[named].keyids), its, by)


def _keys(delegated: Mapping[str, Role], known: Mapping[str, Key], online: Mapping[str, int]) -> list[KeyUse]:
    """Every key that signs something, those of the root's holders first."""
    used = dict.fromkeys(keyid for role in delegated.values() for keyid in role.keyids)
    return [
        KeyUse(
            keyid,
            known[keyid].scheme,
            tuple(name for name, role in delegated.items() if keyid in role.keyids),
            online.get(keyid),
        )
        for keyid in used
    ]
