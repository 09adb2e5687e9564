"""Words that stand for bytes: the published list, and what is noticed when they are read or typed wrongly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import words


def test_the_published_example_reads_as_it_was_published() -> None:
    """A PGP fingerprint and its words, as the list's own description gives them."""
    said = words.words(bytes.fromhex("E58294F2E9A227486E8B061B31CC528FD7FA3F19"))
    assert " ".join(said) == (
        "topmost istanbul pluto vagabond treadmill pacific brackish dictator goldfish medusa "
        "afflict bravado chatter revolver dupont midsummer stopwatch whimsical cowbell bottomless"
    )


def test_every_byte_has_one_word_in_each_place_and_no_word_is_in_both_lists() -> None:
    assert len(set(words.EVEN)) == len(set(words.ODD)) == 256
    assert not set(words.EVEN) & set(words.ODD)


@given(st.binary(min_size=2, max_size=32).filter(lambda data: len(set(data)) == len(data)), st.data())
def test_two_words_that_are_swapped_are_noticed(data: bytes, drawn: st.DataObject) -> None:
    """The two lists take turns, so a word is never in a neighbour's place."""
    said = words.words(data)
    place = drawn.draw(st.integers(0, len(said) - 2))
    assert not words.is_word(said[place + 1], place) and not words.is_word(said[place], place + 1)


PASSPHRASE = words.drawn_passphrase(bytes(range(100, 112)))


def test_a_drawn_passphrase_is_twelve_words_and_reads_the_same_however_it_is_typed() -> None:
    assert len(PASSPHRASE.split()) == 12
    assert words.spelled(f"  {PASSPHRASE.upper().replace(' ', '   ')}\n") == PASSPHRASE
    assert words.slip(PASSPHRASE) is None


@pytest.mark.parametrize(
    ("change", "slip"),
    [
        (lambda said: [*said[:4], "frehdom", *said[5:]], "word 5, 'frehdom', is not in the list"),
        (lambda said: [*said[:4], *said[5:]], f"before word 5, {PASSPHRASE.split()[5]}, a word is missing or doubled"),
        (lambda said: [*said[:7], said[6], *said[7:]], f"before word 8, {PASSPHRASE.split()[6]}, a word is missing or"),
    ],
    ids=["misspelt", "missing", "doubled"],
)
def test_a_slip_of_the_pen_is_named_by_its_place(change: object, slip: str) -> None:
    assert callable(change)
    found = words.slip(" ".join(change(PASSPHRASE.split())))
    assert found is not None and slip in found


def test_a_passphrase_that_was_never_drawn_is_not_judged() -> None:
    assert words.slip("correct horse battery") is None
