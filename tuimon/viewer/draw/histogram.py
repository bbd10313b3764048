"""Histograms over powers of two: which powers to show, and one as a line of blocks.

Draws the counts of `tuimon.log.histogram`: [..., BINS], with negative powers mirrored to the left of zero. Vanishing values
drift to small powers, exploding ones to large powers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuimon.base import format
from tuimon.log.histogram import BINS, HIGH_EXPONENT, LOW_EXPONENT, ZERO
from tuimon.viewer.draw.sparkline import ASCII_BLOCKS, BLOCKS

Exponents = tuple[int, int]
Floats = NDArray[np.floating[Any]]

_NEGLIGIBLE = 1e-3  # share of the counts at either end that may lie outside the shown range
_SNAP = 4  # the range moves in steps of four, so that small drifts do not shift it


def exponent_range(counts: Floats) -> Exponents:
    """The lowest and highest exponent worth showing for counts [..., BINS], summed over all leading dimensions."""
    total = np.nan_to_num(np.asarray(counts, np.float64)).reshape(-1, BINS).sum(axis=0)
    mass = total[ZERO + 1 :] + total[:ZERO][::-1]
    if mass.sum() <= 0:
        return -20, -1
    share = np.cumsum(mass) / mass.sum()
    low = int(np.searchsorted(share, _NEGLIGIBLE)) + LOW_EXPONENT
    high = int(np.searchsorted(share, 1 - _NEGLIGIBLE)) + LOW_EXPONENT
    return max(low - low % _SNAP, LOW_EXPONENT), min(high - high % _SNAP + _SNAP - 1, HIGH_EXPONENT)


def fold(counts: Floats, columns: int, exponents: Exponents) -> NDArray[np.float64]:
    """Counts [BINS] in `columns` signed columns: negative, zero and tiny in the middle, positive.

    Powers below the range are added to the middle, those above it to the outermost columns. With an even number of columns the
    last one stays empty, so that the middle is one column.
    """
    low, high = exponents
    half = max((columns - 1) // 2, 0)
    exponent = np.arange(LOW_EXPONENT, HIGH_EXPONENT + 1)
    place = np.clip((exponent - low) * half // (high - low + 1), 0, max(half - 1, 0)) + 1
    place = np.where((exponent < low) | (half == 0), 0, place)
    target = half + np.concatenate([-place[::-1], [0], place])
    folded = np.zeros(max(columns, 1))
    np.add.at(folded, target, np.nan_to_num(np.asarray(counts, np.float64)))
    return folded[: max(columns, 0)]


def histogram_line(counts: Floats | None, width: int, exponents: Exponents, ascii: bool = False) -> str:
    """One layer's histogram in `width` cells, over a range shared by all layers. Any nonzero count is visible."""
    if counts is None:
        return format.missing(ascii).ljust(width)[: max(width, 0)]
    folded = fold(counts, width, exponents)
    blocks = ASCII_BLOCKS if ascii else BLOCKS
    peak = folded.max(initial=0.0)
    if peak <= 0:
        return " " * max(width, 0)
    levels = np.ceil(folded / peak * len(blocks)).astype(int)
    return "".join(" " if level == 0 else blocks[level - 1] for level in levels)
