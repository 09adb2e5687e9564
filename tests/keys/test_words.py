"""Bytes as words that are read aloud: what a listener wrote down is the same bytes, or it is said where it is wrong."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import words

PUBLISHED = """
    topmost istanbul pluto vagabond treadmill pacific brackish dictator goldfish medusa
    afflict bravado chatter revolver dupont midsummer stopwatch whimsical cowbell bottomless
"""
DRAWN = words.drawn_passphrase(bytes(range(16)))


def test_the_published_example_is_what_we_say() -> None:
    """The fingerprint with which the list's authors and Wikipedia explain it."""
    data = bytes.fromhex("E58294F2E9A227486E8B061B31CC528FD7FA3F19")
    assert list(words.words(data)) == PUBLISHED.split()
    assert words.data_of(PUBLISHED.split()) == data


def test_the_lists_are_the_published_ones() -> None:
    """The digest was taken of the list in magic-wormhole 0.24.0, in lower case, which others typed in."""
    assert all(len(listed) == 256 for listed in (words.EVEN, words.ODD))
    assert len(set(words.EVEN + words.ODD)) == 512
    text = " ".join(words.EVEN + words.ODD)
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "e732a7c847b5ceea625e50b7dbd670d080d4b681a606c8805d588ed1848653de"
    )


@pytest.mark.parametrize(("listed", "syllables"), [(words.EVEN, 2), (words.ODD, 3)])
def test_a_listener_counts_two_or_three_syllables_by_the_place(listed: tuple[str, ...], syllables: int) -> None:
    """Groups of vowels are nearly syllables: most words agree, and would not in the other list."""
    groups = [len(re.findall("[aeiouy]+", re.sub("(?<=[^aeiouy])e$", "", word.lower()))) for word in listed]
    assert groups.count(syllables) > 0.85 * len(listed)


@given(st.binary(max_size=64))
def test_words_are_the_bytes_again(data: bytes) -> None:
    """ "The inverse of ``words``; capitals do not matter." """
    spoken = words.words(data)
    assert len(spoken) == len(data)
    assert words.data_of(spoken) == words.data_of(map(str.upper, spoken)) == data


@given(st.binary(min_size=3, max_size=32), st.data())
def test_a_word_that_was_dropped_doubled_or_swapped_is_noticed_at_once(data: bytes, draw: st.DataObject) -> None:
    spoken = list(words.words(data))
    place = draw.draw(st.integers(0, len(spoken) - 2))
    dropped = spoken[:place] + spoken[place + 1 :]
    doubled = spoken[: place + 1] + spoken[place:]
    swapped = [*spoken[:place], spoken[place + 1], spoken[place], *spoken[place + 2 :]]
    for wrong, where in ((dropped, place + 1), (doubled, place + 2), (swapped, place + 1)):
        with pytest.raises(words.NotTheWords, match=f"word {where} cannot stand there") as error:
            words.data_of(wrong)
        assert error.value.place == where


@pytest.mark.parametrize("word", ["aardwark", "", "aard vark", "ąardvark", "0"])
def test_what_is_no_word_is_named_by_its_place_and_not_repeated(word: str) -> None:
    with pytest.raises(words.NotTheWords) as error:
        words.data_of(["topmost", "istanbul", word])
    assert str(error.value) == "word 3 is not in the list"


def test_a_drawn_passphrase_is_twelve_words_of_the_randomness_handed_in() -> None:
    assert (
        DRAWN == "aardvark adviser accrue aggregate adrift almighty afflict amusement aimless applicant allow armistice"
    )
    assert words.data_of(DRAWN.split()) == bytes(range(12))


def test_a_passphrase_is_never_drawn_of_less() -> None:
    with pytest.raises(AssertionError):
        words.drawn_passphrase(b"x" * 11)


@pytest.mark.parametrize("typed", [DRAWN, DRAWN.upper(), f"  {DRAWN.replace(' ', '   ')}\n", DRAWN.title()])
def test_how_a_passphrase_is_spaced_and_capitalised_does_not_matter(typed: str) -> None:
    assert words.spelled(typed) == DRAWN
    assert words.slip(typed) is None


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (DRAWN.replace("adrift", "adrfit"), "word 5 is not in the list"),
        (DRAWN.replace("aardvark ", ""), "word 1 cannot stand there: before it a word was dropped, doubled or swapped"),
        (
            DRAWN.replace("amusement ", ""),
            "word 8 cannot stand there: before it a word was dropped, doubled or swapped",
        ),
        (
            DRAWN.replace("adrift", "adrift adrift"),
            "word 6 cannot stand there: before it a word was dropped, doubled or swapped",
        ),
        (DRAWN.rsplit(" ", 1)[0], "it has 11 words; a drawn one has 12"),
        (f"{DRAWN} ammo", "it has 13 words; a drawn one has 12"),
    ],
)
def test_a_slip_of_the_finger_is_said_before_any_key_is_derived(typed: str, sentence: str) -> None:
    assert words.slip(typed) == sentence


@pytest.mark.parametrize(
    "chosen", ["", "sugar", "tiger sugar", "correct horse battery staple", "a b c d e f g h i tiger"]
)
def test_a_passphrase_that_was_never_drawn_is_not_judged(chosen: str) -> None:
    assert words.slip(chosen) is None
