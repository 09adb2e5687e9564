"""A spare key in shares (SLIP-39): any few of them make it again, fewer say nothing about it.

More holders than the threshold asks for are the better backup: a share's key is whole in one place when it is split.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import SSlibKey

from keys import records
from keys.sealed import PrivateKey

if TYPE_CHECKING:
    from shamir_mnemonic import Share

MOST: Final = 16
WORDS: Final = 33
"""Of a share of 32 bytes."""


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
    """``count`` texts of 33 words, any ``needed`` of which make the secret; they were put together again once."""
    if not 2 <= needed <= count <= MOST:
        raise BadShares(f"{needed} of {count} cannot be made: at least 2, of at most {MOST}")
    (texts,) = _slip39().generate_mnemonics(1, [(needed, count)], secret, extendable=False)
    assert joined(texts) == secret, "shares that do not make the secret again"
    return list(texts)


def joined(texts: Sequence[str]) -> bytes:
    """The secret of enough shares of one set, all of which must fit. BadShares says which one is wrong and never what
    is in it.
    """
    shares = [_share(number, text) for number, text in enumerate(texts, 1)]
    _check_one_set(shares)
    needed = shares[0].member_threshold
    different = list({share.index: text for share, text in zip(shares, texts, strict=True)}.values())
    if len(different) < needed:
        raise BadShares(f"{len(different)} different shares of this set are here; it takes {needed}")
    made = {_combined([*different[: needed - 1], each]) for each in different[needed - 1 :]}
    assert len(made) == 1, "SLIP-39 shares that fit make one secret"
    return made.pop()


def _combined(texts: list[str]) -> bytes:
    try:
        secret: bytes = _slip39().combine_mnemonics(texts)
    except _slip39().MnemonicError:
        raise BadShares("these shares do not fit each other, though each is spelled right") from None
    return secret


def _check_one_set(shares: Sequence["Share"]) -> None:
    if not shares:
        raise BadShares("there are no shares")
    for number, share in enumerate(shares, 1):
        if share.group_parameters() != shares[0].group_parameters() or share.group_count != 1:
            raise BadShares(f"share {number} is of another set than share 1")


def _share(number: int, text: str) -> "Share":
    slip39 = _slip39()
    said = text.split()
    if len(said) != WORDS:
        raise BadShares(f"share {number} has {len(said)} words, not {WORDS}")
    for place, word in enumerate(said, 1):
        try:
            slip39.wordlist.mnemonic_to_indices(word)
        except slip39.MnemonicError:
            raise BadShares(f"share {number}: word {place} is not in the list") from None
    try:
        share: Share = slip39.Share.from_mnemonic(text)
    except slip39.MnemonicError:
        raise BadShares(f"share {number}: a word is wrong, or two are swapped") from None
    return share


def _slip39() -> ModuleType:
    try:
        import shamir_mnemonic
    except ImportError:
        raise BadShares("shares need the package shamir-mnemonic: pip install 'tallystick[ceremony]'") from None
    return shamir_mnemonic
