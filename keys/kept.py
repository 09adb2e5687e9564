"""Work on an immutable value that is done once, for as long as the value lives.

A yank changes one release of a thousand; ``evolve`` shares the others. What was made of them is found again by their
identity. It cannot go stale, because the values are frozen and what is made follows from them alone, and it goes with
them, because it hangs on a weak reference.
"""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, TypeVarTuple
from weakref import ref

Value = TypeVar("Value")
More = TypeVarTuple("More")
Made = TypeVar("Made")


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
