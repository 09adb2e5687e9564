"""The three kinds of metadata that the online key signs (docs/FORMAT.md), as bytes that are never made twice.

What is large in them (a bin's targets, a snapshot's list) comes encoded already and is joined: its canonical form and
its place in the file are the same bytes, since paths, digests and role names hold nothing that JSON escapes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keys import layout
from keys.encoding import sha256, spliced
from keys.kept import kept
from keys.signing import SPEC_VERSION, Sign, Signatures, parted, signed_file, wrapped
from keys.times import stamp
from repo_service.build.listing import Listing, Meta

_EXPIRES: Final = re.compile(rb'"expires":"([0-9TZ:-]+)"')


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Role:
    """A signed file of a role: its version, when it expires and its bytes."""

    name: str
    version: int
    expires: datetime
    body: bytes

    @property
    def path(self) -> str:
        """Where the file lies in the depot."""
        return metadata_path(self.name, self.version)

    @property
    def digest(self) -> str:
        """The SHA-256 of its bytes, which everyone needs, made once. The check makes its own."""
        return _digest(self)

    @property
    def signed_digest(self) -> str:
        """The SHA-256 of what is signed in it, without the signatures."""
        return _signed_digest(self)


@kept
def _signed_digest(role: Role) -> str:
    return sha256(body_of(role.body))


@kept
def _digest(role: Role) -> str:
    return sha256(role.body)


def body_of(file: bytes) -> bytes:
    """What is signed in a file of ours that the online key signed: the very bytes. Nothing is verified here."""
    return parted(file)[1]


def expiry_of(body: bytes) -> str:
    """When a body says that it expires."""
    match = _EXPIRES.search(body)
    assert match is not None, "metadata of ours has a date"
    return match[1].decode()


def metadata_path(role: str, version: int) -> str:
    """Where a role's file lies in the depot. The timestamp alone has a name without its version."""
    return f"metadata/{'' if role == layout.TIMESTAMP else f'{version}.'}{role}.json"


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A role's body, encoded, that waits for its signatures."""

    name: str
    version: int
    expires: datetime
    payload: bytes

    def signed(self, signatures: Signatures) -> Role:
        """The whole file, with signatures of ``payload``, which are not looked at here."""
        return Role(self.name, self.version, self.expires, wrapped(self.payload, signatures))


def unsigned_bin(role: str, version: int, entries: Mapping[str, str], expires: datetime) -> Unsigned:
    """A bin with its whole content, target paths to their encoded descriptions; its signed body names the role, so that
    no other bin can stand in for it.
    """
    return joined_bin(role, version, [target_line(path, entries[path]) for path in sorted(entries)], expires)


def target_line(path: str, entry: str) -> str:
    """A target as a member of a bin's ``targets``."""
    return f'"{path}":{entry}'


def joined_bin(role: str, version: int, lines: Iterable[str], expires: datetime) -> Unsigned:
    """As ``unsigned_bin``, of lines in the order of their paths."""
    body = {**_common("targets", version, expires), layout.ROLE_FIELD: role}
    return Unsigned(role, version, expires, _payload(body, "targets", (b"{", ",".join(lines).encode(), b"}")))


def snapshot_body(version: int, listing: Listing, expires: datetime) -> bytes:
    """What is signed in a snapshot."""
    return _payload(_common("snapshot", version, expires), "meta", listing.encoded())


def timestamp_body(version: int, snapshot: Meta, now: datetime, expires: datetime) -> dict[str, Any]:
    """What is signed in a timestamp."""
    meta = {"snapshot.json": snapshot.described()}
    return {**_common("timestamp", version, expires), "meta": meta, layout.SIGNED_AT_FIELD: stamp(now)}


def bin_file(role: str, version: int, entries: Mapping[str, str], expires: datetime, sign: Sign) -> Role:
    """One such bin, signed."""
    unsigned = unsigned_bin(role, version, entries, expires)
    return unsigned.signed(sign(unsigned.payload))


def snapshot_file(version: int, listing: Listing, expires: datetime, sign: Sign) -> Role:
    """A snapshot of every targets role. Bins are told apart by their versions (keys/layout.py); targets, held and bins
    have one type, the same signers and often one version, so for these three it carries length and hash as well.
    """
    payload = snapshot_body(version, listing, expires)
    return Role(layout.SNAPSHOT, version, expires, wrapped(payload, sign(payload)))


def timestamp_file(version: int, snapshot: Meta, now: datetime, expires: datetime, sign: Sign) -> Role:
    """A timestamp of a snapshot. It says when it was signed, for clients whose clock is wrong."""
    body = timestamp_body(version, snapshot, now, expires)
    return Role(layout.TIMESTAMP, version, expires, signed_file(body, sign))


def _payload(body: Mapping[str, Any], field: str, encoded: Iterable[bytes]) -> bytes:
    return b"".join(spliced(body, {field: encoded}))


def _common(kind: str, version: int, expires: datetime) -> dict[str, Any]:
    return {"_type": kind, "expires": stamp(expires), "spec_version": SPEC_VERSION, "version": version}
