"""The line chart: curves over steps or time, with axes, markers, a cursor and a legend.

A frame costs work per visible column, not per point (see `pyramid`). Pure: the same curves, options and size give the same
rows. Both ranges are widened to round numbers, so that a growing curve changes few cells from frame to frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.canvas import Canvas, trace
from tuimon.viewer.draw.curve import Axis, Curve, Marker, Options, Range
from tuimon.viewer.draw.legend import legend_row
from tuimon.viewer.draw.pyramid import Columns
from tuimon.viewer.draw.readout import readout
from tuimon.viewer.draw.rows import Row, Span, blank, fit
from tuimon.viewer.draw.x_axis import cell_of, x_axis
from tuimon.viewer.draw.y_range import y_range

_MIN_WIDTH_FOR_LABELS = 16
_MIN_HEIGHT_FOR_LABELS = 5
_USUAL_GUTTER = 5  # labels of four characters plus the axis: aligns charts above each other
_MIN_WIDTH_FOR_USUAL_GUTTER = 40
_X_SNAP_PARTS = 25
_MIN_HEIGHT_WITH_READOUT = 10
_CUT = "y cut"  # outliers lie outside of the range


@dataclass(frozen=True)
class Picture:
    """A drawn chart: its rows, and the position of the plot (to find the x under the mouse)."""

    rows: list[Row]
    left: int = 0
    top: int = 0
    width: int = 1
    height: int = 1
    x_range: Range = (0.0, 1.0)
    y_range: Range = (0.0, 1.0)

    def x_at(self, column: int) -> float:
        """The x at the middle of a column of the picture; outside the plot, the x of the nearest edge."""
        low, high = self.x_range
        cell = min(max(column - self.left, 0), self.width - 1)
        return low + (cell + 0.5) * (high - low) / self.width


@dataclass(frozen=True)
class _View:
    """The visible part of the curves, reduced to columns."""

    x_range: Range
    y_range: Range  # log10 of the values if the axis is logarithmic
    columns: list[Columns] = field(default_factory=list)
    empty: str = ""  # why the plot is empty
    cuts: bool = False  # whether the range leaves out outliers


def draw_chart(curves: Sequence[Curve], options: Options, width: int, height: int, ascii: bool = False) -> Picture:
    """Draws a chart of exactly `width` × `height` cells. What does not fit is left out, axes first."""
    if width < 1 or height < 1:
        return Picture([])
    legend_rows = 1 if options.legend and height >= 2 else 0
    axis_rows = 2 if height >= _MIN_HEIGHT_FOR_LABELS else 0
    read = readout(curves, options.cursor, width, ascii) if options.big and options.cursor is not None else []
    read = read if height - len(read) >= _MIN_HEIGHT_WITH_READOUT else []
    rows = height - legend_rows - axis_rows - len(read)
    dots = 1 if ascii else 2
    guess = 0 if width < _MIN_WIDTH_FOR_LABELS else _USUAL_GUTTER if width >= _MIN_WIDTH_FOR_USUAL_GUTTER else 1
    view = _look(curves, options, dots, width - guess)
    marks = _y_ticks(view, options, rows, ascii) if guess else {}
    left = max(guess, min(max(len(label) for label in marks.values()), width // 2) + 1) if marks else 0
    if left != guess:
        view = replace(view, columns=_columns(curves, view.x_range, dots * (width - left)))
    plot = _plot(curves, options, view, width - left, rows, ascii)
    body = [[*_gutter(marks.get(r), left, ascii), *row] for r, row in enumerate(plot)]
    if axis_rows:
        body += x_axis(view.x_range, options, left, width, _holes(view, width - left), ascii)
    low, high = view.x_range
    shown = replace(options, note=", ".join([*([_CUT] if view.cuts else []), *([options.note] if options.note else [])]))
    head = [legend_row(curves, shown, width, ascii, (high - low) / (width - left))] * legend_rows
    return Picture(head + body + read, left, legend_rows, width - left, rows, view.x_range, view.y_range)


def full_range(curves: Sequence[Curve], axis: Axis = "step") -> Range:
    """The x range of all points, widened to round numbers; (0, 1) if there are none."""
    lows = [float(curve.data.xs[0]) for curve in curves if len(curve.data)]
    highs = [float(curve.data.xs[-1]) for curve in curves if len(curve.data)]
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    if high - low <= 0:
        return low - 0.5, low + 0.5
    step = (ticks.clock_step if axis == "time" else ticks.nice_step)(high - low, _X_SNAP_PARTS)
    snapped = step * math.ceil(high / step - 1e-9)
    return (0.0 if 0 <= low < 0.1 * high else low), snapped


def _look(curves: Sequence[Curve], options: Options, dots_per_cell: int, cells: int) -> _View:
    x_range = options.x_range or full_range(curves, options.x_axis)
    columns = _columns(curves, x_range, cells * dots_per_cell)
    if not any(len(curve.data) for curve in curves):
        return _View(x_range, (0.0, 1.0), columns, "no values yet")
    found = y_range(curves, columns, options.fit, options.log_y)
    if found is None:
        positive = "positive" if options.log_y and any(np.isfinite(part.low).any() for part in columns) else ""
        gaps = any(part.gaps.any() for part in columns)
        why = f"no {positive} values" if positive else "no finite values" if gaps else "no values in this range"
        return _View(x_range, (0.0, 1.0), columns, why)
    if options.fit == "fixed" and options.y_range:
        return _View(x_range, options.y_range, columns)
    return _View(x_range, found[0], columns, cuts=found[1])


def _columns(curves: Sequence[Curve], x_range: Range, count: int) -> list[Columns]:
    return [curve.data.columns(*x_range, count) for curve in curves]


def _y_ticks(view: _View, options: Options, rows: int, ascii: bool) -> dict[int, str]:
    """Labels by plot row."""
    low, high = view.y_range
    if view.empty:
        return {}
    parts = max(2, rows // 3)
    found = ticks.decades(low, high, parts) if options.log_y else ticks.linear(low, high, parts)
    return {_row(t.value, view.y_range, rows, ascii): t.label for t in found}


def _row(value: float, y_range: Range, rows: int, ascii: bool) -> int:
    """The row in which a curve of that value (its log10 if the axis is logarithmic) is drawn: the dot decides, not the cell."""
    low, high = y_range
    dots = 1 if ascii else 4
    return min(max(round((high - value) / (high - low) * (dots * rows - 1)) // dots, 0), rows - 1)


def _plot(curves: Sequence[Curve], options: Options, view: _View, width: int, height: int, ascii: bool) -> list[Row]:
    if view.empty:
        return _message(view.empty, width, height)
    canvas = Canvas(width, height, ascii)
    labels = _draw_references(canvas, options, view)
    for (curve, columns), pattern in _in_order(curves, view.columns):
        spans = trace(columns, *view.y_range, canvas.dot_height, options.log_y)
        canvas.draw(spans, curve.style, pattern, curve.faint)
    _draw_labels(canvas, labels)
    _draw_markers(canvas, options.markers, view.x_range)
    cursor = cell_of(options.cursor, view.x_range, width)
    if cursor is not None:
        canvas.column(cursor, "|" if ascii else "│", "cursor", restyle=True, over=_marker_line(ascii))
    return canvas.rows()


def _in_order(curves: Sequence[Curve], columns: list[Columns]) -> list[tuple[tuple[Curve, Columns], int]]:
    """Faint curves first, later ones on top (validation has the fewest points), each with its pattern."""
    pairs = list(zip(curves, columns, strict=True))
    faint = [(pair, 0) for pair in pairs if pair[0].faint]
    clear = [(pair, pair[0].pattern_at(i)) for i, pair in enumerate(pair for pair in pairs if not pair[0].faint)]
    return faint + clear


def _draw_references(canvas: Canvas, options: Options, view: _View) -> dict[int, str]:
    """Dotted lines behind the curves; returns their labels by row."""
    labels: dict[int, str] = {}
    low, high = view.y_range
    for reference in options.references:
        value = reference.value
        if options.log_y:
            value = math.log10(value) if value > 0 else math.nan
        if low <= value <= high:
            row = _row(value, view.y_range, canvas.height, canvas.ascii)
            labels[row] = f"{labels[row]}, {reference.label}" if row in labels else reference.label
            canvas.line(row, _dotted(canvas.ascii), "axis")
    return labels


def _draw_labels(canvas: Canvas, labels: Mapping[int, str]) -> None:
    """The labels of dotted lines where no curve is in the way: at the right, else at the left, else above or below."""
    for row, label in labels.items():
        places = [
            (row, canvas.width - len(label)),
            (row, 1),
            *((near, canvas.width - len(label)) for near in (row - 1, row + 1)),
        ]
        for near, start in places:
            if 0 <= near < canvas.height and canvas.is_free(near, start, len(label), _dotted(canvas.ascii)):
                canvas.write(near, start, label, "dim")
                break


def _dotted(ascii: bool) -> str:
    return ". " if ascii else "· "


def _draw_markers(canvas: Canvas, markers: Sequence[Marker], x_range: Range) -> None:
    for marker in sorted(markers, key=lambda marker: marker.x):
        cell = cell_of(marker.x, x_range, canvas.width)
        if cell is not None:
            _draw_marker(canvas, cell, marker.label)


def _draw_marker(canvas: Canvas, cell: int, label: str) -> None:
    """A dotted line with its label at the top, or at the bottom if curves are in the way; if both are taken, only an arrow."""
    down, up = ("v", "^") if canvas.ascii else ("▼", "▲")
    size, in_label = len(label) + 2, canvas.style_at(0, cell) == "marker"
    for row, arrow in ((0, down), (canvas.height - 1, up)):
        for start, text in ((cell, f"{arrow} {label}"), (cell - size + 1, f"{label} {arrow}")):
            if canvas.is_free(row, start - 1, size + 2):
                canvas.column(cell, _marker_line(canvas.ascii), "marker")
                canvas.write(row, start, text, "marker")
                return
    canvas.column(cell, _marker_line(canvas.ascii), "marker")
    if not in_label:
        canvas.write(0, cell, down, "marker")


def _marker_line(ascii: bool) -> str:
    return ":" if ascii else "┊"


def _message(text: str, width: int, height: int) -> list[Row]:
    rows = blank(width, height)
    start = max((width - len(text)) // 2, 0)
    rows[(height - 1) // 2] = fit([Span(" " * start), Span(text, "dim")], width)
    return rows


def _gutter(label: str | None, width: int, ascii: bool) -> Row:
    if not width:
        return []
    line = ("+" if ascii else "┤") if label is not None else ("|" if ascii else "│")
    return [Span((label or "")[: width - 1].rjust(width - 1) + line, "axis")]


def _holes(view: _View, cells: int) -> list[bool]:
    """By cell: whether any curve has a NaN or infinite value there."""
    if not view.columns or cells < 1:
        return []
    holes = np.logical_or.reduce([columns.holes for columns in view.columns])
    return [bool(part) for part in holes.reshape(cells, -1).any(axis=1)]
