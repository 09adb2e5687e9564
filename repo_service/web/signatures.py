"""Signed requests (RFC 9421): what a library verifies, and what it leaves to us so that one cannot be replayed.

A client's key says the algorithm, and the key was given with proof of possession (keys/possession.py). A signature
covers at least the method, the address and, for a change, the body's digest and the idempotency key; it is good for
two minutes and once.
"""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from http_message_signatures import HTTPMessageSignaturesException, HTTPMessageVerifier, InvalidSignature
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519, HTTPSignatureAlgorithm
from http_message_signatures.resolvers import MappingKeyResolver
from securesystemslib.signer import SSlibKey
from werkzeug import Request

from keys import records
from keys.times import stamp
from repo_service.storage.journal import Journal
from repo_service.storage.tokens import NonceSpent, Token
from repo_service.web.problems import unauthorized

WINDOW: Final = timedelta(seconds=120)
"""How far ``created`` may be from our clock, and how long a nonce is remembered after it."""
_READING: Final = ("@method", "@target-uri")
_CHANGING: Final = (*_READING, "content-digest", "idempotency-key")
_DIGESTED: Final = '"content-digest"'
_NONCE_MIN, _NONCE_MAX = 16, 128
_KEYID: Final = re.compile(r';keyid="([0-9a-f]{16})"', re.ASCII)
_SHA256: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):", re.ASCII)
_ALGORITHMS: Final[dict[str, type[HTTPSignatureAlgorithm]]] = {
    "ed25519": ED25519,
    "ecdsa-sha2-nistp256": ECDSA_P256_SHA256,
}
"""The one algorithm of each kind of key (keys/records.py names the kinds)."""


class Headers(Protocol):
    """What http_message_signatures wants of headers: a field that came twice, twice."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Name and value of each field, in order."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is signed, as the library reads it. ``url`` is the address that clients use, not the one a proxy does."""

    method: str
    url: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose key signed a request, and the SHA-256 that its body must have (None where none was signed)."""

    token: Token
    body: str | None


def is_signed(request: Request) -> bool:
    """Whether it says that it is signed; whether it is, ``verify`` finds out."""
    return "Signature" in request.headers or "Signature-Input" in request.headers


def verify(journal: Journal, request: Request, url: str, now: datetime) -> Signed:
    """The key that signed this request, lately and for the first time. 401 for anything else."""
    message = Message(request.method, url + request.environ["REQUEST_URI"], request.headers)
    try:
        token = _claimed(journal, request.headers.get("Signature-Input", ""))
        proven = _Verifier(token, now).verify(message, max_age=None, require_components=_required(request.method))[0]
        body = _digest(proven.covered_components.get(_DIGESTED))
        until = datetime.fromtimestamp(int(proven.parameters["created"]), UTC) + WINDOW
        _spend(journal, token, proven.nonce, until, now)
    except HTTPMessageSignaturesException as error:
        detail = f"{error}. Signed must be {', '.join(_required(request.method))}; the address is {message.url}"
        raise unauthorized("signature_invalid", f"{detail}.") from None
    return Signed(token, body)


def public_pem(key: SSlibKey) -> str:
    """A public key as a token keeps it. UnacceptableKey if it is of no kind that signs requests."""
    public = records.public_key(key)
    if key.scheme not in _ALGORITHMS:
        raise records.UnacceptableKey(f"key {key.keyid:.16}: {key.scheme} does not sign requests; use Ed25519 or P-256")
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class _Verifier(HTTPMessageVerifier):
    """The library's, for one key and its one algorithm, at a time that is handed in."""

    def __init__(self, token: Token, now: datetime) -> None:
        assert token.public is not None, "a secret verifies nothing"
        key = load_pem_public_key(token.public.encode())
        assert isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey), "a key that was not enrolled"
        keys = MappingKeyResolver(public_keys={token.id: key}, private_keys={})
        super().__init__(signature_algorithm=_ALGORITHMS[records.record(key).scheme], key_resolver=keys)
        self._now = now

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        """As RFC 9421, section 3.2.1, leaves to the application; the library's own would read the clock."""
        del max_age
        now, parameters = self._now.timestamp(), sig_input.params
        if abs(now - parameters.get("created", 0)) > WINDOW.total_seconds():
            raise InvalidSignature(f"created must be within {WINDOW.total_seconds():.0f} s of {stamp(self._now)}")
        if parameters.get("expires", now) < now:
            raise InvalidSignature("The signature has expired")


def _required(method: str) -> tuple[str, ...]:
    return _READING if method in ("GET", "HEAD") else _CHANGING


def _claimed(journal: Journal, signature_input: str) -> Token:
    """The token that the signature says it is by; the signature itself is verified with its key afterwards."""
    claims = _KEYID.findall(signature_input)
    with journal.reading() as view:
        token = view.token(claims[0]) if len(claims) == 1 else None
    if token is None or token.public is None:
        raise InvalidSignature('Signature-Input needs one label, with keyid="…" as `token new --key` printed it')
    return token


def _digest(field: str | None) -> str | None:
    """The SHA-256 in a Content-Digest that was signed, as hexadecimal digits (RFC 9530)."""
    if field is None:
        return None
    match = _SHA256.fullmatch(field)
    if match is None:
        raise InvalidSignature("Content-Digest must be sha-256=:…: and nothing else")
    return b64decode(match[1]).hex()


def _spend(journal: Journal, token: Token, nonce: str | None, until: datetime, now: datetime) -> None:
    if nonce is None or not _NONCE_MIN <= len(nonce) <= _NONCE_MAX:
        raise InvalidSignature(f"nonce must have {_NONCE_MIN} to {_NONCE_MAX} characters, new ones for each request")
    try:
        with journal.writing() as pen:
            pen.spend_nonce(token.id, nonce, until, now)
    except NonceSpent:
        raise unauthorized(
            "nonce_spent", "This signed request was used already; sign it again, with a new nonce."
        ) from None
