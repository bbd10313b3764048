"""Histograms over powers of two: one line of blocks, or a heat map over time.

Draws the counts of `tuimon.log.histogram`: [..., BINS], with negative powers mirrored to the left of zero. Vanishing values
drift to small powers, exploding ones to large powers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuimon.base import format
from tuimon.log.histogram import BINS, HIGH_EXPONENT, LOW_EXPONENT, ZERO
from tuimon.viewer.draw.rows import Row, Span, blank, fit, runs
from tuimon.viewer.draw.sparkline import ASCII_BLOCKS, BLOCKS

Exponents = tuple[int, int]
Floats = NDArray[np.floating[Any]]

_SHADES = " ░░▒▒▓▓██"
_ASCII_SHADES = " .:-=+*#@"
_HEATS = 8
_NEGLIGIBLE = 1e-3  # share of the counts at either end that may lie outside the shown range
_GUTTER, _SIGNED_GUTTER = 6, 7  # cells for `2^-12 ` and `-2^-12 `
_TONES = 16
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


class SampleColumns:
    """Samples over time, reduced to few enough columns by summing neighbours in groups of 2, 4, 8 and so on.

    Columns stay in place as samples arrive, and each sample is processed once.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.group = 1  # samples per column
        self._samples = 0
        self._sums = np.zeros((0, BINS))

    def of(self, counts: Floats, most: int) -> NDArray[np.float64]:
        """The columns [k, BINS], k ≤ `most`, of `counts` [n, BINS], which must begin with the counts of earlier calls."""
        most = max(most, 1)
        wider = self.group > 1 and 2 * len(self._sums) <= most
        if len(counts) < self._samples or wider:
            self._begin()
        while self.group * most < len(counts):
            self._double()
        self._add(np.nan_to_num(np.asarray(counts[self._samples :], np.float64)))
        return self._sums

    def _double(self) -> None:
        self.group *= 2
        if len(self._sums):
            self._sums = np.add.reduceat(self._sums, np.arange(0, len(self._sums), 2), axis=0)

    def _add(self, fresh: NDArray[np.float64]) -> None:
        if not len(fresh):
            return
        target = np.arange(self._samples, self._samples + len(fresh)) // self.group
        self._samples += len(fresh)
        grown = np.zeros((int(target[-1]) + 1, BINS))
        grown[: len(self._sums)] = self._sums
        starts = np.flatnonzero(np.diff(target, prepend=-1))
        grown[target[starts]] += np.add.reduceat(fresh, starts, axis=0)
        self._sums = grown


def heat_map(
    counts: Floats,
    steps: Sequence[int] | NDArray[np.int64],
    width: int,
    height: int,
    ascii: bool = False,
    signed: bool = False,
    kept: SampleColumns | None = None,
) -> list[Row]:
    """Histograms over time: each column is a sample (or several, summed), each row a power of two, the largest on top.

    Args:
        counts: [n, BINS], in time order.
        steps: [n].
        width: cells per row, including the labels.
        height: rows, including the steps at the bottom.
        ascii: use ASCII characters only.
        signed: show negative values below zero instead of adding them to the positive ones.
        kept: the columns of the previous frame, which make the next one cheap.

    Returns:
        `height` rows of `width` cells. A cell's shade is its share of its column, relative to the largest share of all.
    """
    if not len(counts) or width < 1 or height < 1:
        return _nothing("no samples yet", width, height)
    kept = kept or SampleColumns()
    gutter = (_SIGNED_GUTTER if signed else _GUTTER) if width >= 16 else 0
    columns = kept.of(counts, width - gutter)
    labels, table = _by_row(columns, height - 1 if height >= 3 else height, signed)
    share = table / np.maximum(table.sum(axis=0), 1e-30)
    darkest = math.ceil(share.max() * _TONES) / _TONES  # in steps, so that one sample does not change all shades
    each = max((width - gutter) // max(len(columns), 1), 1)  # few samples are wider, so that the map spans its panel
    levels = np.repeat(np.ceil(np.sqrt(share / max(darkest, 1e-30)) * _HEATS).astype(int), each, axis=1)
    body = [_heat_row(labels[r] if gutter else "", levels[r], gutter, width, ascii) for r in range(len(labels))]
    if len(body) < height:
        body.append(_step_row(steps, kept.group, gutter, each * len(columns), width))
    return body + blank(width, height - len(body))


def _nothing(text: str, width: int, height: int) -> list[Row]:
    rows = blank(width, height)
    if rows:
        rows[(height - 1) // 2] = fit([Span(" " * max((width - len(text)) // 2, 0)), Span(text, "dim")], width)
    return rows


def _by_row(counts: Floats, rows: int, signed: bool) -> tuple[list[str], NDArray[np.float64]]:
    """Labels, topmost first, and the counts [rows, n] summed into each row."""
    low, high = exponent_range(counts)
    sides = 2 if signed and rows >= 5 else 1
    per_side = max((rows - 1) // sides, 1)
    every = max(1, math.ceil((high - low + 1) / per_side))
    bands = math.ceil((high - low + 1) / every)
    exponent = np.arange(LOW_EXPONENT, HIGH_EXPONENT + 1)
    band = np.where(exponent < low, bands, bands - 1 - np.clip((exponent - low) // every, 0, bands - 1))
    names = [f"2^{low + every * k}" for k in range(bands)]
    if sides == 2:
        target = np.concatenate([(2 * bands - band)[::-1], [bands], band])
        labels = [*names[::-1], "0", *(f"-{name}" for name in names)]
    else:
        target = np.concatenate([band[::-1], [bands], band])
        labels = [*names[::-1], "0"]
    labels = labels[: max(rows, 1)]
    summing = np.zeros((len(labels), BINS))
    summing[np.minimum(target, len(labels) - 1), np.arange(BINS)] = 1
    return labels, summing @ counts.T


def _heat_row(label: str, levels: NDArray[np.int64], gutter: int, width: int, ascii: bool) -> Row:
    shades = _ASCII_SHADES if ascii else _SHADES
    cells = runs("".join(shades[level] for level in levels), [f"heat-{level}" for level in levels])
    head = [Span(f"{label:>{gutter - 1}} ", "axis")] if gutter else []
    return fit([*head, *cells], width)


def _step_row(steps: Sequence[int] | NDArray[np.int64], group: int, gutter: int, columns: int, width: int) -> Row:
    first, last = format.count(int(steps[0])), format.count(int(steps[-1]))
    each = f" (a column: {group} samples)" if group > 1 else ""
    text = f"step {first}"
    end = gutter + columns
    if len(steps) > 1 and end >= gutter + len(text) + 1 + len(last):
        text = text.ljust(end - gutter - len(last)) + last
    if len(text) + len(each) <= width - gutter and each:
        text += each
    return fit([Span(" " * gutter), Span(text, "axis")], width)
