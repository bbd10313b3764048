"""The line above a chart: the curves and their values, now or under the cursor."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from tuimon.base import format
from tuimon.viewer.draw.canvas import stroke_of
from tuimon.viewer.draw.curve import Curve, Options
from tuimon.viewer.draw.rows import Row, Span, fit, shorten, width_of

_FEW = 2
_LEAST_NAME, _BESIDE_NAME = 12, 4  # cells of a shortened name, and of its line style and gaps
_KNOWN = ("train", "val")
_AS_ABOVE = "colours as above"  # of runs, in a small chart under a big one


def legend_row(curves: Sequence[Curve], options: Options, width: int, ascii: bool = False, cell: float = 0.0) -> Row:
    """Title, cursor position, and each curve's line style, name and value. Short of room, drops the note, then as in `_ways`.

    `cell` is the width of a column in x: within one column of its ends a curve still has a value for the cursor.
    """
    clear = [curve for curve in curves if not curve.faint]
    place, note = _place(options), options.note
    head = [Span(f"{text} ", style) for text, style in ((options.title, "title"), (place, "cursor")) if text]
    values = [_value(curve, options.cursor, cell, ascii) for curve in clear]
    raw = [_with_raw(curve, options.cursor, value, ascii) for curve, value in zip(clear, values, strict=True)]
    left = width - width_of(head)
    ways = itertools.chain(
        [_entries(clear, _names(clear), raw, ascii)] if raw != values else [],
        _ways(clear, values, left, options.cursor is not None, ascii),
    )
    told = next((row for row in ways if width_of(row) <= left), [])
    if not told and left >= len(_AS_ABOVE) and any(curve.pattern is not None for curve in clear):
        told = [Span(_AS_ABOVE, "dim")]
    if left < 0 and options.title:
        head[0] = Span(shorten(options.title, max(width - width_of(head[1:]) - 1, 0), ascii) + " ", "title")
    full = [*head, *told]
    room = width - width_of(full)
    while note and len(note) >= room:
        note = note.rpartition(", ")[0]
    if note:
        return [*full, Span(" " * (room - len(note))), Span(note, "dim")]
    return fit(full, width)


def _ways(curves: Sequence[Curve], values: Sequence[str], left: int, reading: bool, ascii: bool) -> Iterator[Row]:
    """Ways to show the curves, the most complete first: with many curves, names matter more than values.

    Values without names still help if the curves' colours are always the same, or while the user moves the cursor.
    """
    names = _names(curves)
    nothing = [""] * len(curves)
    yield _entries(curves, names, values, ascii)
    if len(curves) > _FEW and not reading:
        yield _entries(curves, names, nothing, ascii)
    share = left // max(len(curves), 1) - _BESIDE_NAME
    if len(curves) > 1 and not reading and share >= _LEAST_NAME:
        yield _entries(curves, [shorten(name, share, ascii) for name in names], nothing, ascii)
    if reading or len(curves) == 1 or all(curve.style in _KNOWN for curve in curves):
        yield _entries(curves, nothing, values, ascii)


def _names(curves: Sequence[Curve]) -> list[str]:
    return [f"{curve.label} " if curve.label else "" for curve in curves]


def _entries(curves: Sequence[Curve], names: Sequence[str], values: Sequence[str], ascii: bool) -> Row:
    row: Row = []
    for index, (curve, name, value) in enumerate(zip(curves, names, values, strict=True)):
        row += [
            Span(f"{stroke_of(curve.pattern_at(index), ascii)} {name}", curve.style),
            Span(f"{value}  " if value else " ", "value"),
        ]
    if row:
        row[-1] = Span(row[-1].text.rstrip(), "value")
    return row


def _value(curve: Curve, cursor: float | None, cell: float, ascii: bool) -> str:
    """The latest value, or the one nearest to the cursor; a dash where the curve has not begun or is over."""
    xs = curve.data.xs
    if not len(xs) or (cursor is not None and not _reaches(xs, cursor, cell)):
        return format.missing(ascii)
    index = -1 if cursor is None else curve.data.nearest(cursor)
    return ("~" if curve.smoothed else "") + format.number(float(curve.data.values[index]))


def _with_raw(curve: Curve, cursor: float | None, value: str, ascii: bool) -> str:
    """A smoothed value with the logged one, if there is room: neither is taken for the other."""
    index = -1 if cursor is None else curve.data.nearest(cursor)
    if not curve.smoothed or curve.points is None or index is None or value == format.missing(ascii):
        return value
    return f"{value.removeprefix('~')} smoothed, {format.number(float(curve.points.values[index]))} raw"


def _reaches(xs: NDArray[Any], x: float, cell: float) -> bool:
    """Whether the points at `xs` cover `x`, give or take a column."""
    first, last = float(xs[0]), float(xs[-1])
    slack = max(cell, (last - first) / max(len(xs) - 1, 1))
    return first - slack <= x <= last + slack


def _place(options: Options) -> str:
    """The cursor's position as text."""
    x = options.cursor
    if x is None:
        return ""
    if options.x_axis == "time":
        return format.duration(x)
    if options.x_axis == "epoch":
        return f"epoch {x / options.steps_per_epoch:.2f}"
    return f"step {format.count(x)}"
