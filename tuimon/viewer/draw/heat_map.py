"""Histograms side by side as shades: over time, or over the layers of a model. Each row is a power of two, the largest on top.

A cell's shade is its share of its histogram, relative to the largest share of all. Vanishing values drift down, over time or
from layer to layer; exploding ones up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.base import format
from tuimon.log.histogram import BINS, HIGH_EXPONENT, LOW_EXPONENT
from tuimon.viewer.draw.curve import Options, Range
from tuimon.viewer.draw.histogram import Floats, exponent_range
from tuimon.viewer.draw.rows import Row, Span, blank, fit, runs, shorten
from tuimon.viewer.draw.x_axis import cell_of, x_axis

_SHADES = " ░░▒▒▓▓██"
_ASCII_SHADES = " .:-=+*#@"
_HEATS = 8
_GUTTER, _SIGNED_GUTTER = 6, 7  # cells for `2^-12 ` and `-2^-12 `
_MIN_WIDTH_FOR_LABELS = 16
_MIN_HEIGHT_FOR_LABELS, _MIN_HEIGHT_FOR_AXIS = 3, 8
_LEAST_NAME = 3  # cells that a layer's name needs to say anything
_TONES = 16


class HeatMap(NamedTuple):
    """A drawn heat map: rows of the full width, and the share of a histogram that the darkest shade stands for (0: empty)."""

    rows: list[Row]
    darkest: float = 0.0


def over_time(
    counts: Floats,
    xs: NDArray[Any],
    options: Options,
    width: int,
    height: int,
    *,
    ascii: bool = False,
    signed: bool = False,
) -> HeatMap:
    """Samples over time, on the x axis that a chart has: one stands until the next, and those in one cell are summed.

    Args:
        counts: [n, BINS], in the order of `xs`.
        xs: where each sample lies, never decreasing; [n].
        options: the axis, its range (None: from the first sample to the last) and the cursor.
        width: cells of a row.
        height: number of rows.
        ascii: use ASCII characters only.
        signed: show negative values below zero instead of adding them to the positive ones.
    """
    gutter = _gutter(width, signed)
    cells = width - gutter
    if not len(counts) or cells < 1 or height < 1:
        return _nothing("no samples yet", width, height)
    x_range = options.x_range or _whole(xs)
    found, columns = _at_cells(counts, xs, x_range, cells)
    if not len(columns):
        return _nothing("no samples in this range", width, height)
    labels: list[Row] = []
    if height >= _MIN_HEIGHT_FOR_LABELS:
        labels = x_axis(x_range, options, gutter, width, ascii=ascii)[0 if height >= _MIN_HEIGHT_FOR_AXIS else 1 :]
    cursor = cell_of(options.cursor, x_range, cells)
    return _drawn(columns, found, labels, (width, height, gutter), ascii=ascii, signed=signed, cursor=cursor)


def over_layers(
    counts: Floats, names: Sequence[str], width: int, height: int, *, ascii: bool = False, signed: bool = False
) -> HeatMap:
    """The latest sample of each layer, from the input on the left to the output on the right.

    Args:
        counts: [layers, BINS].
        names: of the layers.
        width: cells of a row.
        height: number of rows.
        ascii: use ASCII characters only.
        signed: show negative values below zero instead of adding them to the positive ones.
    """
    gutter = _gutter(width, signed)
    cells = width - gutter
    if not len(counts) or cells < 1 or height < 1:
        return _nothing("no samples yet", width, height)
    edges = np.arange(len(names) + 1) * cells // len(names)  # the map spans its panel
    found = np.repeat(np.arange(len(names)), np.diff(edges)) if len(names) <= cells else np.arange(cells) * len(names) // cells
    if cells // len(names) > _LEAST_NAME:
        found[edges[1:] - 1] = -1  # a gap between layers
    labels = [_names_row(names, edges, gutter, width, ascii)] if height >= _MIN_HEIGHT_FOR_LABELS else []
    return _drawn(np.asarray(counts, np.float64), found, labels, (width, height, gutter), ascii=ascii, signed=signed)


def key(darkest: float, ascii: bool = False) -> str:
    """What the shades stand for: `share: ░ 2 % ▒ 8 % ▓ 19 % █ 34 %`; empty for an empty map."""
    shades = _ASCII_SHADES if ascii else _SHADES
    levels = (2, 4, 6, 8)
    shown = (f"{shades[level]} {format.percent(darkest * (level / _HEATS) ** 2)}" for level in levels)
    return f"share: {'  '.join(shown)}" if darkest > 0 else ""


def _gutter(width: int, signed: bool) -> int:
    return (_SIGNED_GUTTER if signed else _GUTTER) if width >= _MIN_WIDTH_FOR_LABELS else 0


def _whole(xs: NDArray[Any]) -> Range:
    low, high = float(xs[0]), float(xs[-1])
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _at_cells(counts: Floats, xs: NDArray[Any], x_range: Range, cells: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each cell, which of the columns [k, BINS] it shows; -1 before the first sample and after the last."""
    low, high = x_range
    edges = low + np.arange(cells + 1) * (high - low) / cells
    starts = np.searchsorted(xs, edges, side="left")
    starts[-1] = np.searchsorted(xs, high, side="right")
    first, last = int(starts[0]), int(starts[-1])
    held = first > 0  # the sample before the range stands until the next
    if last - first + held <= 0:
        return np.full(cells, -1), np.zeros((0, BINS))
    begins = np.flatnonzero(np.diff(starts))  # cells in which samples lie
    columns = np.add.reduceat(counts[first:last], starts[begins] - first, axis=0, dtype=np.float64) if len(begins) else None
    found = np.cumsum(np.diff(starts) > 0) - 1 + held
    if last == len(counts):
        found[(begins[-1] if len(begins) else -1) + 1 :] = -1  # nothing is known after the last sample
    before = np.asarray(counts[first - 1 : first], np.float64) if held else np.zeros((0, BINS))
    return found, before if columns is None else np.concatenate([before, columns])


def _drawn(
    columns: Floats,
    found: NDArray[np.int64],
    labels: list[Row],
    size: tuple[int, int, int],
    *,
    ascii: bool,
    signed: bool,
    cursor: int | None = None,
) -> HeatMap:
    """The columns [k, BINS] that the cells show, over rows of labels. `size`: width, height, gutter."""
    width, height, gutter = size
    names, table = _by_row(np.nan_to_num(columns), height - len(labels), signed)
    share = table / np.maximum(table.sum(axis=0), 1e-30)
    darkest = math.ceil(share.max() * _TONES) / _TONES  # in steps, so that one sample does not change all shades
    levels = np.ceil(np.sqrt(share / max(darkest, 1e-30)) * _HEATS).astype(int)
    levels = np.hstack([levels, np.zeros((len(levels), 1), int)])[:, found]  # column -1 is empty
    body = [_heat_row(names[r] if gutter else "", levels[r], gutter, width, ascii, cursor) for r in range(len(names))]
    body += blank(width, height - len(labels) - len(body))
    return HeatMap([*body, *labels], darkest)


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


def _heat_row(label: str, levels: NDArray[np.int64], gutter: int, width: int, ascii: bool, cursor: int | None) -> Row:
    shades = _ASCII_SHADES if ascii else _SHADES
    texts = [shades[level] for level in levels]
    styles = [f"heat-{level}" for level in levels]
    if cursor is not None:
        texts[cursor], styles[cursor] = ("|" if ascii else "│"), "cursor"
    head = [Span(f"{label:>{gutter - 1}} ", "axis")] if gutter else []
    return fit([*head, *runs("".join(texts), styles)], width)


def _names_row(names: Sequence[str], edges: NDArray[np.int64], gutter: int, width: int, ascii: bool) -> Row:
    """Each layer's name below its column, or only the first and the last where there is no room."""
    cells = width - gutter
    if cells // len(names) > _LEAST_NAME:
        widths = np.diff(edges).tolist()
        text = "".join(shorten(name, room - 1, ascii).ljust(room) for name, room in zip(names, widths, strict=True))
    else:
        first, last = shorten(names[0], cells // 2, ascii), shorten(names[-1], max(cells // 2 - 1, 0), ascii)
        text = first if len(names) == 1 else first.ljust(cells - len(last)) + last
    return fit([Span(" " * gutter), Span(text, "axis")], width)


def _nothing(text: str, width: int, height: int) -> HeatMap:
    rows = blank(width, height)
    if rows:
        rows[(height - 1) // 2] = fit([Span(" " * max((width - len(text)) // 2, 0)), Span(text, "dim")], width)
    return HeatMap(rows)
