"""Dice add to the machine's randomness and can never take from it."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import entropy
from keys.entropy import BadRolls

DRAWN = bytes(range(32))
ROLLS = "123456" * 9


def test_a_seed_is_the_same_for_the_same_randomness_and_rolls() -> None:
    """HKDF-SHA512 (RFC 5869), made once with another implementation: whoever distrusts us can make it again."""
    pseudorandom = hmac.digest(b"\0" * 64, DRAWN + ROLLS.encode(), hashlib.sha512)
    assert entropy.mixed(DRAWN, ROLLS) == hmac.digest(pseudorandom, b"tallystick/1 seed\x01", hashlib.sha512)[:32]


@given(st.binary(min_size=32, max_size=32), st.text("123456", min_size=entropy.ROLLS).filter(lambda it: len({*it}) > 1))
def test_randomness_and_rolls_both_decide_the_seed(drawn: bytes, rolls: str) -> None:
    other = bytes(byte ^ 1 for byte in drawn)
    assert len({entropy.mixed(drawn, rolls), entropy.mixed(other, rolls), entropy.mixed(drawn, rolls + "1")}) == 3


def test_white_space_between_rolls_says_nothing() -> None:
    assert entropy.mixed(DRAWN, " ".join(ROLLS) + "\n") == entropy.mixed(DRAWN, ROLLS)


@pytest.mark.parametrize(
    ("rolls", "why"),
    [
        ("", "there are 0 rolls; it takes 50"),
        (ROLLS[:49], "there are 49 rolls; it takes 50"),
        ("6" * 50, "every roll is a 6: that was no die"),
        (ROLLS + "7", "a die shows 1 to 6, not '7'"),
        (ROLLS + "0", "a die shows 1 to 6, not '0'"),
        (ROLLS + "x", "a die shows 1 to 6, not 'x'"),
        (ROLLS + "\u0663", "a die shows 1 to 6, not '\u0663'"),
    ],
)
def test_what_no_die_rolled_is_refused(rolls: str, why: str) -> None:
    with pytest.raises(BadRolls, match=why):
        entropy.mixed(DRAWN, rolls)


def test_fifty_rolls_are_enough() -> None:
    assert len(entropy.mixed(DRAWN, ROLLS[:50])) == 32
