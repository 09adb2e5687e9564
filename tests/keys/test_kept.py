"""What was made of a value is found again by the value itself, and goes with it."""

import gc
from weakref import ref

import pytest

from keys.kept import kept, shared


class Value:
    """Equal to every other."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Made:
    pass


def test_it_is_made_once_for_each_value_and_arguments() -> None:
    asked = []

    @kept
    def make(value: Value, more: str) -> Made:
        asked.append((value, more))
        return Made()

    first, equal = Value(), Value()
    made = make(first, "a")
    assert make(first, "a") is made
    assert make(first, "b") is not made
    assert make(equal, "a") is not made, "equal is not the same"
    assert len(asked) == 3


def test_it_goes_with_the_value() -> None:
    @kept
    def make(value: Value) -> Made:
        return Made()

    value = Value()
    made = ref(make(value))
    assert made() is not None
    del value
    gc.collect()
    assert made() is None


def test_a_value_at_the_address_of_one_that_is_gone_is_another() -> None:
    @kept
    def make(value: list_of) -> int:
        return len(value)

    for length in range(200):  # CPython uses the address again at once
        assert make(list_of(range(length))) == length


class list_of(list[int]):  # noqa: N801 - a list that can be referred to weakly
    pass


def test_what_is_spelled_alike_is_one_value_for_as_long_as_anybody_has_it() -> None:
    asked = []

    @shared
    def make(plain: list[int]) -> Made:
        asked.append(plain)
        return Made()

    first, other = make([1]), make([2])
    assert make([1]) is first is not other
    assert len(asked) == 2
    gone = ref(first)
    del first
    gc.collect()
    assert gone() is None
    assert make([1]) is not None and len(asked) == 3


def test_what_cannot_be_made_is_asked_for_again() -> None:
    @shared
    def make(plain: list[int]) -> Made:
        raise ValueError(plain)

    for _ in range(2):
        with pytest.raises(ValueError, match="7"):
            make([7])
