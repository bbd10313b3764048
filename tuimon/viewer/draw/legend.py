"""The line over a chart: which curve is which, and what it says now or under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuimon import format
from tuimon.viewer.draw.canvas import ASCII_STROKES, STROKES
from tuimon.viewer.draw.rows import Row, Span, fit, shorten, width_of

if TYPE_CHECKING:
    from tuimon.viewer.draw.chart import Curve, Options

_FEW = 2


def legend_row(curves: Sequence[Curve], options: Options, width: int, ascii: bool = False) -> Row:
    """Title, place, and each curve's stroke, name and value; short of room, the note goes, then names (of many: values)."""
    title, note, cursor = options.title, options.note, options.cursor
    clear = [curve for curve in curves if not curve.faint]
    head = [Span(f"{text} ", style) for text, style in ((title, "title"), (_place(clear, options), "cursor")) if text]
    full = [*head, *_entries(clear, cursor, ascii)]
    if width_of(full) > width and len(clear) > _FEW and cursor is None:
        full = [*head, *_entries(clear, cursor, ascii, values=False)]
    if width_of(full) > width:
        full = [*head, *_entries(clear, cursor, ascii, names=False)]
    if width_of(full) > width and title:
        keep = max(width - width_of(full[1:]), min(width, 6))
        full[0] = Span(shorten(title, keep - 1, ascii) + " ", "title")
    room = width - width_of(full) - len(note)
    if note and room >= 1:
        return [*full, Span(" " * room), Span(note, "dim")]
    return fit(full, width)


def _entries(curves: Sequence[Curve], cursor: float | None, ascii: bool, names: bool = True, values: bool = True) -> Row:
    strokes = ASCII_STROKES if ascii else STROKES
    row: Row = []
    for index, curve in enumerate(curves):
        stroke = strokes[index % len(strokes)]
        name = f"{curve.label} " if names and curve.label else ""
        value = f"{_value(curve, cursor, ascii)}  " if values else " "
        row += [Span(f"{stroke} {name}", curve.style), Span(value, "value")]
    if row:
        row[-1] = Span(row[-1].text.rstrip(), "value")
    return row


def _value(curve: Curve, cursor: float | None, ascii: bool) -> str:
    index = len(curve.data) - 1 if cursor is None else curve.data.nearest(cursor)
    if index is None or index < 0:
        return format.missing(ascii)
    return format.number(float(curve.data.values[index]))


def _place(curves: Sequence[Curve], options: Options) -> str:
    """The x of the point that the cursor reads."""
    if options.cursor is None:
        return ""
    index = curves[0].data.nearest(options.cursor) if curves else None
    x = options.cursor if index is None else float(curves[0].data.xs[index])
    if options.x_axis == "time":
        return format.duration(x)
    if options.x_axis == "epoch":
        return f"epoch {x / options.steps_per_epoch:.2f}"
    return f"step {format.count(x)}"
