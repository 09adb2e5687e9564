"""Work on an immutable value that is done once, for as long as the value lives.

A yank changes one release of a thousand; ``evolve`` shares the others. What was made of them is found again by their
identity. It cannot go stale, because the values are frozen and what is made follows from them alone, and it goes with
them, because it hangs on a weak reference.
"""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, TypeVarTuple
from weakref import WeakValueDictionary, ref

from keys.encoding import compact_plain

Value = TypeVar("Value")
More = TypeVarTuple("More")
Made = TypeVar("Made")
Plain = TypeVar("Plain")


def kept(make: Callable[[Value, *More], Made]) -> Callable[[Value, *More], Made]:
    """A pure function of a frozen value, and of hashable arguments beside it, that remembers what it answered."""
    known: dict[int, tuple[ref[Value], dict[object, Made]]] = {}

    @wraps(make)
    def ask(value: Value, *more: *More) -> Made:
        address = id(value)
        found = known.get(address)
        if found is None or found[0]() is not value:
            found = known[address] = (ref(value, lambda _: known.pop(address, None)), {})
        answers = found[1]
        if more not in answers:
            answers[more] = make(value, *more)
        return answers[more]

    return ask


def shared(make: Callable[[Plain], Made]) -> Callable[[Plain], Made]:
    """A pure function that makes a frozen value of a plain one: what is spelled alike gives one value, for as long as
    anybody has it. Two threads that ask at once may get two, which are equal.
    """
    known: WeakValueDictionary[bytes, Made] = WeakValueDictionary()

    @wraps(make)
    def ask(plain: Plain) -> Made:
        spelling = compact_plain(plain)
        if (found := known.get(spelling)) is None:
            found = known[spelling] = make(plain)
        return found

    return ask
