"""Curves of one or more runs as rows of text: reduced to what each column needs, with legend, axes and ticks.

NaN and infinities are gaps, and counted. The y range leaves out the few values that would flatten all others, and says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.base import format
from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.log.store import Store
from tuimon.log.walls import elapsed
from tuimon.paper import figure
from tuimon.paper.figure import Frame, Line, Range, Tick
from tuimon.paper.ink import Ink, Size
from tuimon.paper.tags import part_of, split_of
from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.pyramid import Columns, Pyramid
from tuimon.viewer.draw.rows import cells, cut, shorten
from tuimon.viewer.draw.smooth import Smoother

Axis = Literal["step", "epoch", "time"]
_OUTER = 2.0  # percent of the columns' values at either end that may lie outside the y range …
_FAR = 3.0  # … if they lie this many times as far out as all others are apart
_SMOOTHED_POINTS = 250  # up to here, the smoothing weight is used as it is
_Y_SNAP_PARTS = 16
_LEAST_PLOT = 5  # rows


@dataclass(frozen=True)
class Look:
    """How curves are drawn; `smoothing` is a weight in [0, 1), as TensorBoard's; `brief` leaves the values out."""

    axis: Axis = "step"
    log: bool = False
    smoothing: float = 0.0
    brief: bool = False


class _Curve(NamedTuple):
    """One series: `shown` is what is drawn, `values` what was logged."""

    name: str
    xs: NDArray[Any]
    values: NDArray[np.float32]
    shown: NDArray[np.float32]
    place: int


def chart(title: str, runs: Mapping[str, Store], tags: Sequence[str], look: Look, size: Size, ink: Ink) -> list[str]:
    """The curves of some tags in some runs, in one chart.

    Returns:
        At most `size.rows` rows of at most `size.columns` cells.

    Raises:
        TuimonError: the axis is epochs, and a run does not say how long they are.
    """
    curves = _curves(runs, tags, look)
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


def _curves(runs: Mapping[str, Store], tags: Sequence[str], look: Look) -> list[_Curve]:
    found: list[_Curve] = []
    for run, store in runs.items():
        for tag in tags:
            if tag not in store or not len(store[tag]):
                continue
            values = store[tag].values
            smooth = look.smoothing and split_of(tag)[1] in ("", "train")  # others are means already
            shown = Smoother(_stretched(look.smoothing, len(values))).extend(values) if smooth else values
            part = part_of(tag, tags) if len(tags) > 1 else ""
            name = " ".join(word for word in (run if len(runs) > 1 else "", part) if word)
            found.append(_Curve(one_line(name), _xs(run, store, tag, look.axis), values, shown, len(found)))
    return found


def _stretched(smoothing: float, points: int) -> float:
    """The weight that smooths a long series as `smoothing` does one of a few hundred points."""
    return float(smoothing ** min(1.0, _SMOOTHED_POINTS / points))


def _xs(run: str, store: Store, tag: str, axis: Axis) -> NDArray[Any]:
    series = store[tag]
    if axis == "time":
        return elapsed(series.walls, store.first_wall)
    if axis == "step":
        return series.steps
    length = store.started.steps_per_epoch if store.started else None
    if not length:
        raise TuimonError(f"{one_line(run)} does not say how long its epochs are.", "Try --x step or --x time.")
    return series.steps / length


def _legend(curves: Sequence[_Curve], look: Look, columns: int, rows: int, ink: Ink) -> list[str]:
    """A row for each curve with its last, lowest and highest value; where rows are few, names and last values side by side."""
    if look.brief or len(curves) > rows:
        return _short_legend(curves, look, columns, rows, ink) if len(curves) > 1 else []
    widest = max(cells(curve.name) for curve in curves)
    named = min(widest, max(columns // 3, 8))
    return [_told(curve, named, look, columns, ink) for curve in curves]


def _told(curve: _Curve, named: int, look: Look, columns: int, ink: Ink) -> str:
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


def _short_legend(curves: Sequence[_Curve], look: Look, columns: int, rows: int, ink: Ink) -> list[str]:
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


def _at(curve: _Curve, index: int, look: Look) -> str:
    return f"{format.number(float(curve.values[index]))} at {_x_text(curve.xs[index], look)}"


def _x_text(x: float, look: Look) -> str:
    if look.axis == "time":
        return format.duration(float(x))
    return format.count(float(x)) if look.axis == "step" else f"epoch {float(x):.3g}"


def _count_of(number: int) -> str:
    return "1 value" if number == 1 else f"{format.count(number)} values"


def _plot(curves: Sequence[_Curve], look: Look, size: Size, ink: Ink) -> list[str]:
    """The plot's rows; below it, what it leaves out."""
    x_range = _x_range(curves)
    pyramids = [_pyramid(curve, look.log) for curve in curves]
    y_range, note = _y_range([pyramid.columns(*x_range, 2 * size.columns) for pyramid in pyramids], look.log)
    rows = max(size.rows - bool(note), _LEAST_PLOT)
    y_ticks = _ticks((ticks.decades if look.log else ticks.linear)(*y_range, max(2, (rows - 2) // 3)))
    room = size.columns - max((len(label) for _, label in y_ticks), default=0) - 1
    x_ticks = _ticks(_x_marks(x_range, look.axis, max(2, room // 14)))
    frame = Frame(size.columns, rows, x_range, y_range, x_ticks, y_ticks)
    lines = []
    for curve, pyramid in zip(curves, pyramids, strict=True):
        count = max(room, 1) * figure.dots_per_cell(curve.place, ink)
        lines.append(Line(*_points(pyramid.columns(*x_range, count), x_range, y_range), curve.place))
    return [*figure.lines(lines, frame, ink), *([cut(note, size.columns, ink.ascii)] if note else [])]


def _pyramid(curve: _Curve, log: bool) -> Pyramid:
    values = curve.shown
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, np.log10(values), np.nan).astype(np.float32)
    pyramid = Pyramid()
    pyramid.extend(curve.xs, values)
    return pyramid


def _x_range(curves: Sequence[_Curve]) -> Range:
    low = min(float(curve.xs[0]) for curve in curves)
    high = max(float(curve.xs[-1]) for curve in curves)
    if high <= low:
        return low - 0.5, low + 0.5
    return (0.0 if 0 <= low < 0.1 * high else low), high


def _y_range(columns: Sequence[Columns], log: bool) -> tuple[Range, str]:
    """The range of the visible values without the few that lie far out, and a note about those."""
    values = np.concatenate([part for one in columns for part in (one.low, one.high)]).astype(np.float64)
    values = values[np.isfinite(values)]
    lowest, highest = float(values.min()), float(values.max())
    low, high = lowest, highest
    if not log:
        inner_low, inner_high = (float(part) for part in np.percentile(values, (_OUTER, 100 - _OUTER)))
        spread = inner_high - inner_low
        if spread > 0 and highest - inner_high > _FAR * spread:
            high = inner_high + 0.1 * spread
        if spread > 0 and inner_low - lowest > _FAR * spread:
            low = inner_low - 0.1 * spread
    shown = _padded(low, high, log)
    above = f"cut at the top: values reach {format.number(highest)}" if highest > shown[1] else ""
    below = f"cut at the bottom: values reach {format.number(lowest)}" if lowest < shown[0] else ""
    return shown, "; ".join(filter(None, (above, below)))


def _padded(low: float, high: float, log: bool) -> Range:
    """The range widened to round numbers; a constant's has room on both sides."""
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        pad = 0.5 if log or high == 0 else 0.1 * abs(high)
        return low - pad, high + pad
    return ticks.snap(low, high, _Y_SNAP_PARTS)


def _ticks(found: Sequence[ticks.Tick]) -> list[Tick]:
    return [(tick.value, tick.label) for tick in found]


def _x_marks(x_range: Range, axis: Axis, parts: int) -> list[ticks.Tick]:
    if axis == "time":
        return ticks.clock(*x_range, parts)
    return (ticks.steps if axis == "step" else ticks.linear)(*x_range, parts)


def _points(columns: Columns, x_range: Range, y_range: Range) -> tuple[list[float], list[float]]:
    """A path through each column's first, lowest, highest and last value, within the y range; NaN at gaps."""
    count = len(columns.low)
    low, high = x_range
    xs: list[float] = []
    ys: list[float] = []
    for index in np.flatnonzero(columns.gaps | np.isfinite(columns.low)).tolist():
        at = low + (index + 0.5) / count * (high - low)
        for y in _path(columns, index):
            xs.append(at)
            ys.append(min(max(y, y_range[0]), y_range[1]) if y == y else math.nan)
    return xs, ys


def _path(columns: Columns, index: int) -> list[float]:
    if columns.gaps[index]:
        return [math.nan]
    low, high, first, last = (float(part[index]) for part in columns[:4])
    middle = (high, low) if first >= last else (low, high)
    return [y for y, _ in itertools.groupby((first, *middle, last))]
