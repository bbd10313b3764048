"""What a chart is made from: curves, markers and options. Plain frozen types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuimon.viewer.draw.pyramid import Pyramid

# An epoch axis has its points at steps but epochs as labels; a rate axis has them at log10 of the rate but rates as labels.
Axis = Literal["step", "time", "epoch", "rate"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One line of a chart. Faint curves lie behind the others and are not in the legend.

    `pattern` is its line style, which tells curves apart without colours; None: by its position among the curves.
    """

    label: str
    style: str
    data: Pyramid
    faint: bool = False
    pattern: int | None = None

    def pattern_at(self, place: int) -> int:
        """The line style, given the curve's position among all curves."""
        return place if self.pattern is None else self.pattern


@dataclass(frozen=True)
class Marker:
    """An event at `x`: a lever was moved."""

    x: float
    label: str


@dataclass(frozen=True)
class Options:
    """How a chart is drawn. `x_range` None shows everything; `cursor` is an x.

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
