"""Histograms and moments of many segments of one flat array, in a number of operations that does not grow with them.

A histogram over powers of two needs no comparisons: the bin is in the exponent bits of a float32. On the CPU numpy counts, in
segments that `reduceat` knows; on another device torch does, and nothing waits for it. Both give the same numbers: counts,
ranges and zeros exactly, sums to rounding. Nothing here changes a tensor or draws a random number.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuimon.log import histogram
from tuimon.log.histogram import BINS, HIGH_EXPONENT, LOW_EXPONENT, Histogram

NANS, LOW, HIGH, SUM, SQUARES, COUNTS = 0, 1, 2, 3, 4, 5  # columns of a tally; from `COUNTS` on, the bins
COLUMNS = COUNTS + BINS

_PATTERNS = 512  # of the sign bit and the eight exponent bits of a float32
_NEGATIVE = 256  # the sign bit's place in a pattern
_NOT_FINITE = [_NEGATIVE - 1, _PATTERNS - 1]
_BIAS = 127

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]
Lengths = NDArray[np.int64]


class Tally(NamedTuple):
    """What was counted.

    Attributes:
        table: [segments, COLUMNS] float64: NaN counted; least, greatest, sum and sum of squares of the others; counts by bin.
        zero: [rows] bool: every value of the row is exactly zero. None where rows were not asked for.
    """

    table: Tensor
    zero: Tensor | None


def tally(flat: Tensor, segments: Lengths, rows: Lengths | None = None) -> Tally:
    """Counts the values of each segment of a flat tensor.

    Args:
        flat: [n] float32, contiguous, without gradient.
        segments: lengths of the segments, none of them 0; they add up to n.
        rows: lengths of rows, which lie within segments, none of them 0; they add up to n. The segments when left out.

    Returns:
        The tally, on the device of `flat`.
    """
    if flat.device.type == "cpu":
        table, zero = tally_on_host(flat.numpy(), segments, rows)
        return Tally(torch.from_numpy(table), None if zero is None else torch.from_numpy(zero))
    return on_device(flat, segments, rows)


def on_device(flat: Tensor, segments: Lengths, rows: Lengths | None = None) -> Tally:
    """The same by torch alone, on any device: no value decides what is done, so the device need not be waited for."""
    nan = flat.isnan()
    clean = flat.masked_fill(nan, 0.0)
    lengths = _lengths(segments, flat.device)
    row_lengths = lengths if rows is None else _lengths(rows, flat.device)
    lows = _reduce(flat.masked_fill(nan, math.inf), "min", row_lengths)
    highs = _reduce(flat.masked_fill(nan, -math.inf), "max", row_lengths)
    zero = None if rows is None else (lows == 0) & (highs == 0) & (_reduce(nan.float(), "max", row_lengths) == 0)
    if rows is not None:
        within = _lengths(_rows_of(segments, rows), flat.device)
        lows, highs = _reduce(lows, "min", within), _reduce(highs, "max", within)
    wide = clean.double() if flat.device.type != "mps" else clean
    nans = _reduce(nan.to(wide.dtype), "sum", lengths)
    moments = [nans, lows, highs, _reduce(wide, "sum", lengths), _reduce(wide.square(), "sum", lengths)]
    bins = _bin_of_pattern(flat.device)[(clean.view(torch.int32) >> 23) & (_PATTERNS - 1)]
    owner = torch.repeat_interleave(torch.arange(len(segments), device=flat.device), lengths, output_size=len(flat))
    counts = count_cells(bins + owner * BINS, len(segments) * BINS).view(len(segments), BINS).to(wide.dtype)
    counts[:, histogram.ZERO] -= nans
    return Tally(torch.cat([torch.stack([m.to(wide.dtype) for m in moments], 1), counts], 1), zero)


def squares(flat: Tensor, segments: Lengths) -> Tensor:
    """The sum of squares of each segment of a flat float32 tensor, [segments] float64 on its device; arguments as `tally`'s."""
    if flat.device.type == "cpu":
        return torch.from_numpy(squares_on_host(flat.numpy(), segments))
    wide = flat.double() if flat.device.type != "mps" else flat
    return _reduce(wide.square(), "sum", _lengths(segments, flat.device))


@np.errstate(all="ignore")
def squares_on_host(flat: NDArray[np.float32], segments: Lengths) -> Doubles:
    """The same, of an array."""
    squared = flat.astype(np.float64)
    np.multiply(squared, squared, out=squared)
    return np.add.reduceat(squared, _starts(segments))


def zero_rows(flat: Tensor, rows: Lengths) -> Tensor:
    """[rows] bool: whether every value of a row is exactly zero, as `tally` tells it."""
    if flat.device.type == "cpu":
        return torch.from_numpy(zero_rows_on_host(flat.numpy(), rows))
    return zero_rows_on_device(flat, rows)


def zero_rows_on_device(flat: Tensor, rows: Lengths) -> Tensor:
    """The same by torch alone, on any device."""
    return _reduce((flat != 0).float(), "max", _lengths(rows, flat.device)) == 0


def zero_rows_on_host(x: NDArray[np.float32], rows: Lengths) -> Flags:
    """The same, of an array."""
    starts = _starts(rows)
    zero: Flags = (np.minimum.reduceat(x, starts) == 0) & (np.maximum.reduceat(x, starts) == 0)
    return zero


def merge(tables: Doubles, owners: NDArray[np.int64], count: int) -> Doubles:
    """The tallies of `count` owners, from those of their parts.

    Args:
        tables: [parts, COLUMNS] or fewer columns.
        owners: [parts] whose part each is.
        count: how many owners there are; one without a part has seen nothing.
    """
    whole = np.zeros((count, tables.shape[1]))
    whole[:, LOW], whole[:, HIGH] = math.inf, -math.inf
    order = np.argsort(owners, kind="stable")
    there, starts = np.unique(owners[order], return_index=True)
    if len(there) == len(order):
        whole[there] = tables[order]
    elif len(there):
        ordered = tables[order]
        whole[there] = np.add.reduceat(ordered, starts, axis=0)
        whole[there, LOW] = np.minimum.reduceat(ordered[:, LOW], starts)
        whole[there, HIGH] = np.maximum.reduceat(ordered[:, HIGH], starts)
    return whole


def scaled(tables: Doubles, factors: Doubles) -> Doubles:
    """The tallies of what is `factors` times as much, by those of a subset of it: extremes stay."""
    grown = tables * factors[:, None]
    grown[:, [LOW, HIGH]] = tables[:, [LOW, HIGH]]
    return grown


def to_histogram(row: Doubles) -> Histogram:
    """One segment's tally as a histogram of the log."""
    counts = row[COUNTS:]
    if not counts.any():
        return Histogram(counts.tolist(), math.nan, math.nan, 0.0, 0.0)
    return Histogram(counts.tolist(), float(row[LOW]), float(row[HIGH]), float(row[SUM]), float(row[SQUARES]))


@np.errstate(all="ignore")  # infinities of both signs have no sum: NaN
def tally_on_host(x: NDArray[np.float32], segments: Lengths, rows: Lengths | None = None) -> tuple[Doubles, Flags | None]:
    """The same of an array, by numpy alone: `table` and `zero` as a `Tally` has them."""
    starts = _starts(segments)
    patterns = x.view(np.uint16)[1::2] >> 7 if np.little_endian else (x.view(np.uint32) >> 23).astype(np.uint16)
    cells = np.repeat(np.arange(len(segments), dtype=np.int64) * _PATTERNS, segments)
    cells += patterns
    counted = np.bincount(cells, minlength=len(segments) * _PATTERNS).reshape(len(segments), _PATTERNS)
    table = np.empty((len(segments), COLUMNS))
    clean, lowest, highest, table[:, NANS] = x, x, x, 0.0
    if counted[:, _NOT_FINITE].any():
        nan = np.isnan(x)
        table[:, NANS] = np.add.reduceat(nan, starts, dtype=np.float64)
        clean, lowest, highest = (np.where(nan, np.float32(other), x) for other in (0.0, math.inf, -math.inf))
        counted -= np.bincount(cells[nan], minlength=counted.size).reshape(counted.shape)
    zero = None
    row_starts = starts if rows is None else _starts(rows)
    lows, highs = np.minimum.reduceat(lowest, row_starts), np.maximum.reduceat(highest, row_starts)
    if rows is not None:
        zero = (lows == 0) & (highs == 0)
        if clean is not x:
            zero &= ~np.logical_or.reduceat(nan, row_starts)
        first_rows = _starts(_rows_of(segments, rows))
        lows, highs = np.minimum.reduceat(lows, first_rows), np.maximum.reduceat(highs, first_rows)
    wide = clean.astype(np.float64)
    table[:, LOW], table[:, HIGH], table[:, SUM] = lows, highs, np.add.reduceat(wide, starts)
    np.multiply(wide, wide, out=wide)
    table[:, SQUARES] = np.add.reduceat(wide, starts)
    table[:, COUNTS:] = np.add.reduceat(counted[:, _BY_BIN], _BIN_STARTS, axis=1)
    return table, zero


def _starts(lengths: Lengths) -> Lengths:
    ends = np.cumsum(lengths)
    return np.concatenate([[0], ends[:-1]])


def _rows_of(segments: Lengths, rows: Lengths) -> Lengths:
    """How many rows lie in each segment."""
    return np.diff(np.searchsorted(np.cumsum(rows), np.cumsum(segments)), prepend=-1)


def _bins() -> NDArray[np.int64]:
    """[patterns] the bin that the values of each pattern belong to."""
    exponents = np.arange(_NEGATIVE) - _BIAS
    sizes = np.where(exponents < LOW_EXPONENT, 0, np.minimum(exponents, HIGH_EXPONENT) - LOW_EXPONENT + 1)
    return np.concatenate([histogram.ZERO + sizes, histogram.ZERO - sizes])


_BIN_OF_PATTERN = _bins()
_BY_BIN = np.argsort(_BIN_OF_PATTERN, kind="stable")  # patterns in the order of their bins
_BIN_STARTS = np.searchsorted(_BIN_OF_PATTERN[_BY_BIN], np.arange(BINS))
_on_devices: dict[Any, Tensor] = {}


def _bin_of_pattern(device: torch.device) -> Tensor:
    """The table on a device, copied there once."""
    if device not in _on_devices:
        _on_devices[device] = torch.from_numpy(_BIN_OF_PATTERN).to(device)
    return _on_devices[device]


def _lengths(lengths: Lengths, device: torch.device) -> Tensor:
    found = torch.from_numpy(lengths)
    return found.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else found.to(device)


def _reduce(values: Tensor, how: str, lengths: Tensor) -> Tensor:
    reduced: Tensor = torch.segment_reduce(values, how, lengths=lengths, unsafe=True)  # what it would check, it would wait for
    return reduced


def count_cells(cells: Tensor, size: int) -> Tensor:
    """How often each of `size` cells occurs, [size]; exact, as no more than 2²⁴ values are counted at once."""
    if not cells.is_cuda:
        return torch.bincount(cells, minlength=size)
    with _counting_allowed():  # bincount would wait for the device to learn how many cells there are
        return torch.histc(cells.float(), size, 0, size)


@contextlib.contextmanager
def _counting_allowed() -> Iterator[None]:
    """Counting ones is exact in any order, whatever PyTorch's list of deterministic operations says."""
    if not torch.are_deterministic_algorithms_enabled():
        yield
        return
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True, warn_only=warn_only)
