"""One release: changed pages and bins, then the snapshot, then the timestamp, each signed, in the order of copy-out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keys import layout
from keys.signing import Sign
from repo_service.build.due import Lifetimes, Signed
from repo_service.build.metadata import Role, bin_file, snapshot_file, timestamp_file
from repo_service.build.pages import Page, Target


@dataclass(frozen=True, slots=True)
class Base:
    """What the newest release holds. ``generation`` counts releases and is the timestamp's version; 0 is nothing yet.
    ``snapshot`` is the newest snapshot's version and bytes, ``offline`` the newest file of each offline role.
    """

    generation: int
    snapshot: tuple[int, bytes] | None
    roles: Mapping[str, Signed]
    offline: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Differences:
    """What the next release changes: sealed offline files with the pages of held names, rendered pages, policies, and
    the whole content of each bin that changes or is due. With none of them only the timestamp moves on, unless
    ``snapshot_due``.
    """

    offline: tuple[Role, ...] = ()
    held: tuple[tuple[str, bytes], ...] = ()
    pages: tuple[Page, ...] = ()
    policies: tuple[Page, ...] = ()
    bins: Mapping[int, tuple[Target, ...]] | None = None
    snapshot_due: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """Everything that becomes true at one commit. ``immutable`` are path and bytes in the order to copy them out;
    the timestamp is pointed to last.
    """

    generation: int
    roles: tuple[Role, ...]
    immutable: tuple[tuple[str, bytes], ...]
    timestamp: Role
    snapshot_version: int
    pages: tuple[Page, ...]
    policies: tuple[Page, ...]


def assemble(
    base: Base, new: Differences, bins: layout.Bins, lifetimes: Lifetimes, sign: Sign, now: datetime
) -> Release:
    """Build and sign the release after ``base``. Pure: nothing is true until it is committed."""
    changed = [
        *new.offline,
        *(_bin(base, bins.role(n), n, t, lifetimes, sign, now) for n, t in (new.bins or {}).items()),
    ]
    snapshot = base.snapshot
    if changed or new.snapshot_due or snapshot is None:
        versions = {role: each.version for role, each in base.roles.items() if _in_snapshot(role)}
        versions |= {role.name: role.version for role in changed if _in_snapshot(role.name)}
        number = snapshot[0] + 1 if snapshot else 1
        offline = {**base.offline, **{role.name: role.body for role in new.offline}}
        made = snapshot_file(number, versions, offline, now + lifetimes.snapshot, sign)
        snapshot = (number, made.body)
        changed.append(made)
    timestamp = timestamp_file(base.generation + 1, snapshot, now, now + lifetimes.timestamp, sign)
    pages = [(f"targets/{page.stored_at}", page.body) for page in (*new.pages, *new.policies)]
    files = [(role.path, role.body) for role in changed]
    return Release(
        base.generation + 1, (*changed, timestamp), (*new.held, *pages, *files), timestamp, snapshot[0], new.pages,
        new.policies,
    )  # fmt: skip


def _bin(
    base: Base, role: str, number: int, targets: tuple[Target, ...], lifetimes: Lifetimes, sign: Sign, now: datetime
) -> Role:
    signed = base.roles.get(role)
    version = layout.next_version(signed.version) if signed else layout.first_version(number)
    return bin_file(role, version, targets, now + lifetimes.bin, sign)


def _in_snapshot(role: str) -> bool:
    return role not in (layout.ROOT, layout.SNAPSHOT, layout.TIMESTAMP)
