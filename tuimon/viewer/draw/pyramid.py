"""A growing series reduced to what each screen column needs, processing each point once.

Keeps minimum, maximum, first and last of every 32 points, of every 32 of those, and so on: a frame of a 100 000-point series
reads a few thousand numbers, and appending a point updates only its own block. Extremes are never lost: every block belongs to
one column.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FACTOR = 32
_BLOCKS_PER_COLUMN = 4  # a column's border may be off by one block, at most a quarter of a column

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class Columns(NamedTuple):
    """A series within an x range, by column [count]; NaN where a column has no finite value."""

    low: Floats
    high: Floats
    first: Floats
    last: Floats
    gaps: Bools  # has points, but none is finite
    holes: Bools  # at least one point is not finite
    before: tuple[float, float] | None  # the last point before the range (x in columns, may be negative) and its value
    after: tuple[float, float] | None


class _Blocks(NamedTuple):
    """Parallel arrays with one entry per block (or point). `low` is NaN if the block has no finite value."""

    low: Floats
    high: Floats
    first: Floats
    last: Floats
    holes: Bools

    def cut(self, start: int, end: int) -> _Blocks:
        return self.where(slice(start, end))

    def where(self, chosen: slice | Bools) -> _Blocks:
        low, high, first, last, holes = self
        return _Blocks(low[chosen], high[chosen], first[chosen], last[chosen], holes[chosen])


_Source = Callable[[int, int], _Blocks]


class _Level:
    """One level of the pyramid: reduces `FACTOR` entries of the level below to one; the last block may be incomplete."""

    def __init__(self) -> None:
        self._floats = np.empty((4, 64), np.float32)
        self._holes = np.empty(64, np.bool_)
        self.blocks = self._first(0)
        self._source_length = 0

    def extend(self, source: _Source, length: int) -> None:
        """Processes what is new in the level below, which now has `length` entries."""
        start = self._source_length // FACTOR
        blocks = -(-length // FACTOR)
        self._reserve(blocks)
        fresh = _fold(source(start * FACTOR, length))
        for into, row in zip((*self._floats, self._holes), fresh, strict=True):
            into[start:blocks] = row
        self.blocks = self._first(blocks)
        self._source_length = length

    def _first(self, count: int) -> _Blocks:
        low, high, first, last = self._floats[:, :count]
        return _Blocks(low, high, first, last, self._holes[:count])

    def _reserve(self, blocks: int) -> None:
        if blocks > len(self._holes):
            room = max(blocks, 2 * len(self._holes))
            self._floats = np.concatenate([self._floats, np.empty((4, room - len(self._holes)), np.float32)], axis=1)
            self._holes = np.concatenate([self._holes, np.empty(room - len(self._holes), np.bool_)])


class Pyramid:
    """One growing series that can be drawn at any zoom. Not thread-safe."""

    def __init__(self) -> None:
        self.xs: NDArray[Any] = np.empty(0, np.int64)
        self.values: Floats = np.empty(0, np.float32)
        self._levels: list[_Level] = []

    def __len__(self) -> int:
        return len(self.xs)

    def extend(self, xs: NDArray[Any], values: NDArray[np.float32]) -> None:
        """Takes the series [n] so far, which must begin with the points of earlier calls. `xs` ascends (int64 or float64)."""
        if len(xs) == len(self.xs):
            return
        self.xs, self.values = xs, values
        source, length = self._points, len(values)
        for level in self._levels_for(length):
            level.extend(source, length)
            source, length = level.blocks.cut, len(level.blocks.low)

    def columns(self, low: float, high: float, count: int) -> Columns:
        """The points with low ≤ x ≤ high in `count` columns of equal width. Requires low < high."""
        bounds = self._bounds(low, high, count)
        source, block_bounds = self._level_for(bounds)
        start, end = int(block_bounds[0]), int(block_bounds[-1])
        scale = count / (high - low)
        return _reduce(
            source(start, end),
            block_bounds - start,
            self._neighbour(int(bounds[0]) - 1, low, scale),
            self._neighbour(int(bounds[-1]), low, scale),
        )

    def nearest(self, x: float) -> int | None:
        """The index of the point nearest to `x`; None if there are no points."""
        if not len(self.xs):
            return None
        key = self.xs.dtype.type(math.ceil(x) if self.xs.dtype.kind == "i" else x)
        right = min(int(np.searchsorted(self.xs, key)), len(self.xs) - 1)
        left = max(right - 1, 0)
        return left if x - self.xs[left] <= self.xs[right] - x else right

    def _bounds(self, low: float, high: float, count: int) -> NDArray[np.int64]:
        # A float key would make searchsorted convert the whole integer array first.
        edges = low + np.arange(count + 1) * ((high - low) / count)
        if self.xs.dtype.kind == "i":
            keys = np.ceil(edges).astype(np.int64)
            keys[-1] = math.floor(high) + 1
        else:
            keys, edges[-1] = edges, math.nextafter(high, math.inf)
        bounds: NDArray[np.int64] = np.searchsorted(self.xs, keys)
        return bounds

    def _level_for(self, bounds: NDArray[np.int64]) -> tuple[_Source, NDArray[np.int64]]:
        per_column = int(bounds[-1] - bounds[0]) / (len(bounds) - 1)
        size, depth = 1, 0
        while size * FACTOR * _BLOCKS_PER_COLUMN <= per_column and depth < len(self._levels):
            size, depth = size * FACTOR, depth + 1
        if depth == 0:
            return self._points, bounds
        scaled = (bounds + size // 2) // size
        scaled[0], scaled[-1] = bounds[0] // size, -(-bounds[-1] // size)
        return self._levels[depth - 1].blocks.cut, scaled

    def _neighbour(self, index: int, low: float, scale: float) -> tuple[float, float] | None:
        if not 0 <= index < len(self.xs) or not np.isfinite(self.values[index]):
            return None
        return (float(self.xs[index]) - low) * scale - 0.5, float(self.values[index])

    def _levels_for(self, length: int) -> list[_Level]:
        while length > FACTOR ** (len(self._levels) + 1):
            self._levels.append(_Level())
        return self._levels

    def _points(self, start: int, end: int) -> _Blocks:
        """Points as blocks of one."""
        values = self.values[start:end]
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, np.float32(np.nan))
        return _Blocks(values, values, values, values, ~finite)


def _fold(source: _Blocks) -> _Blocks:
    length = len(source.low)
    blocks = -(-length // FACTOR)

    def shaped(array: Floats) -> Floats:
        padded = np.full(blocks * FACTOR, np.nan, np.float32)
        padded[:length] = array
        return padded.reshape(blocks, FACTOR)

    lows, highs, firsts, lasts = (shaped(array) for array in source[:4])
    finite = np.isfinite(lows)
    rows = np.arange(blocks)
    holes = np.zeros(blocks * FACTOR, np.bool_)
    holes[:length] = source.holes
    return _Blocks(
        np.fmin.reduce(lows, axis=1),
        np.fmax.reduce(highs, axis=1),
        firsts[rows, finite.argmax(axis=1)],
        lasts[rows, FACTOR - 1 - finite[:, ::-1].argmax(axis=1)],
        np.logical_or.reduce(holes.reshape(blocks, FACTOR), axis=1),
    )


def _reduce(
    blocks: _Blocks,
    bounds: NDArray[np.int64],
    before: tuple[float, float] | None,
    after: tuple[float, float] | None,
) -> Columns:
    """Merges blocks: those from `bounds[i]` up to `bounds[i + 1]` form column i."""
    count = len(bounds) - 1
    present = np.diff(bounds) > 0
    holes = np.zeros(count, np.bool_)
    if blocks.holes.any():
        holes[present] = np.logical_or.reduceat(blocks.holes, bounds[:-1][present])
        finite = np.isfinite(blocks.low)
        bounds = np.concatenate([[0], np.cumsum(finite)])[bounds]
        blocks = blocks.where(finite)
    filled = np.diff(bounds) > 0
    starts, ends = bounds[:-1][filled], bounds[1:][filled]
    out = np.full((4, count), np.nan, np.float32)
    if len(starts):
        out[0, filled] = np.minimum.reduceat(blocks.low, starts)
        out[1, filled] = np.maximum.reduceat(blocks.high, starts)
        out[2, filled] = blocks.first[starts]
        out[3, filled] = blocks.last[ends - 1]
    return Columns(out[0], out[1], out[2], out[3], present & ~filled, holes, before, after)
