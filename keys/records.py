"""Public keys: which kinds we accept, what their key id is, and when two records hold the same key.

A key id is SHA-256 over the canonical form of the whole key object (TUF specification section 4.2). Libraries accept
any id and count one key twice under two ids; everything of ours compares ``fingerprint`` instead.
"""

import hashlib
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.signer import Key, SSlibKey

from keys.encoding import canonical, sha256

SCHEMES: Final = {
    "ed25519": "ed25519",
    "ecdsa-sha2-nistp256": "ecdsa",
    "ecdsa-sha2-nistp384": "ecdsa",
}
"""Scheme to key type. A type that one client's library does not know bricks that client (python-tuf #2669), so
this table grows only together with a declared minimum client."""

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

_ECDSA: Final = {
    "ecdsa-sha2-nistp256": ECDSA(Prehashed(SHA256())),
    "ecdsa-sha2-nistp384": ECDSA(Prehashed(SHA384())),
}


class UnacceptableKey(ValueError):
    """A key object that we do not accept: unknown scheme, wrong id or broken key material."""


def record(public: PublicKey) -> SSlibKey:
    """The TUF key object of a public key, with its key id."""
    if isinstance(public, Ed25519PublicKey):
        keytype = scheme = "ed25519"
        text = public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    else:
        keytype, scheme = "ecdsa", _ecdsa_scheme(public)
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    keyval = {"public": text}
    keyid = sha256(canonical({"keytype": keytype, "scheme": scheme, "keyval": keyval}))
    return SSlibKey(keyid, keytype, scheme, keyval)


def from_pem(data: bytes) -> SSlibKey:
    """The TUF key object of a public key in PEM, whatever its line ends: it is read and written again."""
    try:
        public = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnacceptableKey(f"not a public key in PEM: {error}") from None
    if not isinstance(public, Ed25519PublicKey | EllipticCurvePublicKey):
        raise UnacceptableKey(f"holds a {type(public).__name__}; use Ed25519, P-256 or P-384")
    return record(public)


def check(key: Key) -> SSlibKey:
    """``key`` if it is exactly what ``record`` makes of its public key; UnacceptableKey otherwise."""
    if SCHEMES.get(key.scheme) != key.keytype:
        known = ", ".join(sorted(SCHEMES))
        raise UnacceptableKey(f"key {key.keyid:.16}: {key.keytype}/{key.scheme} is not one of {known}")
    expected = record(public_key(key))
    if key.keyid != expected.keyid or key.to_dict() != expected.to_dict():
        raise UnacceptableKey(f"key {key.keyid:.16}: its id should be {expected.keyid:.16} (SHA-256 of the whole key)")
    return expected


def public_key(key: Key) -> PublicKey:
    """The public key inside a key object."""
    try:
        return _loaded(key.keytype, key.keyval.get("public", ""))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnacceptableKey(f"key {key.keyid:.16}: its public key cannot be read: {error}") from None


def fingerprint(key: Key) -> str:
    """SHA-256 of the public key itself, whatever id and scheme it is listed under."""
    public_key(key)  # or UnacceptableKey
    return _fingerprint(key.keytype, key.keyval["public"])


def verifies(key: Key, signature: str, payload: bytes) -> bool:
    """Whether a hexadecimal signature over ``payload`` is by this key, in its own scheme.

    The same answer as securesystemslib's, which reads the PEM anew each time: half of what a verification costs.
    """
    return verifies_message(key, signature, message(key, payload))


def message(key: Key, payload: bytes) -> bytes:
    """What a key signs of a payload: Ed25519 all of it, ECDSA its digest, made once by who signs and verifies."""
    if key.keytype == "ed25519":
        return payload
    return (hashlib.sha384 if key.scheme == "ecdsa-sha2-nistp384" else hashlib.sha256)(payload).digest()


def verifies_message(key: Key, signature: str, message: bytes) -> bool:
    """``verifies``, of the ``message`` of a payload by this key."""
    try:
        public, raw = public_key(key), bytes.fromhex(signature)
        if isinstance(public, Ed25519PublicKey):
            public.verify(raw, message)
        elif key.scheme != _ecdsa_scheme(public):
            return False
        else:
            public.verify(raw, message, _ECDSA[key.scheme])
    except (InvalidSignature, ValueError):
        return False
    return True


def from_object(keyid: str, body: Any) -> SSlibKey:
    """A plain key object read from a file, checked."""
    try:
        return check(Key.from_dict(keyid, dict(body)))
    except UnacceptableKey:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # ValueError: a scheme unknown to the library
        raise UnacceptableKey(f"key {keyid:.16}: not a TUF key object ({error})") from None


def _ecdsa_scheme(public: EllipticCurvePublicKey) -> str:
    if isinstance(public.curve, SECP256R1):
        return "ecdsa-sha2-nistp256"
    if isinstance(public.curve, SECP384R1):
        return "ecdsa-sha2-nistp384"
    raise UnacceptableKey(f"the curve {public.curve.name} is not accepted; use P-256 or P-384")


@lru_cache(maxsize=1024)
def _loaded(keytype: str, text: str) -> PublicKey:
    """ValueError if the text is no key of this type; a repository has a handful of them."""
    if keytype == "ed25519":
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    loaded = load_pem_public_key(text.encode())
    if not isinstance(loaded, EllipticCurvePublicKey):
        raise ValueError(f"holds a {type(loaded).__name__}, not an elliptic-curve key")
    return loaded


@lru_cache(maxsize=1024)
def _fingerprint(keytype: str, text: str) -> str:
    spki = _loaded(keytype, text).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()
