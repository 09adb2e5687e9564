"""Payloads and what is shown of them, from bytes to values. What is no metadata of ours is refused here.

Most of a bin are its targets. They are looked at apart from the rest, and not read at all while their SHA-256 is one
that is known: then they were read before.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from keys import counting, layout, signing
from keys.counting import Delegator
from keys.encoding import parse_canonical, read_plain, sha256
from keys.times import moment
from repo_service.guarding.facts import Content

CODES: Final = frozenset(
    {
        "not_canonical", "wrong_type", "wrong_form", "wrong_bin", "not_named", "expired", "lifetime", "clock_back",
        "regression", "version_jump", "equivocation", "unproven", "vanished", "changed", "succession", "yanks",
        "removals", "files", "dropped", "rolled_back", "offline_role", "strange_role", "unlisted", "not_newest",
        "not_shown", "foreign", "untrusted", "rehearsal", "key_failed",
    }
)  # fmt: skip
"""Of every refusal; docs/OPERATIONS.md says what to do at each."""


class Refusal(Exception):
    """Why something is not signed: the code of a rule and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        assert code in CODES, code
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class NotShown(Exception):
    """What a bin replaces must be shown before it can be judged."""


_VERSION: Final = rb"[1-9][0-9]{0,15}"
_HEAD: Final = re.compile(
    rb'\{"_type":"targets","expires":"([0-9TZ:-]{20})","spec_version":"'
    + re.escape(signing.SPEC_VERSION.encode())
    + rb'","targets":(?=\{)'
)
_TAIL: Final = re.compile(rb',"version":(' + _VERSION + rb'),"x-role":"(bin-[0-9a-f]{1,4})"\}\Z')
_LONGEST_TAIL: Final = 64
_FIELDS: Final = {
    layout.SNAPSHOT: {"_type", "expires", "meta", "spec_version", "version"},
    layout.TIMESTAMP: {"_type", "expires", "meta", "spec_version", "version", layout.SIGNED_AT_FIELD},
}


@dataclass(frozen=True)
class BinBody:
    """A bin's payload in its parts. ``targets`` is encoded."""

    role: str
    version: int
    expires: datetime
    targets: bytes
    whole: bytes

    @cached_property
    def content(self) -> Content:
        """What is remembered of it once it is signed."""
        return Content(self.version, sha256(self.whole), sha256(self.targets))


@dataclass(frozen=True, slots=True)
class TopBody:
    """The payload of a snapshot or a timestamp. ``signed_at`` is a timestamp's own."""

    role: str
    version: int
    expires: datetime
    meta: Mapping[str, Any]
    signed_at: datetime | None
    payload: str


def read(payload: bytes) -> BinBody | TopBody:
    """What is asked for. Refusal if it is nothing that the guard signs."""
    return bin_body(payload) or _top(payload)


def bin_body(payload: bytes) -> BinBody | None:
    """A payload that is spelled as a bin of ours; None for anything else. Whether the targets in it are spelled
    canonically is not looked at.
    """
    head, tail = _HEAD.match(payload), _TAIL.search(payload, max(0, len(payload) - _LONGEST_TAIL))
    if not head or not tail or tail.start() <= head.end():
        return None
    try:
        expires = moment(head[1].decode())
    except ValueError:
        return None
    return BinBody(tail[2].decode(), int(tail[1]), expires, payload[head.end() : tail.start()], payload)


def known_targets(encoded: bytes) -> dict[str, Any]:
    """A bin's targets that were judged before, or that enough keys have signed."""
    found: dict[str, Any] = read_plain(encoded)
    return found


def targets_of(encoded: bytes) -> dict[str, Any]:
    """A bin's targets. Refusal unless they are spelled canonically."""
    try:
        return parse_canonical(encoded)
    except ValueError:
        raise Refusal("not_canonical", "the targets are not spelled as canonical JSON is") from None


def _top(payload: bytes) -> TopBody:
    try:
        body = parse_canonical(payload)
    except ValueError as error:
        raise Refusal("not_canonical", f"the payload {error}") from None
    kind = str(body.get("_type"))
    if kind not in layout.ONLINE:
        role = body.get(layout.ROLE_FIELD)
        raise Refusal(
            "wrong_type", f"this is {kind:.20} metadata of {role!r:.40}; only bins, snapshots and timestamps are signed"
        )
    try:
        if body.keys() != _FIELDS[kind] or body["spec_version"] != signing.SPEC_VERSION:
            raise ValueError(f"it has {sorted(body)}")
        signed_at = moment(body[layout.SIGNED_AT_FIELD]) if kind == layout.TIMESTAMP else None
        version, meta, expires = body["version"], body["meta"], moment(body["expires"])
        if type(version) is not int or version < 1 or not isinstance(meta, dict):
            raise ValueError(f"its version is {version!r:.40}")
    except (TypeError, ValueError) as error:
        raise Refusal("wrong_form", f"no {kind} as this repository writes it: {error!s:.200}") from None
    return TopBody(kind, version, expires, meta, signed_at, sha256(payload))


def verified(file: bytes, delegator: Delegator, role: str) -> bytes:
    """The payload of a metadata file that enough keys of a role have signed; ValueError otherwise."""
    signatures, payload = signing.parted(file)
    count = counting.count(delegator, role, payload, signatures)
    if not count.met:
        raise ValueError(f"is signed by {count.distinct} of {count.threshold} keys")
    return payload


def digest_of(entry: Any) -> str | None:
    """The SHA-256 that a target's description says; None if it says none."""
    hashes = entry.get("hashes") if isinstance(entry, dict) else None
    found = hashes.get("sha256") if isinstance(hashes, dict) else None
    return found if isinstance(found, str) else None


@dataclass(frozen=True)
class Evidence:
    """What was shown with a payload (None: nothing yet), and by its SHA-256 what the guard itself has kept."""

    files: tuple[bytes, ...] | None
    kept: Callable[[str], bytes | None]

    @cached_property
    def _by_digest(self) -> dict[str, bytes]:
        bins = {sha256(body.targets): body.targets for _, body in self._bins}
        return bins | {sha256(each): each for each in self.files or ()}

    @cached_property
    def _bins(self) -> list[tuple[bytes, BinBody]]:
        signed = (file for file in self.files or () if file.startswith(b'{"signatures":'))
        return [(file, body) for file in signed if (body := _unwrapped(file)) is not None]

    def of(self, digest: str) -> bytes | None:
        """The page, or the encoded targets, of this SHA-256."""
        return self._by_digest.get(digest) or self.kept(digest)

    def targets(self, role: str, content: Content, bins: Delegator) -> bytes | None:
        """The encoded targets of a bin of before. Where only its version is known, its signatures prove it."""
        if content.targets is not None:
            return self.of(content.targets)
        for file, body in self._bins:
            if (body.role, body.version) == (role, content.version) and _is_signed(file, bins, role):
                return body.targets
        return None


def _unwrapped(file: bytes) -> BinBody | None:
    try:
        return bin_body(signing.parted(file)[1])
    except ValueError:
        return None


def _is_signed(file: bytes, delegator: Delegator, role: str) -> bool:
    try:
        verified(file, delegator, role)
    except ValueError:
        return False
    return True
