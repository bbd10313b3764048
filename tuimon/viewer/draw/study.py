"""A study in pictures: best so far, a parameter against the objective, parallel coordinates, importance, all curves. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.base import format
from tuimon.viewer.draw.dots import Dots, blank_row
from tuimon.viewer.draw.rows import Row, Span

_GUTTER = 9  # cells of a y axis with its labels
MOST_CURVES = 300  # a screen has no room for more, and all cost time


class Mark(NamedTuple):
    """A trial in a picture.

    Attributes:
        value: what it was worth; NaN: nothing yet.
        places: where each parameter's value lies in its range, from 0 to 1, on the range's own scale.
        curve: its values of the objective, in order.
        counts: whether it ended with a value, and so can be the best.
    """

    value: float
    places: Mapping[str, float]
    curve: Sequence[float] = ()
    counts: bool = True


def best_so_far(marks: Sequence[Mark], low_is_good: bool, width: int, height: int, ascii: bool = False) -> list[Row]:
    """The best value after each trial, in the order of their numbers, as a line, and each trial's own as a point."""
    values = np.array([mark.value for mark in marks])
    scale = _Scale(values)
    if scale.empty:
        return [blank_row("no trial has a value yet", width)]
    rising = np.where([mark.counts for mark in marks], values, np.nan)
    best = (np.fmin if low_is_good else np.fmax).accumulate(rising)
    at = (np.arange(len(values)) + 0.5) / len(values)
    dots = Dots(width - _GUTTER, height - 1, ascii)
    dots.points(at, scale.places(values), "dim")
    steps = np.flatnonzero(np.isfinite(best) & (best != np.append(np.nan, best[:-1])))
    if len(steps):
        xs, ys = np.repeat(at[steps], 2), np.repeat(scale.places(best[steps]), 2)
        dots.line(np.append(xs[1:], 1.0), ys, "good")
    return _framed(dots, scale, f"trial 1 to {len(values)}", width)


def against(
    marks: Sequence[Mark], name: str, ends: tuple[str, str], low_is_good: bool, width: int, height: int, ascii: bool = False
) -> list[Row]:
    """A parameter against the objective: a point a trial, the best quarter in another style.

    Args:
        marks: the trials.
        name: the parameter.
        ends: its lowest and highest value as text, or the first and the last choice.
        low_is_good: whether a low objective is good.
        width: in cells.
        height: in cells.
        ascii: whether only ASCII can be shown.
    """
    values = np.array([mark.value for mark in marks])
    places = np.array([mark.places.get(name, math.nan) for mark in marks])
    scale = _Scale(values)
    if scale.empty:
        return [blank_row("no trial has a value yet", width)]
    good = _good(marks, values, low_is_good)
    dots = Dots(width - _GUTTER, height - 1, ascii)
    dots.points(places[~good], scale.places(values[~good]), "train")
    dots.points(places[good], scale.places(values[good]), "good")
    low, high = ends
    room = max(width - _GUTTER - len(low) - len(high), 1)
    return _framed(dots, scale, f"{low}{name.center(room)}{high}", width)


def parallel(
    marks: Sequence[Mark], names: Sequence[str], low_is_good: bool, width: int, height: int, ascii: bool = False
) -> list[Row]:
    """Parallel coordinates: a line a trial, from its value of each parameter to the next and to the objective.

    Of more than `MOST_CURVES` good trials, or others, as many are drawn.
    """
    values = np.array([mark.value for mark in marks])
    scale = _Scale(values)
    if scale.empty:
        return [blank_row("no trial has a value yet", width)]
    good = _good(marks, values, low_is_good)
    axes = [np.array([mark.places.get(name, math.nan) for mark in marks]) for name in names] + [scale.places(values)]
    dots = Dots(width, height - 1, ascii)
    at = np.linspace(0, 1, len(axes))
    for chosen, style in ((_some(~good & np.isfinite(values)), "dim"), (_some(good), "good")):
        for i in range(len(axes) - 1):
            dots.fan((at[i], at[i + 1]), axes[i][chosen], axes[i + 1][chosen], style)
    return [*dots.rows(), _spread([*names, "objective"], width)]


def importance(shares: Mapping[str, float], by: str, width: int, height: int, ascii: bool = False) -> list[Row]:
    """A bar a parameter, the most important first, and by which method."""
    if not shares:
        return [blank_row(by, width)]
    room = min(max(map(len, shares)), width // 3)
    bar = "#" if ascii else "█"
    most = max(width - room - 8, 1)
    rows = [
        [Span(name[:room].ljust(room), "name"), Span(f" {share:5.0%} "), Span(bar * round(share * most), "histogram")]
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
    ]
    return [*rows[: height - 1], blank_row(by, width)]


def curves(marks: Sequence[Mark], best: int, width: int, height: int, ascii: bool = False) -> list[Row]:
    """All trials' curves of the objective: those that ended without a value dimmed, the best on top.

    Args:
        marks: the trials.
        best: which is the best; -1: none.
        width: in cells.
        height: in cells.
        ascii: whether only ASCII can be shown.
    """
    drawn = [i for i, mark in enumerate(marks) if len(mark.curve)]
    count, kept = len(drawn), drawn[-MOST_CURVES:]
    drawn = kept + [best] * (best in drawn[:-MOST_CURVES])
    points = np.array([value for i in drawn for value in marks[i].curve])
    scale = _Scale(points)
    if scale.empty:
        return [blank_row("no trial has a curve yet", width)]
    longest = max(len(marks[i].curve) for i in drawn)
    dots = Dots(width - _GUTTER, height - 1, ascii)
    for i in sorted(drawn, key=lambda i: (i == best, marks[i].counts)):
        ys = scale.places(np.array(marks[i].curve, np.float64))
        xs = np.arange(len(ys)) / max(longest - 1, 1)
        dots.line(xs, ys, "good" if i == best else "train" if marks[i].counts else "dim")
    some = f", the last {MOST_CURVES} of {count} trials" if count > MOST_CURVES else ""
    return _framed(dots, scale, f"validation 1 to {longest}{some}", width)


class _Scale:
    """The y axis of an objective: its finite values without far outliers, logarithmic where they span decades."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        finite = values[np.isfinite(values)]
        self.empty = not len(finite)
        self._log = not self.empty and finite.min() > 0 and np.quantile(finite, 0.9) > 20 * finite.min()
        self._low, self._high = (float(end) for end in (finite.min(), finite.max())) if len(finite) else (0.0, 1.0)
        if not self._log and len(finite) > 8:  # one that has diverged would hide all others
            middle, upper = np.quantile(finite, (0.5, 0.9))
            self._high = min(self._high, float(upper + 2 * (upper - middle)) or self._high)
            lower = float(np.quantile(finite, 0.1))
            self._low = max(self._low, float(lower - 2 * (middle - lower)))

    def places(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where values lie, from 0 to 1; what is outside lies at the edge."""
        low, high = self._warped(np.array([self._low, self._high]))
        share = (self._warped(values) - low) / (high - low) if high > low else np.where(np.isfinite(values), 0.5, np.nan)
        return np.where(np.isnan(values), np.nan, np.clip(share, 0, 1))

    def labels(self) -> tuple[str, str]:
        """Of the lowest and the highest place."""
        return format.number(self._low), format.number(self._high)

    def _warped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(values) if self._log else values


def _good(marks: Sequence[Mark], values: NDArray[np.float64], low_is_good: bool) -> NDArray[np.bool_]:
    """The best quarter of the trials that ended with a value."""
    counts = np.array([mark.counts for mark in marks], np.bool_) & np.isfinite(values)
    if not counts.any():
        return counts
    limit = np.quantile(values[counts], 0.25 if low_is_good else 0.75)
    return counts & (values <= limit if low_is_good else values >= limit)


def _some(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where trials are chosen; of very many, as many as can be told apart, evenly."""
    found = np.flatnonzero(chosen)
    return found if len(found) <= MOST_CURVES else found[np.linspace(0, len(found) - 1, MOST_CURVES).astype(np.int64)]


def _framed(dots: Dots, scale: _Scale, below: str, width: int) -> list[Row]:
    low, high = scale.labels()
    body = dots.rows()
    labels = [high if i == 0 else low if i == len(body) - 1 else "" for i in range(len(body))]
    rows = [
        [Span(f"{label[: _GUTTER - 1].rjust(_GUTTER - 1)} ", "axis"), *row] for label, row in zip(labels, body, strict=True)
    ]
    return [*rows, [Span(" " * _GUTTER + below[: max(width - _GUTTER, 0)], "axis")]]


def _spread(names: Sequence[str], width: int) -> Row:
    """Names below their axes, as far as there is room."""
    room = max(width // max(len(names) - 1, 1) - 1, 1)
    line = [" "] * width
    for i, name in enumerate(names):
        text = name[-room:]
        at = round(i * (width - 1) / max(len(names) - 1, 1))
        start = min(max(at - len(text) // 2, 0), width - len(text))
        line[start : start + len(text)] = text
    return [Span("".join(line)[:width], "axis")]
