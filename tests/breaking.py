"""Checks taken out one at a time, in this process, to see that a test turns red without each.

A breakage names a function, a piece of its source and what stands there instead. The function is compiled again with
that change for the length of a ``with`` block. Where a check is written otherwise, the piece is not found, and the
table has to be looked at again: nothing here passes by being out of date.
"""

import __future__

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from textwrap import dedent
from types import CodeType
from typing import Any

Test = Callable[..., None]


@dataclass(frozen=True)
class Weak:
    """In the function ``owner.name``, ``before`` reads ``after``."""

    owner: Any
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Breakage:
    """What is no longer asked, and the test that turns red, with arguments. Where two checks stand behind each other,
    both are weak, for either is enough.
    """

    what: str
    weak: tuple[Weak, ...]
    test: Test
    arguments: dict[str, Any]


def breakage(what: str, owner: Any, name: str, before: str, after: str, test: Test, **arguments: Any) -> Breakage:
    return Breakage(what, (Weak(owner, name, before, after),), test, arguments)


@contextmanager
def broken(each: Breakage) -> Iterator[None]:
    """The functions as the breakage has them, for the length of the block, for whoever holds them already."""
    with ExitStack() as restored:
        for weak in each.weak:
            function = _function(weak)
            restored.callback(setattr, function, "__code__", function.__code__)
            function.__code__ = _compiled(weak, function)
        yield


def _function(weak: Weak) -> Any:
    found = inspect.getattr_static(weak.owner, weak.name)
    return inspect.unwrap(getattr(found, "__func__", None) or getattr(found, "fget", None) or found)


def _compiled(weak: Weak, function: Any) -> CodeType:
    source = dedent(inspect.getsource(function))
    pieces = source.count(weak.before)
    assert pieces == 1, f"{weak.before!r} stands {pieces} times in {weak.name}; look at the table again"
    changed = source.replace(weak.before, weak.after)
    compiled = compile(changed, f"<{weak.name}>", "exec", __future__.annotations.compiler_flag, dont_inherit=True)
    return next(each for each in compiled.co_consts if isinstance(each, CodeType) and each.co_name == weak.name)
