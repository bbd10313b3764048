"""What a chart is made from: curves, what happened beside them, and how they are to be drawn. Plain frozen types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuimon.viewer.draw.pyramid import Pyramid

# An epoch axis has its points at steps, and epochs for labels; a rate axis has them at logarithms, and rates for labels.
Axis = Literal["step", "time", "epoch", "rate"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One line of a chart. A faint curve lies behind the others, without a place in the legend.

    `pattern` is its stroke, for who cannot go by its style's colour; None: by its place among the curves.
    """

    label: str
    style: str
    data: Pyramid
    faint: bool = False
    pattern: int | None = None

    def pattern_at(self, place: int) -> int:
        """Its stroke, as the curve at that place."""
        return place if self.pattern is None else self.pattern


@dataclass(frozen=True)
class Marker:
    """Something that happened at `x`: a lever moved."""

    x: float
    label: str


@dataclass(frozen=True)
class Options:
    """How a chart is drawn. `x_range` None shows everything; `cursor` is an x.

    `note` stands at the legend's right end: parts with a comma between them, what matters most first.
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
