"""The y range of a chart: from what is visible of its curves, so that neither the first steps nor one spike flattens the rest.

Raw values behind a smoothed curve never decide it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.curve import Curve, Fit, Range
from tuimon.viewer.draw.pyramid import Columns

_SNAP_PARTS = 16
_LEAST_VALUES = 20  # of fewer, none is called an outlier
_TAIL = 2.0  # percent of a curve's visible values at either end that may be outliers
_FAR = 1.0  # … if they lie further from the others than this many times the others' own range
_PAD = 0.05


def y_range(curves: Sequence[Curve], columns: Sequence[Columns], fit: Fit, log: bool) -> tuple[Range, bool] | None:
    """The range, and whether it leaves anything out; None if no curve has a visible value.

    Args:
        curves: the curves.
        columns: what is visible of each of them.
        fit: `all` includes every value; otherwise a curve's outliers are left out, but never its latest value.
        log: whether the range is one of log10 of the values; values that are not positive then do not count.
    """
    clear = [part for curve, part in zip(curves, columns, strict=True) if not curve.faint]
    each = [values for part in clear if len(values := _values(part, log))]
    if not each:
        each = [values for values in [_neighbours(columns, log)] if len(values)]
    if not each:
        return None
    low, high = min(values.min() for values in each), max(values.max() for values in each)
    if fit == "all":
        return widened(float(low), float(high), log), False
    ranges = [_without_outliers(values) for values in each]
    least, most = min(r[0] for r in ranges), max(r[1] for r in ranges)
    return widened(float(least), float(most), log), bool(least > low or most < high)


def widened(low: float, high: float, log: bool) -> Range:
    """The range widened to round numbers, so that a growing curve rarely moves its axis."""
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        pad = 0.5 if log or high == 0 else 0.1 * abs(high)
        return low - pad, high + pad
    return ticks.snap(low, high, _SNAP_PARTS)


def _without_outliers(values: NDArray[np.float64]) -> Range:
    low, high, last = float(values.min()), float(values.max()), float(values[-1])
    if len(values) < _LEAST_VALUES:
        return low, high
    lower, upper = (float(part) for part in np.percentile(values, (_TAIL, 100 - _TAIL)))
    usual = upper - lower
    if usual > 0 and high - upper > _FAR * usual:
        high = upper + _PAD * usual
    if usual > 0 and lower - low > _FAR * usual:
        low = lower - _PAD * usual
    return min(low, last), max(high, last)


def _values(columns: Columns, log: bool) -> NDArray[np.float64]:
    """The visible extremes of one curve, from left to right; the last one is its latest value."""
    values = np.stack([columns.low, columns.high, columns.last], axis=1).reshape(-1)
    return _finite(values, log)


def _neighbours(columns: Sequence[Columns], log: bool) -> NDArray[np.float64]:
    """If no point is visible, the points that a line through the range would join."""
    return _finite(np.array([side[1] for c in columns if c.before and c.after for side in (c.before, c.after)]), log)


def _finite(values: NDArray[np.floating], log: bool) -> NDArray[np.float64]:
    kept = values[np.isfinite(values)].astype(np.float64)
    return np.asarray(np.log10(kept[kept > 0]) if log else kept)
