"""Making signatures: a key that signs, and the envelope around what it signed.

``Sign`` is what pure code is handed: payload in, signatures out. Every signature is verified with the public key before
it leaves, because a token may return rubbish without an error (tuf-on-ci #236).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from securesystemslib.signer import Signature, SSlibKey

from keys import records
from keys.encoding import canonical, compact
from keys.sealed import PrivateKey

Sign = Callable[[bytes], tuple[Signature, ...]]
"""Payload to signatures, one for each key that signs for the role (two while an online key is rotated)."""

SPEC_VERSION: Final = "1.0.31"


class SignerFailed(Exception):
    """The signer returned something that its own public key does not verify. Nothing was used of it."""


class HeldKey:
    """A private key in memory, and its public record."""

    def __init__(self, private: PrivateKey) -> None:
        self._private = private
        self.record: SSlibKey = records.record(private.public_key())

    def sign(self, payload: bytes) -> Signature:
        """One verified signature; ECDSA is deterministic (RFC 6979), so equal payloads give equal bytes."""
        return verified(self.record, payload, self._raw(payload))

    def __call__(self, payload: bytes) -> tuple[Signature, ...]:
        return (self.sign(payload),)

    def _raw(self, payload: bytes) -> bytes:
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(payload)
        digest = SHA384() if self.record.scheme.endswith("384") else SHA256()
        return self._private.sign(payload, ECDSA(digest, deterministic_signing=True))


def verified(key: SSlibKey, payload: bytes, raw: bytes) -> Signature:
    """``raw`` as a TUF signature object, after verifying it; SignerFailed if it is not one by ``key``."""
    if not records.verifies(key, raw.hex(), payload):
        raise SignerFailed(f"signer of key {key.keyid:.16}: what it returned is no signature by it")
    return Signature(key.keyid, raw.hex())


def envelope(signed: Mapping[str, Any], signatures: tuple[Signature, ...]) -> bytes:
    """The metadata file: compact JSON of ``signed`` with its signatures, in order of key id."""
    return _around(compact(signed), signatures)


def signed_payload(payload: bytes, sign: Sign) -> bytes:
    """As ``signed_file``, for a body that is encoded already: ``compact`` of it, holding no control character, so that
    the bytes in the file are the very bytes that are signed.
    """
    return _around(payload, sign(payload))


def signed_file(signed: Mapping[str, Any], sign: Sign) -> bytes:
    """Sign a body and wrap it: the bytes that are stored, served and never made again."""
    return envelope(signed, sign(canonical(signed)))


def _around(encoded: bytes, signatures: tuple[Signature, ...]) -> bytes:
    listed = [{"keyid": each.keyid, "sig": each.signature} for each in sorted(signatures, key=lambda s: s.keyid)]
    return b"".join((b'{"signatures":', compact(listed), b',"signed":', encoded, b"}"))
