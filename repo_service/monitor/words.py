"""Numbers of things, and lengths of time, as sentences say them."""


def plural(count: int, one: str, many: str = "") -> str:
    """Which of both goes with a number; ``many`` is ``one`` with an s unless it is given."""
    return one if count == 1 else many or f"{one}s"


def span(seconds: int) -> str:
    """So many seconds, in the largest unit of which there are two, or exactly one."""
    for name, unit in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * unit or seconds == unit:
            return f"{seconds // unit} {plural(seconds // unit, name)}"
    return f"{seconds} seconds"
