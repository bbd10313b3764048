"""What is under the cursor of a big chart: one row per curve, with its value, the smoothed one, its step and its time."""

from __future__ import annotations

from collections.abc import Sequence

from tuimon.base import format
from tuimon.viewer.draw.canvas import stroke_of
from tuimon.viewer.draw.curve import Curve
from tuimon.viewer.draw.rows import Row, Span, cells, fit, shorten

_NUMBER, _STEP, _TIME = 10, 10, 9
_MOST_ROWS = 12


def readout(curves: Sequence[Curve], x: float, width: int, ascii: bool = False) -> list[Row]:
    """A head and a row for each clear curve, nearest to the cursor; empty for a single curve, whose legend says it all."""
    clear = [(index, curve) for index, curve in enumerate(curve for curve in curves if not curve.faint) if curve.points]
    if len(clear) < 2:
        return []
    room = min(max(cells(curve.label) for _, curve in clear), max(width - 2 * _NUMBER - _STEP - _TIME - 4, 8))
    names = [Span(" " * (room + 2), "header"), *(Span(text, "header") for text in _titles(clear))]
    shown = clear[:_MOST_ROWS]
    rows = [fit(names, width), *(_row(index, curve, x, room, width, ascii) for index, curve in shown)]
    left = len(clear) - len(shown)
    return [*rows, [Span(f"and {left} more", "dim")]] if left else rows


def _titles(clear: Sequence[tuple[int, Curve]]) -> list[str]:
    smoothed = any(curve.smoothed for _, curve in clear)
    return ["value".rjust(_NUMBER), "smoothed".rjust(_NUMBER) if smoothed else "", "step".rjust(_STEP), "time".rjust(_TIME)]


def _row(index: int, curve: Curve, x: float, room: int, width: int, ascii: bool) -> Row:
    at, points = curve.data.nearest(x), curve.points
    if at is None or points is None:
        return []
    name = shorten(curve.label, room, ascii)
    pad = " " * (room - cells(name))
    elapsed = float(points.walls[at]) - points.origin
    smoothed = format.number(float(curve.data.values[at])) if curve.smoothed else ""
    row = [
        Span(f"{stroke_of(curve.pattern_at(index), ascii)} {name}{pad}", curve.style),
        Span(format.number(float(points.values[at])).rjust(_NUMBER), "value"),
        Span(smoothed.rjust(_NUMBER) if smoothed else "", "value"),
        Span(format.count(float(points.steps[at])).rjust(_STEP), "axis"),
        Span(format.duration(elapsed).rjust(_TIME), "axis"),
    ]
    return fit(row, width)
