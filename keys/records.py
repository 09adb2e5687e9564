"""Public keys: which kinds we accept, what their key id is, and when two records hold the same key.

A key id is SHA-256 over the canonical form of the whole key object (TUF specification section 4.2). Libraries accept
any id and count one key twice under two ids; everything of ours compares ``fingerprint`` instead.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey, MLDSA65PublicKey, MLDSA87PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.signer import Key, SSlibKey

from keys.encoding import canonical, sha256

ED25519: Final = "ed25519"
P256: Final = "ecdsa-sha2-nistp256"
P384: Final = "ecdsa-sha2-nistp384"
RSA_PSS: Final = "rsassa-pss-sha256"
GATED: Final = ("ml-dsa-44/1", "ml-dsa-65/1", "ml-dsa-87/1")
"""Schemes that stop a client whose library does not know them: only in a file that says so (keys/rules.py,
docs/adr/0026)."""

SCHEMES: Final[Mapping[str, str]] = {
    ED25519: "ed25519",
    P256: "ecdsa",
    P384: "ecdsa",
    RSA_PSS: "rsa",
    **dict.fromkeys(GATED, "ml-dsa"),
}
"""Scheme to key type, one scheme for each key: a second one would be a second id for the same key."""

RSA_BITS: Final = range(2048, 8192 + 1)
"""How long an RSA key may be. Below is too weak; above, each client pays for one holder."""
_RSA_EXPONENT: Final = 65537

MLDSAPublicKey = MLDSA44PublicKey | MLDSA65PublicKey | MLDSA87PublicKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey | MLDSAPublicKey

_MESSAGES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    ED25519: lambda payload: payload,
    P256: lambda payload: hashlib.sha256(payload).digest(),
    P384: lambda payload: hashlib.sha384(payload).digest(),
    RSA_PSS: lambda payload: hashlib.sha256(payload).digest(),
    **dict.fromkeys(GATED, lambda payload: b"tuf\x01" + hashlib.sha512(payload).digest()),  # TAP 21
}
_MLDSA: Final = (MLDSA44PublicKey, MLDSA65PublicKey, MLDSA87PublicKey)
_ONE_SCHEME: Final = {Ed25519PublicKey: ED25519, **dict(zip(_MLDSA, GATED, strict=True))}
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "ecdsa": (EllipticCurvePublicKey,),
    "rsa": (RSAPublicKey,),
    "ml-dsa": _MLDSA,
}
_ECDSA: Final = {P256: ECDSA(Prehashed(SHA256())), P384: ECDSA(Prehashed(SHA384()))}
_PSS: Final = PSS(MGF1(SHA256()), PSS.AUTO)  # AUTO: TUF does not fix the length of the salt
_SPELLING: Final = "lower-case hexadecimal, or PEM of 64 characters a line that ends in a newline, never CRLF"
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")


class UnacceptableKey(ValueError):
    """A key object that we do not accept: unknown scheme, wrong id or broken key material."""


def record(public: PublicKey) -> SSlibKey:
    """The TUF key object of a public key, with its key id."""
    scheme = _scheme(public)
    keytype = SCHEMES[scheme]
    if isinstance(public, Ed25519PublicKey):
        text = public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    else:
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    keyval = {"public": text}
    keyid = sha256(canonical({"keytype": keytype, "scheme": scheme, "keyval": keyval}))
    return SSlibKey(keyid, keytype, scheme, keyval)


def from_pem(data: bytes) -> SSlibKey:
    """The TUF key object of a public key in PEM, whatever its line ends: it is read and written again. UnacceptableKey
    for anything but one public key.
    """
    held = [found.decode() for found in _PEM.findall(data)]
    if any("PRIVATE KEY" in each for each in held):
        raise UnacceptableKey("this is a private key; it stays where it is. Give its public half")
    if len(held) != 1:
        raise UnacceptableKey(f"holds {', '.join(held) or 'no PEM'}; give one public key in PEM")
    try:
        public = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnacceptableKey(f"no public key can be read in it: {error}") from None
    return record(_accepted(public))


def check(key: Key) -> SSlibKey:
    """``key`` if it is exactly what ``record`` makes of its public key; UnacceptableKey otherwise."""
    if SCHEMES.get(key.scheme) != key.keytype:
        known = ", ".join(sorted(SCHEMES))
        raise UnacceptableKey(f"key {key.keyid:.16}: {key.keytype}/{key.scheme} is not one of {known}")
    expected = record(public_key(key))
    if key.scheme != expected.scheme:
        raise UnacceptableKey(f"key {key.keyid:.16}: its scheme is {key.scheme}, but it is a key for {expected.scheme}")
    if key.keyval["public"] != expected.keyval["public"]:
        raise UnacceptableKey(
            f"key {key.keyid:.16}: its public key is spelled otherwise than we write it ({_SPELLING})"
        )
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
    return key.scheme in SCHEMES and verifies_message(key, signature, message(key, payload))


def message(key: Key, payload: bytes) -> bytes:
    """What a key signs of a payload: Ed25519 all of it, the others a digest, made once by who signs and verifies.
    KeyError for a scheme that we do not know.
    """
    return _MESSAGES[key.scheme](payload)


def verifies_message(key: Key, signature: str, message: bytes) -> bool:
    """``verifies``, of the ``message`` of a payload by this key."""
    try:
        public, raw = public_key(key), bytes.fromhex(signature)
        if key.scheme != _scheme(public):
            return False
        if isinstance(public, EllipticCurvePublicKey):
            public.verify(raw, message, _ECDSA[key.scheme])
        elif isinstance(public, RSAPublicKey):
            public.verify(raw, message, _PSS, Prehashed(SHA256()))
        else:
            public.verify(raw, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def der(raw: bytes) -> bytes:
    """An ECDSA signature as tokens give it, r and s of equal length, in the form that TUF keeps (ASN.1)."""
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def from_object(keyid: str, body: Any) -> SSlibKey:
    """A plain key object read from a file, checked."""
    try:
        return check(Key.from_dict(keyid, dict(body)))
    except UnacceptableKey:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # ValueError: a scheme unknown to the library
        raise UnacceptableKey(f"key {keyid:.16}: not a TUF key object ({error})") from None


def _scheme(public: PublicKey) -> str:
    """The one scheme for a public key; UnacceptableKey if it is too weak or of another curve."""
    if isinstance(public, EllipticCurvePublicKey):
        return _ecdsa_scheme(public)
    if isinstance(public, RSAPublicKey):
        if public.key_size not in RSA_BITS or public.public_numbers().e < _RSA_EXPONENT:
            wanted = f"{RSA_BITS[0]} to {RSA_BITS[-1]} bits and an exponent of at least {_RSA_EXPONENT}"
            raise UnacceptableKey(f"RSA of {public.key_size} bits is not accepted; it takes {wanted}")
        return RSA_PSS
    return next(scheme for kind, scheme in _ONE_SCHEME.items() if isinstance(public, kind))


def _ecdsa_scheme(public: EllipticCurvePublicKey) -> str:
    if isinstance(public.curve, SECP256R1):
        return P256
    if isinstance(public.curve, SECP384R1):
        return P384
    raise UnacceptableKey(f"the curve {public.curve.name} is not accepted; use P-256 or P-384")


def _accepted(loaded: object) -> PublicKey:
    if not isinstance(loaded, PublicKey):
        kind = type(loaded).__name__.removesuffix("PublicKey")
        raise UnacceptableKey(f"holds a key for {kind}; use Ed25519, P-256, P-384 or RSA")
    return loaded


@lru_cache(maxsize=1024)
def _loaded(keytype: str, text: str) -> PublicKey:
    """ValueError if the text is no key of this type; a repository has a handful of them."""
    if keytype == "ed25519":
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    if not text.startswith("-----BEGIN PUBLIC KEY-----"):
        raise ValueError(f"a key of type {keytype} is written in PEM")
    loaded = load_pem_public_key(text.encode())
    if not isinstance(loaded, _KINDS.get(keytype, ())):
        raise ValueError(f"holds a {type(loaded).__name__}, not a key of type {keytype}")
    return _accepted(loaded)


@lru_cache(maxsize=1024)
def _fingerprint(keytype: str, text: str) -> str:
    spki = _loaded(keytype, text).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()
