"""Which names look alike: at least those that do on PyPI, and rn and vv besides."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.names import InvalidName, normalise
from keys.skeletons import FUNCTION, skeleton

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


def ultranormalize(name: str) -> str:
    """PyPI's function, by its description: separators go, 1 l i are one letter, 0 o another."""
    return re.sub("[li]", "1", re.sub("o", "0", re.sub("[-_.]", "", name.lower())))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("django", "djang0"),
        ("pip", "p1p"),
        ("1il", "lll"),
        ("module", "rnodule"),
        ("wheel", "vvheel"),
        ("foo-bar", "foobar"),
        ("r-n", "m"),
        ("wv", "vw"),
        ("rm", "rrn"),
    ],
)
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"), [("requests", "request"), ("foo", "bar"), ("aaa", "aa"), ("nm", "mm"), ("n", "rn"), ("v", "w")]
)
def test_what_only_sounds_alike_has_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def like(name: str) -> st.SearchStrategy[str]:
    """Names that PyPI takes for this one."""
    swaps = {"1": "1li", "l": "1li", "i": "1li", "0": "0o", "o": "0o", "-": ("-", "")}
    return st.tuples(*(st.sampled_from(swaps.get(letter, letter)) for letter in name)).map("".join)


@given(names.flatmap(lambda name: st.tuples(st.just(name), like(name))))
def test_what_pypi_takes_for_one_name_we_do_too(pair: tuple[str, str]) -> None:
    one, other = pair
    assert ultranormalize(one) == ultranormalize(other)
    assert skeleton(one) == skeleton(other)


@given(names)
def test_a_skeleton_looks_like_its_name(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(name)


def test_the_function_is_the_one_that_is_on_record() -> None:
    """Another table needs another name (FORMAT.md): the two must not be told apart by nobody."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
    assert (FUNCTION, skeleton(letters)) == ("skeleton-1", "abcdefgh1jk1rnn0pqrstuvvvxyz0123456789")


@pytest.mark.parametrize("name", ["djang\u043e", "\u212aafka", "\u017fix", "p\u0131p"])
def test_letters_of_other_scripts_never_come_as_far_as_a_skeleton(name: str) -> None:
    with pytest.raises(InvalidName):
        normalise(name)
