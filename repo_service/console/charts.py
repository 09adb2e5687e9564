"""Small charts, as numbers that a template draws: columns in a box of 100 to 40, and what to write beside it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

HEIGHT: Final = 40.0
WIDTH: Final = 100.0
_GAP: Final = 0.28
_LEAST: Final = 0.7
"""What is not nothing can be seen."""


@dataclass(frozen=True, slots=True)
class Value:
    """One column: when, how much, and the same in words."""

    at: datetime
    amount: float
    said: str


@dataclass(frozen=True, slots=True)
class Column:
    """Where a value's column stands."""

    value: Value
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns from left to right; ``peak`` is the highest of the values, None if all are nothing."""

    columns: tuple[Column, ...]
    peak: Value | None

    @property
    def step(self) -> float:
        """The width of a column with its gap."""
        return WIDTH / max(len(self.columns), 1)


def chart(values: Iterable[Value]) -> Chart:
    """A chart of these values, the highest as high as the box."""
    listed = [*values]
    peak = max(listed, key=lambda value: value.amount, default=None)
    highest = peak.amount if peak else 0
    step = WIDTH / max(len(listed), 1)
    columns = []
    for place, value in enumerate(listed):
        height = max(HEIGHT * value.amount / highest, _LEAST) if value.amount else 0.0
        columns.append(Column(value, place * step + step * _GAP / 2, HEIGHT - height, step * (1 - _GAP), height))
    return Chart(tuple(columns), peak if highest else None)
