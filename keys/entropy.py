"""Randomness that a person adds to: rolls of a die, mixed in so that bad ones never harm (HKDF, RFC 5869)."""

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ROLLS: Final = 50
"""Fifty rolls of a fair die are 129 bits: enough even if the machine's own randomness were none."""
SEED: Final = 32
_PURPOSE: Final = b"tallystick/1 seed"


class BadRolls(ValueError):
    """Too few rolls, or none that a die makes."""


def mixed(drawn: bytes, rolls: str) -> bytes:
    """A seed of 32 bytes from as many of the machine's randomness and rolls of a die (``1`` to ``6``, white space
    ignored).
    """
    assert len(drawn) == SEED, "rolls are added to a whole seed, never put in its place"
    digits = "".join(rolls.split())
    if strange := sorted(set(digits) - set("123456")):
        raise BadRolls(f"a die shows 1 to 6, not {strange[0]!r:.8}")
    if len(digits) < ROLLS:
        raise BadRolls(f"there are {len(digits)} rolls; it takes {ROLLS}")
    if len(set(digits)) == 1:
        raise BadRolls(f"every roll is a {digits[0]}: that was no die")
    return HKDF(SHA512(), SEED, salt=None, info=_PURPOSE).derive(drawn + digits.encode())
