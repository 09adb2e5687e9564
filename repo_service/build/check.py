"""The last look before a release becomes true: read its bytes as a stranger would, and refuse what clients would.

Signing and checking are separate so that a bug or a bit flip in one of them is caught by the other (CT log Yeti, 2022).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from keys import counting, invariants, layout, page, strict, succession
from keys.state import NameState
from repo_service.build.assemble import Release
from repo_service.build.metadata import Role
from repo_service.build.pages import Page
from repo_service.domain.announcing import Published
from repo_service.domain.flags import DOCUMENT, FlagAct


class WouldBeRefused(Exception):
    """A client would refuse what was about to be published. Nothing was written."""


def check_release(release: Release, root: Root, bins: Targets) -> None:
    """Every online file of ``release``: signed for its delegator, named and versioned as promised; and its policies."""
    online = [role for role in release.roles if role.name not in layout.OFFLINE]
    read = {role.name: _read(role, root if role.name in layout.ONLINE else bins) for role in online}
    try:
        _check_chain(release, read.get(layout.SNAPSHOT))
    except RepositoryError as error:
        raise WouldBeRefused(f"timestamp {release.generation}: {error}") from error
    for policy in release.policies:
        _check_policy(policy)


def check_successions(before: Mapping[str, NameState], release: Release, now: datetime) -> None:
    """Every page of ``release``: it agrees with itself and takes nothing back that a client has verified."""
    for each in release.pages:
        try:
            after = page.parse(each.body)
        except page.InvalidPage as error:
            raise WouldBeRefused(f"page of {each.name}: {error}") from error
        broken = invariants.broken_invariants(after, now)
        if each.name in before:
            broken += [one.sentence for one in succession.broken_promises(before[each.name], after)]
        if broken:
            raise WouldBeRefused(f"page of {each.name}: {'; '.join(broken)}")


def _check_policy(policy: Page) -> None:
    """It reads back as it was announced, at the path that its name and version give; an act of flags too."""
    kind: type[Published | FlagAct] = FlagAct if policy.name.startswith(f"{DOCUMENT}/") else Published
    try:
        published = strict.load(kind, strict.parse(policy.body))
    except strict.Malformed as error:
        raise WouldBeRefused(f"policy {policy.name}: {error}") from error
    said = (published.id, published.body, published.path)
    if said != (policy.name, policy.body, policy.targets[0].path):
        raise WouldBeRefused(f"policy {policy.name}: it says {published.id}, or is spelled or placed otherwise")


def _check_chain(release: Release, snapshot: Metadata[Any] | None) -> None:
    """The timestamp names the snapshot, and the snapshot every targets role of the release."""
    timestamp: Metadata[Timestamp] = Metadata[Timestamp].from_bytes(release.timestamp.body)
    meta = timestamp.signed.snapshot_meta
    if meta.version != release.snapshot_version or timestamp.signed.version != release.generation:
        raise WouldBeRefused(f"timestamp {timestamp.signed.version} names snapshot {meta.version}")
    for body in (role.body for role in release.roles if role.name == layout.SNAPSHOT):
        meta.verify_length_and_hashes(body)
    if snapshot is not None:
        _check_versions(snapshot.signed, release.roles)


def _read(role: Role, delegator: Root | Targets) -> Metadata[Any]:
    """A role's file, read from its bytes once: a snapshot of 16,384 bins takes long to read."""
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(role.body)
        payload = counting.payload_of(metadata)
        delegator.verify_delegate(role.name, payload, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        raise WouldBeRefused(f"{role.name} {role.version}: {error}") from error
    if not counting.count(delegator, role.name, payload, metadata.signatures.values()).met:
        raise WouldBeRefused(f"{role.name} {role.version}: not signed by enough different keys")
    signed = metadata.signed
    if signed.type != (role.name if role.name in layout.ONLINE else layout.TARGETS):
        raise WouldBeRefused(f"{role.name} {role.version}: holds {signed.type} metadata")
    if role.name not in layout.ONLINE:
        named = signed.unrecognized_fields.get(layout.ROLE_FIELD)
        if named != role.name or signed.version % layout.BIN_STRIDE != layout.bin_number(role.name):
            raise WouldBeRefused(f"{role.name} {signed.version}: its body names {named!r}")
    return metadata


def _check_versions(snapshot: Snapshot, roles: Iterable[Role]) -> None:
    for role in roles:
        if role.name in (layout.ROOT, layout.SNAPSHOT, layout.TIMESTAMP):
            continue
        listed = snapshot.meta.get(f"{role.name}.json")
        if listed is None or listed.version != role.version:
            raise WouldBeRefused(f"snapshot {snapshot.version} does not list {role.name} {role.version}")
        if role.name in layout.OFFLINE and listed.hashes is None:
            raise WouldBeRefused(f"snapshot {snapshot.version} does not pin the bytes of {role.name}")
        listed.verify_length_and_hashes(role.body)
