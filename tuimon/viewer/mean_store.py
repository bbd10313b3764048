"""Several runs that differ in their seed alone as one: each curve is their mean, with a band of one standard deviation.

A mean is worked out when somebody asks for its tag, and again only once one of the runs has new values of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.log.batch import Points
from tuimon.log.series import Series
from tuimon.log.store import Store
from tuimon.log.walls import elapsed

_MOST_POINTS = 2000  # of a mean: more than a screen has columns

Values = NDArray[np.float32]


class Mean(NamedTuple):
    """A tag's mean over the runs, at `steps` [n] of the longest of them.

    Attributes:
        series: the mean over the runs that have a finite value there; NaN where none has.
        low: [n] one standard deviation below it, but not below the lowest run.
        high: [n] likewise above.
    """

    series: Series
    low: Values
    high: Values


class MeanStore(Store):
    """The means of several runs as if they were a run; settings and description are those of the first."""

    def __init__(self, parts: Sequence[Store]) -> None:
        super().__init__()
        self.parts = tuple(parts)
        self.series = self._means = _Means(self.parts)
        self.refresh()

    def refresh(self) -> None:
        """Takes in what is new of the runs."""
        first = self.parts[0]
        self.started, self.launched, self.first_wall = first.started, first.launched, first.first_wall
        self.step = max(part.step for part in self.parts)
        self._means.refresh()

    def mean(self, tag: str) -> Mean:
        """The mean of a tag, with its band. Raises KeyError."""
        return self._means.mean(tag)


class _Means(dict[str, Series]):
    """Means by tag, of which a reader gets those that it asks for as they are now."""

    def __init__(self, parts: Sequence[Store]) -> None:
        super().__init__()
        self._parts = parts
        self._found: dict[str, tuple[tuple[int, ...], Mean]] = {}

    def refresh(self) -> None:
        for part in self._parts:
            for tag in part.series:
                self.setdefault(tag, Series())

    def mean(self, tag: str) -> Mean:
        have = [part for part in self._parts if tag in part.series and len(part.series[tag])]
        versions = tuple(part.series[tag].version for part in have)
        known = self._found.get(tag)
        if known is None or known[0] != versions:
            if not have:
                raise KeyError(tag)
            known = self._found[tag] = (
                versions,
                _mean([_curve(part, tag) for part in have], self._parts[0].first_wall, sum(versions)),
            )
        return known[1]

    def __getitem__(self, tag: str) -> Series:
        return (
            self.mean(tag).series if any(tag in part and len(part[tag]) for part in self._parts) else super().__getitem__(tag)
        )

    def get(self, tag: str, default: Series | None = None) -> Series | None:  # type: ignore[override]
        try:
            return self[tag]
        except KeyError:
            return default


class _Curve(NamedTuple):
    steps: NDArray[np.int64]
    seconds: NDArray[np.float64]
    values: Values


def _curve(store: Store, tag: str) -> _Curve:
    series = store.series[tag]
    return _Curve(series.steps, elapsed(series.walls, store.first_wall), series.values)


def _mean(curves: Sequence[_Curve], began: float, version: int) -> Mean:
    steps = _common_steps([curve.steps for curve in curves])
    values = np.stack([_at(steps, curve.steps, curve.values) for curve in curves])
    seconds = np.stack([_at(steps, curve.steps, curve.seconds) for curve in curves])
    values[~np.isfinite(values)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without a value: NaN
        mean, low, high = np.nanmean(values, 0), np.nanmin(values, 0), np.nanmax(values, 0)
        walls = began + np.nanmean(seconds, 0)
        deviation = np.nanstd(values, 0, ddof=1)
    deviation = np.nan_to_num(deviation)  # of a single run there is none
    series = Series()
    series.extend(Points(steps, walls, mean.astype(np.float32)))
    series.version = version
    return Mean(
        series, np.maximum(mean - deviation, low).astype(np.float32), np.minimum(mean + deviation, high).astype(np.float32)
    )


def _common_steps(all_steps: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Ascending steps at which any run has a value; of very many, evenly spaced ones."""
    steps = np.unique(np.concatenate(all_steps))
    if len(steps) <= _MOST_POINTS:
        return steps
    return steps[np.unique(np.linspace(0, len(steps) - 1, _MOST_POINTS).astype(np.int64))]


def _at(wanted: NDArray[np.int64], steps: NDArray[np.int64], values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The values at other steps, between two on the line from one to the other; NaN before the first and after the last."""
    return np.interp(wanted, steps, values.astype(np.float64), left=np.nan, right=np.nan)
