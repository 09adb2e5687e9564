"""A spare key in shares (SLIP-39): any few of them make it again, fewer say nothing about it.

More holders than the threshold asks for are the better backup: a share's key is whole in one place when it is split.
"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import SSlibKey

from keys import records
from keys.sealed import PrivateKey


class BadShares(ValueError):
    """Shares that cannot be made, or that make no key."""


def secret_of(private: PrivateKey) -> bytes:
    """The 32 bytes that are an Ed25519 or P-256 key."""
    if isinstance(private, Ed25519PrivateKey):
        return private.private_bytes_raw()
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return private.private_numbers().private_value.to_bytes(32, "big")
    raise BadShares("only keys of 32 bytes (Ed25519, P-256) are kept in shares")


def private_of(secret: bytes, public: SSlibKey) -> PrivateKey:
    """The private key of these bytes; BadShares unless it is the one of ``public``."""
    try:
        made: PrivateKey = (
            Ed25519PrivateKey.from_private_bytes(secret)
            if public.keytype == "ed25519"
            else derive_private_key(int.from_bytes(secret, "big"), SECP256R1())
        )
    except ValueError as error:
        raise BadShares(f"they make no private key: {error}") from None
    if records.record(made.public_key()).keyid != public.keyid:
        raise BadShares(f"they make another key than {public.keyid:.16}")
    return made


def split(secret: bytes, needed: int, count: int) -> list[str]:
    """``count`` texts of 33 words, any ``needed`` of which make the secret."""
    try:
        import shamir_mnemonic
    except ImportError:
        raise BadShares("shares need the package shamir-mnemonic: pip install 'tallystick[ceremony]'") from None
    if not 2 <= needed <= count <= 16:
        raise BadShares(f"{needed} of {count} cannot be made: at least 2, of at most 16")
    (group,) = shamir_mnemonic.generate_mnemonics(1, [(needed, count)], secret, extendable=False)
    return list(group)


def joined(texts: Sequence[str]) -> bytes:
    """The secret of enough shares."""
    try:
        import shamir_mnemonic
    except ImportError:
        raise BadShares("shares need the package shamir-mnemonic: pip install 'tallystick[ceremony]'") from None
    try:
        return shamir_mnemonic.combine_mnemonics(list(texts))
    except shamir_mnemonic.MnemonicError as error:
        raise BadShares(str(error)) from None
