"""The curves of some runs as numbers: what is drawn, where it lies, and the path that shows it. Pure.

NaN and infinities are gaps. The y range leaves out the few values that would flatten all others.
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
from tuimon.paper.figure import Range, Tick
from tuimon.paper.tags import part_of, split_of
from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.pyramid import Columns, Pyramid
from tuimon.viewer.draw.smooth import Smoother

Axis = Literal["step", "epoch", "time"]
_OUTER = 2.0  # percent of the columns' values at either end that may lie outside the y range …
_FAR = 3.0  # … if they lie this many times as far out as all others are apart
_SMOOTHED_POINTS = 250  # up to here, the smoothing weight is used as it is
_Y_SNAP_PARTS = 16


@dataclass(frozen=True)
class Look:
    """How curves are drawn; `smoothing` is a weight in [0, 1), as TensorBoard's; `brief` leaves the values out."""

    axis: Axis = "step"
    log: bool = False
    smoothing: float = 0.0
    brief: bool = False


class Curve(NamedTuple):
    """One series: `shown` is what is drawn, `values` what was logged."""

    name: str
    xs: NDArray[Any]
    values: NDArray[np.float32]
    shown: NDArray[np.float32]
    place: int


def curves_of(runs: Mapping[str, Store], tags: Sequence[str], look: Look) -> list[Curve]:
    """The curves of some tags in some runs, those without a value left out.

    Raises:
        TuimonError: the axis is epochs, and a run does not say how long they are.
    """
    found: list[Curve] = []
    for run, store in runs.items():
        for tag in tags:
            if tag not in store or not len(store[tag]):
                continue
            values = store[tag].values
            smooth = look.smoothing and split_of(tag)[1] in ("", "train")  # others are means already
            shown = Smoother(_stretched(look.smoothing, len(values))).extend(values) if smooth else values
            part = part_of(tag, tags) if len(tags) > 1 else ""
            name = " ".join(word for word in (run if len(runs) > 1 else "", part) if word)
            found.append(Curve(one_line(name), _xs(run, store, tag, look.axis), values, shown, len(found)))
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


def pyramid_of(curve: Curve, log: bool) -> Pyramid:
    """The drawn values, ready to be reduced to columns; of a logarithmic axis log10 of them, with gaps where there is none."""
    values = curve.shown
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, np.log10(values), np.nan).astype(np.float32)
    pyramid = Pyramid()
    pyramid.extend(curve.xs, values)
    return pyramid


def x_range_of(curves: Sequence[Curve]) -> Range:
    """The range of all points; it begins at 0 where they nearly do."""
    low = min(float(curve.xs[0]) for curve in curves)
    high = max(float(curve.xs[-1]) for curve in curves)
    if high <= low:
        return low - 0.5, low + 0.5
    return (0.0 if 0 <= low < 0.1 * high else low), high


def y_range_of(columns: Sequence[Columns], log: bool) -> tuple[Range, str]:
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


def y_ticks_of(y_range: Range, log: bool, parts: int) -> list[Tick]:
    """Ticks of a y axis; of a logarithmic one, `y_range` and the ticks are log10 of the values."""
    return [(tick.value, tick.label) for tick in (ticks.decades if log else ticks.linear)(*y_range, parts)]


def x_ticks_of(x_range: Range, axis: Axis, parts: int) -> list[Tick]:
    """Ticks of an x axis."""
    made = {"time": ticks.clock, "step": ticks.steps, "epoch": ticks.linear}[axis]
    return [(tick.value, tick.label) for tick in made(*x_range, parts)]


def path_of(columns: Columns, x_range: Range, y_range: Range) -> tuple[list[float], list[float]]:
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
