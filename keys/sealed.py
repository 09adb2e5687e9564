"""Private keys at rest: PKCS#8 sealed with a passphrase (RFC 5958, PBES2 of RFC 8018), openable with plain openssl.

``openssl pkey -in alice.key`` recovers a key without us, which matters more than the fashionable key derivation. The
cryptography package reads this form but writes it with 2,048 rounds only, so the writer is here.
"""

import hashlib
import os
import textwrap
from base64 import b64encode
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

ROUNDS: Final = 2_000_000
"""PBKDF2-HMAC-SHA512 rounds: about a second on a laptop of 2026."""

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey

_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2: Final = bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA512: Final = bytes.fromhex("06082a864886f70d020b")
_AES256_CBC: Final = bytes.fromhex("060960864801650304012a")
_NULL: Final = bytes.fromhex("0500")


class WrongPassphrase(ValueError):
    """The passphrase does not open this key file."""


class BadKeyFile(ValueError):
    """The file holds no private key that we use."""


def seal(private: PrivateKey, passphrase: str, *, salt: bytes, iv: bytes, rounds: int = ROUNDS) -> bytes:
    """An ENCRYPTED PRIVATE KEY in PEM. ``salt`` and ``iv`` are 16 fresh random bytes each."""
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    derived = hashlib.pbkdf2_hmac("sha512", passphrase.encode(), salt, rounds, 32)
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(derived), CBC(iv)).encryptor()
    secret = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    kdf = _der(0x30, _PBKDF2, _der(0x30, _der(4, salt), _der_integer(rounds), _der(0x30, _HMAC_SHA512, _NULL)))
    cipher = _der(0x30, _AES256_CBC, _der(4, iv))
    document = _der(0x30, _der(0x30, _PBES2, _der(0x30, kdf, cipher)), _der(4, secret))
    text = "\n".join(textwrap.wrap(b64encode(document).decode(), 64))
    return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{text}\n-----END ENCRYPTED PRIVATE KEY-----\n".encode()


def unseal(pem: bytes, passphrase: str | None) -> PrivateKey:
    """The private key in a PEM file; ``None`` opens only a file that is not sealed (an online key)."""
    try:
        key = load_pem_private_key(pem, None if passphrase is None else passphrase.encode())
    except TypeError as error:  # sealed, and no passphrase given; or the other way round
        raise WrongPassphrase(str(error)) from None
    except ValueError as error:
        if b"ENCRYPTED" in pem and passphrase is not None:
            raise WrongPassphrase("the passphrase does not open this key file, or the file is damaged") from None
        raise BadKeyFile(f"not a private key file: {error}") from None
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise BadKeyFile(f"holds a {type(key).__name__}; only Ed25519, P-256 and P-384 keys are used")
    return key


def plain(private: PrivateKey) -> bytes:
    """An unsealed PEM, for an online key that only file permissions protect."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_private(path: Path, pem: bytes) -> None:
    """Create ``path`` for its owner only, durable when this returns; FileExistsError rather than overwrite."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _der_integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))
