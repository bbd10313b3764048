"""Curves of a store, ready to draw. Kept between frames, so that only new points cost time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tuimon.log.records import Applied
from tuimon.log.series import Series
from tuimon.log.store import Store
from tuimon.log.walls import elapsed
from tuimon.viewer.draw.curve import Axis, Curve, Marker, Points
from tuimon.viewer.draw.growing import Growing
from tuimon.viewer.draw.pyramid import Pyramid
from tuimon.viewer.draw.smooth import Smoother
from tuimon.viewer.mean_store import Mean, MeanStore
from tuimon.viewer.widgets.chart_groups import LAYER_KINDS, layer_labels, side_of
from tuimon.viewer.widgets.wording import is_move, marker_label

SERIES_STYLES = 6
_SMOOTHED_POINTS = 250  # up to here, the smoothing weight is used as it is


class _Traced:
    """One series as a curve."""

    def __init__(self, axis: Axis, smoothing: float, origin: float) -> None:
        self.pyramid = Pyramid()
        self._origin = origin
        self._elapsed = Growing(np.float64) if axis == "time" else None
        self._smoother = Smoother(smoothing) if smoothing else None
        self._rewrites = -1

    def follows_on(self, series: Series) -> bool:
        """Whether the series still begins with the points read so far; one that a restart shortened may not."""
        return self._rewrites in (-1, series.rewrites)

    def extend(self, series: Series) -> None:
        self._rewrites = series.rewrites
        if len(series) == len(self.pyramid):
            return
        xs = series.steps if self._elapsed is None else self._times(series.walls)
        self.pyramid.extend(xs, self._smoother.extend(series.values) if self._smoother else series.values)

    def _times(self, walls: NDArray[np.float64]) -> NDArray[np.float64]:
        """Elapsed seconds, finite and never decreasing, even if the clock jumps or is missing."""
        assert self._elapsed is not None
        known = len(self._elapsed)
        self._elapsed.append(elapsed(walls[known:], self._origin, float(self._elapsed.view()[-1]) if known else 0.0))
        return self._elapsed.view()


class _TracedMean(_Traced):
    """The mean of several runs as a curve, with its band; drawn anew whenever it changes."""

    def __init__(self, mean: Mean, axis: Axis, smoothing: float, origin: float) -> None:
        super().__init__(axis, smoothing, origin)
        self.version = mean.series.version
        self.band = Pyramid()
        self.extend(mean.series)
        edges = [Smoother(smoothing).extend(edge) if smoothing else edge for edge in (mean.low, mean.high)]
        self.band.extend(np.repeat(self.pyramid.xs, 2), np.stack(edges, 1).reshape(-1))  # up and down at each x


class CurveBook:
    """Caches the curves that a chart shows of one or more stores."""

    def __init__(self) -> None:
        self._traced: dict[tuple[int, str, Axis, float], _Traced] = {}

    def curves(
        self,
        runs: Mapping[str, Store],
        tags: Sequence[str],
        axis: Axis,
        smoothing: float,
        hidden: frozenset[str] = frozenset(),
        raw: bool = True,
    ) -> list[Curve]:
        """The curves of `tags` in each run that is not hidden; smoothed ones with the `raw` curve faintly behind them.

        Values measured on the whole validation split are means already and are not smoothed.
        """
        labels = dict(zip(tags, _labels(tags), strict=True))
        wanted = [
            (index, name, store, tag)
            for index, (name, store) in enumerate(runs.items())
            for tag in tags
            if tag in store.series and len(store.series[tag]) and name not in hidden
        ]
        axis = "time" if axis == "time" else "step"
        used: dict[tuple[int, str, Axis, float], _Traced] = {}
        found = []
        for index, name, store, tag in wanted:
            run = (name, index) if len(runs) > 1 else None
            place = tags.index(tag)
            label, style = _look(labels[tag], run, place, len(tags))
            pattern = index * len(tags) + place if run else None
            stretched = 0.0 if side_of(tag) == "val" else _stretched(smoothing, len(store.series[tag]))
            if isinstance(store, MeanStore):
                key = (id(store), tag, axis, stretched)
                used[key] = mean = self._mean_of(key, store)
                found.append(Curve(label, "raw", mean.band, True, pattern))
                found.append(Curve(label, style, mean.pyramid, False, pattern, _points(store, tag), bool(stretched)))
                continue
            for weight in (0.0, stretched) if stretched and raw else (stretched,):
                key = (id(store), tag, axis, weight)
                used[key] = self._extended(key, store)
                faint = bool(stretched) and not weight
                points = None if faint else _points(store, tag)
                smoothed = bool(weight)
                found.append(Curve(label, "raw" if faint else style, used[key].pyramid, faint, pattern, points, smoothed))
        self._traced = used
        return found

    def _mean_of(self, key: tuple[int, str, Axis, float], store: MeanStore) -> _TracedMean:
        _, tag, axis, weight = key
        mean = store.mean(tag)
        known = self._traced.get(key)
        if isinstance(known, _TracedMean) and known.version == mean.series.version:
            return known
        return _TracedMean(mean, axis, weight, store.first_wall)

    def _extended(self, key: tuple[int, str, Axis, float], store: Store) -> _Traced:
        _, tag, axis, weight = key
        series = store.series[tag]
        traced = self._traced.get(key)
        if traced is None or not traced.follows_on(series):
            traced = _Traced(axis, weight, store.first_wall)
        traced.extend(series)
        return traced


def _points(store: Store, tag: str) -> Points:
    series = store.series[tag]
    return Points(series.values, series.steps, series.walls, store.first_wall)


def _stretched(smoothing: float, points: int) -> float:
    """The weight that smooths a long series as `smoothing` does one of a few hundred points.

    Changes only when the series has grown fourfold, because a new weight means smoothing the whole curve again.
    """
    if not smoothing:
        return 0.0
    fourfold = max(0, math.ceil(math.log(points / _SMOOTHED_POINTS, 4))) if points else 0
    return float(smoothing ** (1 / 4**fourfold))


def markers(store: Store, axis: Axis, ascii: bool = False) -> tuple[Marker, ...]:
    """Markers where levers moved, on this axis."""
    found = []
    for record in store.events:
        event = record.event
        if isinstance(event, Applied) and is_move(event, store.levers):
            x = record.wall_time - store.first_wall if axis == "time" else event.step
            found.append(Marker(float(x), marker_label(event, ascii)))
    return tuple(found)


def _labels(tags: Sequence[str]) -> list[str]:
    of_layers = all(tag.partition("/")[0] in LAYER_KINDS for tag in tags)
    if of_layers:
        return layer_labels(tags)
    sides = [side_of(tag) for tag in tags]
    return sides if len(tags) > 1 and all(sides) else [tag.rsplit("/", 1)[-1] for tag in tags]


def _look(part: str, run: tuple[str, int] | None, index: int, count: int) -> tuple[str, str]:
    """A curve's name and style. With several runs, each has one colour in all charts, and one line style per tag."""
    if run:
        name, place = run
        return (f"{name} {part}" if count > 1 else name), f"series-{place % SERIES_STYLES}"
    if part in ("train", "val"):
        return part, part
    return ("", "train") if count == 1 else (part, f"series-{index % SERIES_STYLES}")
