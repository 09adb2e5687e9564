"""Bar charts as small SVG files, readable on light and on dark pages, without any library."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 760
_LEFT: Final = 350
_RIGHT: Final = 90
_ROW: Final = 26
_TOP: Final = 56

_STYLE: Final = """
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px } .soft { fill: #57606a; font-size: 12px } .label { text-anchor: end }
.ours { fill: #2f6fde } .theirs { fill: #8c959f } .other { fill: #7fa8e8 } .aim { stroke: #bf5b04; stroke-width: 2; stroke-dasharray: 5 3 }
.axis { stroke: #8c959f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .soft { fill: #9da7b1 } .ours { fill: #4d8df6 } .theirs { fill: #6e7681 } .other { fill: #2d5aa8 }
.aim { stroke: #e8954a }
}
"""  # noqa: E501 - one rule a line reads better


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart. ``kind`` is ours, other (ours, measured otherwise) or theirs."""

    label: str
    value: float
    kind: str = "ours"
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of one unit. Far apart, they are drawn on a logarithmic scale, which the chart says."""

    title: str
    unit: str
    bars: Sequence[Bar]


def drawn(chart: Chart) -> str:
    """The chart as SVG."""
    values = [each for bar in chart.bars for each in (bar.value, bar.aim) if each]
    low, high = min(values), max(values)
    logarithmic = high > 40 * low
    begin = 10 ** math.floor(math.log10(low) - 0.15) if logarithmic else 0.0

    def at(value: float) -> float:
        part = math.log(max(value, begin) / begin) / math.log(high / begin) if logarithmic else value / high
        return part * (_WIDTH - _LEFT - _RIGHT)

    rows = [row for place, bar in enumerate(chart.bars) for row in _row(bar, _TOP + place * _ROW, at)]
    height = _TOP + len(chart.bars) * _ROW + 12
    note = f"{chart.unit}{', logarithmic' if logarithmic else ''}"
    if any(bar.aim for bar in chart.bars):
        note += "; dashed: the aim"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(chart.title)}">'
    )
    title = f'<text class="title" x="14" y="22">{escape(chart.title)}</text>'
    unit = f'<text class="soft" x="14" y="40">{escape(note)}</text>'
    axis = f'<line class="axis" x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP - 6}" y2="{height - 10}"/>'
    return "\n".join((head, f"<style>{_STYLE}</style>", title, unit, axis, *rows, "</svg>", ""))


def _row(bar: Bar, y: int, at: Callable[[float], float]) -> Iterator[str]:
    middle, width = y + 13, max(at(bar.value), 1)
    end = width
    yield f'<text class="label" x="{_LEFT - 10}" y="{middle}">{escape(bar.label)}</text>'
    yield f'<rect class="{bar.kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_ROW - 8}" rx="2"/>'
    if bar.aim:
        x = at(bar.aim)
        end = x if width <= x < width + 60 else width
        yield f'<line class="aim" x1="{_LEFT + x:.1f}" x2="{_LEFT + x:.1f}" y1="{y - 3}" y2="{y + _ROW - 5}"/>'
    yield f'<text class="soft" x="{_LEFT + end + 8:.1f}" y="{middle}">{_figure(bar.value)}</text>'


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
