"""Histograms over fixed signed power-of-two bins.

Every histogram has the same bins, so two steps, two layers or two runs can be compared and added bin by bin, and vanishing or
exploding values show as a drift along the axis. Bin `ZERO` holds |x| < 2^LOW_EXPONENT; above it lie the positive powers of
two, below it, mirrored, the negative ones. Standard library only: the training process writes them, viewers read them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LOW_EXPONENT = -40
HIGH_EXPONENT = 15
PER_SIDE = HIGH_EXPONENT - LOW_EXPONENT + 1
BINS = 2 * PER_SIDE + 1
ZERO = PER_SIDE


class Histogram(NamedTuple):
    """Counts in `BINS` bins, and the moments of the counted values (without NaN)."""

    counts: Sequence[float]
    min: float
    max: float
    sum: float
    sum_squares: float


def bin_of(x: float) -> int:
    """The bin of a number. Infinities go into the outermost bins; NaN raises ValueError."""
    if math.isnan(x):
        raise ValueError("NaN belongs to no bin")
    if abs(x) < 2.0**LOW_EXPONENT:
        return ZERO
    exponent = HIGH_EXPONENT if math.isinf(x) else min(math.frexp(x)[1] - 1, HIGH_EXPONENT)
    return ZERO + (exponent - LOW_EXPONENT + 1) * (1 if x > 0 else -1)


def edges() -> list[float]:
    """The upper edge of each bin, ascending, length `BINS`; the outermost bins also hold everything beyond them."""
    powers = [2.0**e for e in range(LOW_EXPONENT, HIGH_EXPONENT + 2)]
    return [-p for p in reversed(powers[:-1])] + powers


def of(values: Sequence[float]) -> Histogram:
    """The histogram of plain numbers: the slow, obvious version."""
    kept = [float(v) for v in values if not math.isnan(v)]
    counts = [0.0] * BINS
    for value in kept:
        counts[bin_of(value)] += 1
    return Histogram(
        counts, min(kept, default=math.nan), max(kept, default=math.nan), math.fsum(kept), math.fsum(v * v for v in kept)
    )
