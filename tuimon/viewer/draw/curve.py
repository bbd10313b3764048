"""What a chart is made from: curves, markers and options. Plain frozen types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuimon.viewer.draw.pyramid import Pyramid

# An epoch axis has its points at steps but epochs as labels; a rate axis has them at log10 of the rate but rates as labels.
Axis = Literal["step", "time", "epoch", "rate"]
Range = tuple[float, float]
# How the y range is chosen: without outliers, from everything, or as given.
Fit = Literal["robust", "all", "fixed"]


@dataclass(frozen=True)
class Points:
    """The logged points [n] of a curve: values before smoothing, steps, and wall times in seconds since the epoch."""

    values: NDArray[np.float32]
    steps: NDArray[np.int64]
    walls: NDArray[np.float64]
    origin: float  # the wall time at which the run began


@dataclass(frozen=True)
class Curve:
    """One line of a chart. Faint curves lie behind the others and are not in the legend.

    `pattern` is its line style, which tells curves apart without colours; None: by its position among the curves.
    `points` are what a smoothed curve was made from, and where each point lies; None if nobody asks for them.
    """

    label: str
    style: str
    data: Pyramid
    faint: bool = False
    pattern: int | None = None
    points: Points | None = None
    smoothed: bool = False

    def pattern_at(self, place: int) -> int:
        """The line style, given the curve's position among all curves."""
        return place if self.pattern is None else self.pattern


@dataclass(frozen=True)
class Marker:
    """An event at `x`: a lever was moved."""

    x: float
    label: str


@dataclass(frozen=True)
class Reference:
    """A value to compare curves with: what chance would give, the best so far."""

    value: float
    label: str


@dataclass(frozen=True)
class Options:
    """How a chart is drawn. `x_range` None shows everything; `cursor` is an x.

    `y_range` is the fixed range if `fit` says so (log10 of the values if the axis is logarithmic). A `big` chart
    names its x axis and lists what is under the cursor, one row per curve. `references` are drawn if they lie in the range.

    `note` is shown at the right of the legend: parts separated by commas, most important first.
    """

    title: str = ""
    log_y: bool = False
    x_axis: Axis = "step"
    x_range: Range | None = None
    cursor: float | None = None
    markers: tuple[Marker, ...] = ()
    legend: bool = True
    note: str = ""
    steps_per_epoch: float = 1.0
    fit: Fit = "robust"
    y_range: Range | None = None
    big: bool = False
    references: tuple[Reference, ...] = ()
