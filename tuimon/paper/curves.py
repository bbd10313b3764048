"""Curves of one or more runs as rows of text: legend, axes and ticks around what `series` prepares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tuimon.base import format
from tuimon.base.plain import one_line
from tuimon.log.store import Store
from tuimon.paper import figure
from tuimon.paper.figure import Frame, Line
from tuimon.paper.ink import Ink, Size
from tuimon.paper.series import Curve, Look, curves_of, path_of, pyramid_of, x_range_of, x_ticks_of, y_range_of, y_ticks_of
from tuimon.viewer.draw.rows import cells, cut, shorten

_LEAST_PLOT = 5  # rows


def chart(title: str, runs: Mapping[str, Store], tags: Sequence[str], look: Look, size: Size, ink: Ink) -> list[str]:
    """The curves of some tags in some runs, in one chart.

    Returns:
        At most `size.rows` rows of at most `size.columns` cells.

    Raises:
        TuimonError: the axis is epochs, and a run does not say how long they are.
    """
    curves = curves_of(runs, tags, look)
    name = one_line(title)
    if not curves:
        return [cut(f"{name}: no values yet", size.columns, ink.ascii)]
    finite = [np.isfinite(curve.shown) & ((curve.shown > 0) | (not look.log)) for curve in curves]
    if not any(part.any() for part in finite):
        what = "positive" if look.log and any(np.isfinite(curve.values).any() for curve in curves) else "finite"
        return [cut(f"{name}: no {what} values", size.columns, ink.ascii), *_legend(curves, look, size.columns, 3, ink)]
    head = [cut(f"{name} by {look.axis}{_said_of(look)}", size.columns, ink.ascii)]
    head += _legend(curves, look, size.columns, max(1, size.rows // 4), ink)
    return head + _plot(curves, look, Size(size.columns, size.rows - len(head)), ink)


def _said_of(look: Look) -> str:
    log = ", logarithmic" if look.log else ""
    return log + (f", smoothed {look.smoothing:g}" if look.smoothing else "")


def _legend(curves: Sequence[Curve], look: Look, columns: int, rows: int, ink: Ink) -> list[str]:
    """A row for each curve with its last, lowest and highest value; where rows are few, names and last values side by side."""
    if look.brief or len(curves) > rows:
        return _short_legend(curves, look, columns, rows, ink) if len(curves) > 1 else []
    widest = max(cells(curve.name) for curve in curves)
    named = min(widest, max(columns // 3, 8))
    return [_told(curve, named, look, columns, ink) for curve in curves]


def _told(curve: Curve, named: int, look: Look, columns: int, ink: Ink) -> str:
    """A curve's row; short of room it leaves out the highest value, then the lowest."""
    name = shorten(curve.name, named, ink.ascii)
    text = f"{name}{' ' * (named - cells(name))}  last {format.number(float(curve.values[-1])):<7}".strip()
    finite = np.isfinite(curve.values)
    extremes = [f"  {word} {_at(curve, int(index), look)}" for word, index in _extremes(curve.values, finite)]
    first = int(np.argmin(finite))
    holes = f"  {_count_of(len(finite) - int(finite.sum()))} not finite, first at {_x_text(curve.xs[first], look)}"
    holes = "" if finite.all() else holes
    while extremes and cells(text + "".join(extremes) + holes) > columns - 3:
        extremes.pop()
    return f"{figure.sample_of(curve.place, ink)} {cut(text + ''.join(extremes) + holes, columns - 3, ink.ascii)}"


def _extremes(values: NDArray[np.float32], finite: NDArray[np.bool_]) -> list[tuple[str, np.intp]]:
    if not finite.any():
        return []
    low, high = np.where(finite, values, np.inf), np.where(finite, values, -np.inf)
    return [("lowest", np.argmin(low)), ("highest", np.argmax(high))]


def _short_legend(curves: Sequence[Curve], look: Look, columns: int, rows: int, ink: Ink) -> list[str]:
    """Names and last values, wrapped; what does not fit in the rows is counted."""
    lines: list[str] = [""]
    used = 0
    for index, curve in enumerate(curves):
        value = "" if look.brief else f" {format.number(float(curve.values[-1]))}"
        text = shorten(curve.name, max(columns // 3, 8), ink.ascii) + value
        needed = 3 + cells(text) + 2
        if used and used + needed > columns:
            if len(lines) == rows:
                left = f"and {len(curves) - index} more"
                lines[-1] += left if used + len(left) <= columns else ""
                break
            lines.append("")
            used = 0
        lines[-1] += f"{figure.sample_of(curve.place, ink)} {text}  "
        used += needed
    return [line.rstrip() for line in lines]


def _at(curve: Curve, index: int, look: Look) -> str:
    return f"{format.number(float(curve.values[index]))} at {_x_text(curve.xs[index], look)}"


def _x_text(x: float, look: Look) -> str:
    if look.axis == "time":
        return format.duration(float(x))
    return format.count(float(x)) if look.axis == "step" else f"epoch {float(x):.3g}"


def _count_of(number: int) -> str:
    return "1 value" if number == 1 else f"{format.count(number)} values"


def _plot(curves: Sequence[Curve], look: Look, size: Size, ink: Ink) -> list[str]:
    """The plot's rows; below it, what it leaves out."""
    x_range = x_range_of(curves)
    pyramids = [pyramid_of(curve, look.log) for curve in curves]
    y_range, note = y_range_of([pyramid.columns(*x_range, 2 * size.columns) for pyramid in pyramids], look.log)
    rows = max(size.rows - bool(note), _LEAST_PLOT)
    y_ticks = y_ticks_of(y_range, look.log, max(2, (rows - 2) // 3))
    room = size.columns - max((len(label) for _, label in y_ticks), default=0) - 1
    x_ticks = x_ticks_of(x_range, look.axis, max(2, room // 14))
    frame = Frame(size.columns, rows, x_range, y_range, x_ticks, y_ticks)
    lines = []
    for curve, pyramid in zip(curves, pyramids, strict=True):
        count = max(room, 1) * figure.dots_per_cell(curve.place, ink)
        lines.append(Line(*path_of(pyramid.columns(*x_range, count), x_range, y_range), curve.place))
    return [*figure.lines(lines, frame, ink), *([cut(note, size.columns, ink.ascii)] if note else [])]
