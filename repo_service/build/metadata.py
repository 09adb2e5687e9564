"""The three kinds of metadata that the online key signs (docs/FORMAT.md), as bytes that are never made twice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keys import layout
from keys.encoding import sha256
from keys.signing import SPEC_VERSION, Sign, signed_file
from keys.times import stamp
from repo_service.build.pages import Target


@dataclass(frozen=True, slots=True)
class Role:
    """A signed file of a role: its version, when it expires and its bytes."""

    name: str
    version: int
    expires: datetime
    body: bytes

    @property
    def path(self) -> str:
        """Where the file lies in the depot. The timestamp alone has a name without its version."""
        prefix = "" if self.name == layout.TIMESTAMP else f"{self.version}."
        return f"metadata/{prefix}{self.name}.json"


def bin_file(role: str, version: int, targets: Iterable[Target], expires: datetime, sign: Sign) -> Role:
    """A bin with its whole content; its signed body names the role, so that no other bin can stand in for it."""
    body = {
        **_common("targets", version, expires),
        "targets": {target.path: target.entry() for target in targets},
        layout.ROLE_FIELD: role,
    }
    return Role(role, version, expires, signed_file(body, sign))


def snapshot_file(
    version: int, versions: Mapping[str, int], offline: Mapping[str, bytes], expires: datetime, sign: Sign
) -> Role:
    """A snapshot of every targets role. Bins are told apart by their versions (keys/layout.py); targets, held and bins
    have one type, the same signers and often one version, so for these three it carries length and hash as well.
    """
    meta = {f"{role}.json": _meta(number, offline.get(role)) for role, number in versions.items()}
    body = {**_common("snapshot", version, expires), "meta": meta}
    return Role(layout.SNAPSHOT, version, expires, signed_file(body, sign))


def timestamp_file(version: int, snapshot: tuple[int, bytes], now: datetime, expires: datetime, sign: Sign) -> Role:
    """A timestamp of a snapshot (version and bytes). It says when it was signed, for clients whose clock is wrong."""
    number, data = snapshot
    meta = {"snapshot.json": _meta(number, data)}
    body = {**_common("timestamp", version, expires), "meta": meta, layout.SIGNED_AT_FIELD: stamp(now)}
    return Role(layout.TIMESTAMP, version, expires, signed_file(body, sign))


def _meta(version: int, data: bytes | None) -> dict[str, Any]:
    pinned = {} if data is None else {"hashes": {"sha256": sha256(data)}, "length": len(data)}
    return {"version": version, **pinned}


def _common(kind: str, version: int, expires: datetime) -> dict[str, Any]:
    return {"_type": kind, "expires": stamp(expires), "spec_version": SPEC_VERSION, "version": version}
