"""A series in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-~=+*#"


_DECADES = 10.0


def sparkline(values: Sequence[float] | NDArray[np.floating], width: int, ascii: bool = False, log: bool = False) -> str:
    """Draws a series in exactly `width` cells; non-finite values are spaces.

    If there are more values than cells, they are averaged; if fewer, they fill the left, one per cell. A constant series
    is drawn at the bottom. With `log`, positive values that span more than a decade are drawn, and averaged, by their
    logarithms, so that a loss that has already fallen far still shows its trend.
    """
    numbers = np.asarray(values, dtype=float)
    cells = _resample(_logarithms(numbers) if log else numbers, max(width, 0))
    blocks = ASCII_BLOCKS if ascii else BLOCKS
    finite = cells[np.isfinite(cells)]
    if not len(finite):
        return " " * max(width, 0)
    low, span = float(finite.min()), float(finite.max() - finite.min())
    drawn = (_block(float(value), low, span, blocks) for value in cells)
    return "".join(drawn).ljust(max(width, 0))


def _logarithms(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithms of values that span more than a decade, else the values; zeros count as the smallest positive value."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if not len(positive) or finite.min() < 0 or positive.max() <= _DECADES * positive.min():
        return values
    logarithms: NDArray[np.float64] = np.log(np.maximum(values, positive.min()))
    return logarithms


def _block(value: float, low: float, span: float, blocks: str) -> str:
    if not math.isfinite(value):
        return " "
    level = 0.0 if span == 0 else (value - low) / span * len(blocks)
    return blocks[min(int(level), len(blocks) - 1)]


def _resample(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    if len(values) <= width:
        return values
    if width == 0:
        return values[:0]
    starts = np.arange(width) * len(values) // width
    finite = np.isfinite(values)
    counts = np.add.reduceat(finite.astype(float), starts)
    sums = np.add.reduceat(np.where(finite, values, 0.0), starts)
    means = np.full(width, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
