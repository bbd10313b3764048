"""Histograms over powers of two: one line of blocks, or a heat map through time.

They draw the counts of `tuimon.log.histogram`: [.., BINS], the negative powers mirrored to the left of zero. What drifts to the
small powers vanishes, what drifts to the large ones explodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuimon import format
from tuimon.log.histogram import BINS, HIGH_EXPONENT, LOW_EXPONENT, ZERO
from tuimon.viewer.draw.rows import Row, Span, blank, fit, runs
from tuimon.viewer.draw.sparkline import ASCII_BLOCKS, BLOCKS

Exponents = tuple[int, int]
Floats = NDArray[np.floating[Any]]

_SHADES = " ░░▒▒▓▓██"
_ASCII_SHADES = " .:-=+*#@"
_HEATS = 8
_NEGLIGIBLE = 1e-3  # share of the mass at either end that may lie beyond the range shown
_SNAP = 4  # the range moves in fours, so that it stands still while values drift a little


def exponent_range(counts: Floats) -> Exponents:
    """The powers of two worth showing for these counts ([.., BINS], summed over the rest): lowest and highest exponent."""
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

    Powers below the range join the middle, those above it the outermost columns. An even number of columns leaves the
    last one empty, so that the middle is one column.
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
    """One layer's histogram in `width` cells over a range common to all layers; what occurs at all shows."""
    if counts is None:
        return format.missing(ascii).ljust(width)[: max(width, 0)]
    folded = fold(counts, width, exponents)
    blocks = ASCII_BLOCKS if ascii else BLOCKS
    peak = folded.max(initial=0.0)
    if peak <= 0:
        return " " * max(width, 0)
    levels = np.ceil(folded / peak * len(blocks)).astype(int)
    return "".join(" " if level == 0 else blocks[level - 1] for level in levels)


def heat_map(
    counts: Floats,
    steps: Sequence[int] | NDArray[np.int64],
    width: int,
    height: int,
    ascii: bool = False,
    signed: bool = False,
) -> list[Row]:
    """Histograms through time: a column is a sample (or several, summed), a row a power of two, the largest on top.

    Args:
        counts: [n, BINS], in the order of time.
        steps: [n].
        width: cells of a row, with the labels.
        height: rows, with the steps underneath.
        ascii: no character beyond ASCII.
        signed: negative values below zero instead of together with the positive ones.

    Returns:
        `height` rows of `width` cells; a cell's shade is its share of the column, darkest the largest share of all.
    """
    if not len(counts) or width < 1 or height < 1:
        return _nothing("no samples yet", width, height)
    rows = height - 1 if height >= 3 else height
    labels, table = _by_row(counts, rows, signed)
    gutter = max(len(label) for label in labels) + 1 if width >= 16 else 0
    grouped, group = _grouped(table, width - gutter)
    share = grouped / np.maximum(grouped.sum(axis=0), 1e-30)
    levels = np.ceil(np.sqrt(share / max(share.max(), 1e-30)) * _HEATS).astype(int)
    body = [_heat_row(labels[r] if gutter else "", levels[r], gutter, width, ascii) for r in range(len(labels))]
    if rows < height:
        body.append(_step_row(steps, group, gutter, grouped.shape[1], width))
    return body + blank(width, height - len(body))


def _nothing(text: str, width: int, height: int) -> list[Row]:
    rows = blank(width, height)
    if rows:
        rows[(height - 1) // 2] = fit([Span(" " * max((width - len(text)) // 2, 0)), Span(text, "dim")], width)
    return rows


def _by_row(counts: Floats, rows: int, signed: bool) -> tuple[list[str], NDArray[np.float64]]:
    """Labels, topmost first, and the counts [rows, n] that each row sums."""
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
    return labels, summing @ np.nan_to_num(np.asarray(counts, np.float64)).T


def _grouped(table: NDArray[np.float64], width: int) -> tuple[NDArray[np.float64], int]:
    """Neighbouring samples summed in twos, fours, … until they fit: columns stand still as samples arrive."""
    group = 1
    while table.shape[1] > group * max(width, 1):
        group *= 2
    return np.add.reduceat(table, np.arange(0, table.shape[1], group), axis=1), group


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
