"""Waivers: what the holders of the root keys allow the signing guard once, although a rule of it says no.

    {"signatures":[{"keyid":…,"sig":…}],
     "signed":{"_type":"tallystick-waiver","allow":[{"limit":10000,"rule":"yanks"}],"expires":"2026-11-23T10:00:00Z",
               "number":1,"reason":"…","repository":"<sha256 of 1.root.json>","version":1}}

Compact JSON, signed over the canonical form of ``signed`` by the threshold of the newest root. ``number`` tells a
repository's waivers apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from securesystemslib.signer import Signature
from tuf.api.metadata import Root

from keys import counting, layout, strict
from keys.encoding import canonical, compact
from keys.times import moment

MAX_FILE: Final = 1 << 16
"""Bytes; whoever reads a waiver need not read more."""


class NoWaiver(ValueError):
    """The file is no waiver, of another repository, or not signed by enough holders."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A rule by its code, and how much more than it says is allowed altogether, in what the rule counts (yanks,
    seconds, bins). None is without a limit.
    """

    rule: str
    limit: int | None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"a limit is 1 or more, not {self.limit}")


@dataclass(frozen=True, slots=True)
class Waiver:
    """What is allowed until when, why, and for which repository: the SHA-256 of its first root's file."""

    repository: str
    number: int
    expires: str
    allow: tuple[Allowance, ...]
    reason: str

    def __post_init__(self) -> None:
        moment(self.expires)
        if self.number < 1 or not self.allow or not self.reason:
            raise ValueError("a waiver has a number from 1, at least one rule, and a reason")
        if len({each.rule for each in self.allow}) < len(self.allow):
            raise ValueError("a waiver names each rule once")

    def is_over(self, now: datetime) -> bool:
        """Whether it is past its end."""
        return moment(self.expires) <= now


@dataclass(frozen=True, slots=True)
class _Signed:
    _type: Literal["tallystick-waiver"]
    version: Literal[1]
    repository: str
    number: int
    expires: str
    allow: tuple[Allowance, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class _Signature:
    keyid: str
    sig: str


@dataclass(frozen=True, slots=True)
class _File:
    signatures: tuple[_Signature, ...]
    signed: _Signed


def payload(waiver: Waiver) -> bytes:
    """The bytes that each holder signs."""
    return canonical(strict.dump(_signed(waiver)))


def write(waiver: Waiver, signatures: Iterable[Signature]) -> bytes:
    """The file, with its signatures in order of key id."""
    listed = sorted((_Signature(each.keyid, each.signature) for each in signatures), key=lambda each: each.keyid)
    return compact(strict.dump(_File(tuple(listed), _signed(waiver))))


def read(data: bytes, root: Root, repository: str) -> Waiver:
    """The waiver in a file, if enough holders of this root have signed it for this repository. NoWaiver otherwise; its
    date is not read.
    """
    waiver, signatures = unverified(data)
    if waiver.repository != repository:
        raise NoWaiver(f"is for the repository {waiver.repository:.16}…; this one is {repository:.16}…")
    count = counting.count(root, layout.ROOT, payload(waiver), signatures)
    if not count.met:
        raise NoWaiver(f"signed by {count.distinct} of {count.threshold} holders that root {root.version} asks for")
    return waiver


def unverified(data: bytes) -> tuple[Waiver, list[Signature]]:
    """What a file says, and its signatures, however few: whoever adds one reads it. NoWaiver if it is none."""
    if len(data) > MAX_FILE:
        raise NoWaiver(f"a waiver has at most {MAX_FILE} bytes; this file has {len(data)}")
    try:
        file = strict.load(_File, strict.parse(data))
        its = file.signed
        waiver = Waiver(its.repository, its.number, its.expires, its.allow, its.reason)
    except ValueError as error:
        raise NoWaiver(f"not a waiver: {error}") from None
    signatures = [Signature(each.keyid, each.sig) for each in file.signatures]
    if write(waiver, signatures) != data:
        raise NoWaiver("not spelled as a waiver is written")
    return waiver, signatures


def _signed(waiver: Waiver) -> _Signed:
    return _Signed(
        "tallystick-waiver", 1, waiver.repository, waiver.number, waiver.expires, waiver.allow, waiver.reason
    )
