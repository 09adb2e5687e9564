"""How a benchmark tells what it found: one JSON line of figures and of the aims that they are held against."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure beside the one that limits.md aims at. Of ratios to python-tuf the larger is the better."""

    name: str
    value: float
    aim: float
    unit: str
    holds: bool


def at_most(name: str, value: float, aim: float, unit: str) -> Aim:
    """An aim that holds while the value is not above it."""
    return Aim(name, significant(value), aim, unit, value <= aim)


def at_least(name: str, value: float, aim: float, unit: str) -> Aim:
    """An aim that holds while the value is not below it."""
    return Aim(name, significant(value), aim, unit, value >= aim)


def line(benchmark: str, figures: Mapping[str, object], aims: Sequence[Aim]) -> str:
    """The line that a benchmark prints."""
    found = {"benchmark": benchmark, "figures": _rounded(figures), "aims": [asdict(aim) for aim in aims]}
    return json.dumps(found, ensure_ascii=False)


def significant(value: float) -> float:
    """Three digits say all that such a figure knows."""
    return float(f"{value:.3g}") if abs(value) < 1000 else float(round(value))


def _rounded(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return significant(value) if isinstance(value, float) else value
