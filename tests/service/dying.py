"""A process that dies at a named point, as far as one process can show it: nothing catches what is raised there."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from repo_service import failpoint


class Killed(BaseException):
    """Nothing catches it."""


@contextmanager
def dying_at(point: str, passings: int = 1) -> Iterator[None]:
    """The block dies when it passes this point for the n-th time; that it does not is a failure."""
    passed: list[str] = []

    def reached(name: str) -> None:
        if name == point:
            passed.append(name)
            if len(passed) == passings:
                raise Killed

    failpoint.arm(reached)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        failpoint.arm(None)
