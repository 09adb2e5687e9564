"""Named places at which a test may stop the program. Free when nothing is armed: one comparison with None."""

from collections.abc import Callable

_reached: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Production code passes here. The name says what has just become true."""
    if _reached is not None:
        _reached(name)


def arm(reached: Callable[[str], None] | None) -> None:
    """Call ``reached`` with every name passed from now on; None disarms."""
    global _reached
    _reached = reached
