"""Making signatures: a key that signs, and the envelope around what it signed.

A ``Signer`` is what pure code is handed: payloads in, signatures out. Every signature is verified with the public key
before it leaves, because a token may return rubbish without an error (tuf-on-ci #236).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from securesystemslib.signer import Signature, SSlibKey

from keys import records
from keys.encoding import canonical, compact
from keys.sealed import PrivateKey

Signatures = tuple[Signature, ...]
Sign = Callable[[bytes], Signatures]
"""Payload to signatures, one for each key that signs for the role (two while an online key is rotated)."""


def nothing() -> Iterable[bytes]:
    """What is shown of a payload that replaces nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A payload to be signed. ``shown`` gives what it replaces: of a bin the signed files whose targets are now in it,
    and of each page that changes in it the page before and the page after. Read only for a signer that judges.
    """

    payload: bytes
    shown: Callable[[], Iterable[bytes]] = nothing


class Signer(Protocol):
    """Keys that sign everything together, wherever they are. Raises SignerFailed."""

    @property
    def keyids(self) -> frozenset[str]:
        """The ids of the keys that sign."""

    def sign_all(self, asked: Sequence[Asked]) -> Sequence[Signatures]:
        """The signatures of each payload, in order: of all, or by an exception of none."""

    def highest(self, roles: Iterable[str], holding: int) -> Mapping[str, int]:
        """Versions that are spent: of these roles, and of ``snapshot`` and ``timestamp``, the greatest that was ever
        signed, as far as the signer remembers. ``holding`` is the newest snapshot that the asker has kept.
        """

    def take_in(self, files: Mapping[str, bytes]) -> None:
        """Know what a ceremony sealed, by the paths in ``sealed/``, before anything is signed that goes with it."""


class SigningKey(Protocol):
    """A private key that signs, wherever it is: in memory, on a token, with a key service."""

    @property
    def record(self) -> SSlibKey:
        """Its public half, as metadata lists it."""

    def sign(self, payload: bytes) -> Signature:
        """One signature that was verified after it was made."""
        ...


Ask = Callable[[str], str]
"""Asks a person for a secret, by what it is called."""
SPEC_VERSION: Final = "1.0.31"
_BEGINNING: Final = b'{"signatures":'
_MIDDLE: Final = b',"signed":'


class SignerFailed(Exception):
    """The signer returned something that its own public key does not verify. Nothing was used of it."""


class NotOpened(Exception):
    """A key elsewhere that cannot be used: ``what`` is wrong, and what ``todo`` about it."""

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo


class SignerAway(SignerFailed):
    """Nobody answers, or not in time. What was asked may be signed and its version spent; nothing was published."""


class SignerRefused(SignerFailed):
    """The signer will not sign this, by the rule of this code. Nothing was published."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"the guard refuses ({code}): {sentence}")
        self.code = code


class SignerOvertaken(SignerRefused):
    """Another publisher had this version signed first: with fresh numbers it may be signed."""


class HeldKey:
    """A private key in memory, and its public record."""

    def __init__(self, private: PrivateKey) -> None:
        self._private = private
        self._record = records.record(private.public_key())

    @property
    def record(self) -> SSlibKey:
        """Its public half, as metadata lists it."""
        return self._record

    @property
    def private(self) -> PrivateKey:
        """The secret itself, to be sealed again or shared."""
        return self._private

    def sign(self, payload: bytes) -> Signature:
        """One verified signature; ECDSA is deterministic (RFC 6979), so equal payloads give equal bytes."""
        message = records.message(self.record, payload)
        return verified(self.record, message, self._raw(message))

    def __call__(self, payload: bytes) -> tuple[Signature, ...]:
        """``sign``, as a signer of one key."""
        return (self.sign(payload),)

    @property
    def keyids(self) -> frozenset[str]:
        """The id of this one key."""
        return frozenset((self.record.keyid,))

    def _raw(self, message: bytes) -> bytes:
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(message)
        digest = SHA384() if self.record.scheme.endswith("384") else SHA256()
        return self._private.sign(message, ECDSA(Prehashed(digest), deterministic_signing=True))


class HeldKeys:
    """Keys that sign everything together, while one of them takes the other's place."""

    def __init__(self, *keys: HeldKey) -> None:
        self.keys = keys

    @property
    def keyids(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(key.record.keyid for key in self.keys)

    def sign_all(self, asked: Sequence[Asked]) -> list[Signatures]:
        """Every payload, signed by every key."""
        return [tuple(key.sign(each.payload) for key in self.keys) for each in asked]

    def highest(self, roles: Iterable[str], holding: int) -> Mapping[str, int]:
        """Keys in memory remember nothing; the journal does."""
        del roles, holding
        return {}

    def take_in(self, files: Mapping[str, bytes]) -> None:
        """Keys in memory sign what they are given."""
        del files


def verified(key: SSlibKey, message: bytes, raw: bytes) -> Signature:
    """``raw`` as a TUF signature object, after verifying it; SignerFailed if it is not one by ``key`` of this message
    (``records.message``).
    """
    if not records.verifies_message(key, raw.hex(), message):
        raise SignerFailed(f"signer of key {key.keyid:.16}: what it returned is no signature by it")
    return Signature(key.keyid, raw.hex())


def envelope(signed: Mapping[str, Any], signatures: tuple[Signature, ...]) -> bytes:
    """The metadata file: compact JSON of ``signed`` with its signatures, in order of key id."""
    return _around(compact(signed), signatures)


def keyids_of(file: bytes) -> frozenset[str]:
    """The keys that say they signed a metadata file of ours; nothing is verified here."""
    listed = json.loads(file[len(_BEGINNING) : file.index(_MIDDLE)])
    return frozenset(each["keyid"] for each in listed)


def wrapped(payload: bytes, signatures: Signatures) -> bytes:
    """As ``envelope``, for a body that is encoded already: ``compact`` of it, holding no control character, so that the
    bytes in the file are the very bytes that are signed.
    """
    return _around(payload, signatures)


def parted(file: bytes) -> tuple[list[Signature], bytes]:
    """The signatures and the body of a metadata file that ``wrapped`` made; ValueError if it is none. Nothing is
    verified here.
    """
    end = file.find(_MIDDLE)
    if not file.startswith(_BEGINNING) or not file.endswith(b"}}"):
        raise ValueError("is no metadata file of ours")
    try:
        listed = json.loads(file[len(_BEGINNING) : end])
        return [Signature(each["keyid"], each["sig"]) for each in listed], file[end + len(_MIDDLE) : -1]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def signed_file(signed: Mapping[str, Any], sign: Sign) -> bytes:
    """Sign a body and wrap it: the bytes that are stored, served and never made again."""
    return envelope(signed, sign(canonical(signed)))


def _around(encoded: bytes, signatures: tuple[Signature, ...]) -> bytes:
    listed = [{"keyid": each.keyid, "sig": each.signature} for each in sorted(signatures, key=lambda s: s.keyid)]
    return b"".join((_BEGINNING, compact(listed), _MIDDLE, encoded, b"}"))
