"""Dice are mixed into the machine's randomness, so that bad ones never harm and good ones are enough."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import entropy

DRAWN = bytes(range(32))
ROLLS = "1234561234" * 5


def test_the_seed_is_hkdf_as_rfc_5869_says() -> None:
    """Made here once more of two HMACs, so that somebody can do it again without us."""
    key = hmac.digest(bytes(64), DRAWN + ROLLS.encode(), hashlib.sha512)
    assert entropy.mixed(DRAWN, ROLLS) == hmac.digest(key, b"tallystick/1 seed\x01", hashlib.sha512)[:32]


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_whoever_knows_the_rolls_knows_nothing_of_the_seed(drawn: bytes, other: bytes) -> None:
    """ "Mixed in so that bad ones never harm": the seed is as different as the machine's randomness is."""
    assert (entropy.mixed(drawn, ROLLS) == entropy.mixed(other, ROLLS)) == (drawn == other)


@given(st.text("123456", min_size=50, max_size=99).filter(lambda rolls: len(set(rolls)) > 1))
def test_every_roll_counts(rolls: str) -> None:
    other = str(int(rolls[-1]) % 6 + 1)
    assert entropy.mixed(DRAWN, rolls) != entropy.mixed(DRAWN, rolls[:-1] + other)
    assert entropy.mixed(DRAWN, rolls) != entropy.mixed(DRAWN, rolls + other)


def test_white_space_between_rolls_does_not_matter() -> None:
    assert entropy.mixed(DRAWN, f" {ROLLS[:25]}\n{ROLLS[25:]} ") == entropy.mixed(DRAWN, ROLLS)


@pytest.mark.parametrize(
    ("rolls", "sentence"),
    [
        ("", "there are 0 rolls; it takes 50"),
        (ROLLS[:-1], "there are 49 rolls; it takes 50"),
        ("3" * 60, "every roll is a 3: that was no die"),
        (ROLLS + "7", "a die shows 1 to 6, not '7'"),
        (ROLLS + "0", "a die shows 1 to 6, not '0'"),
        (ROLLS + "x", "a die shows 1 to 6, not 'x'"),
        (ROLLS + "\u0661", "a die shows 1 to 6, not '\u0661'"),
    ],
)
def test_what_no_die_shows_is_refused(rolls: str, sentence: str) -> None:
    with pytest.raises(entropy.BadRolls) as error:
        entropy.mixed(DRAWN, rolls)
    assert str(error.value) == sentence


@pytest.mark.parametrize("drawn", [b"", DRAWN[:-1]])
def test_rolls_never_stand_in_for_the_machines_randomness(drawn: bytes) -> None:
    with pytest.raises(AssertionError):
        entropy.mixed(drawn, ROLLS)
