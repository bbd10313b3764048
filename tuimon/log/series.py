"""What a store keeps of one tag: arrays that grow at their end, and that a restart shortens.

Not thread-safe. Knows nothing of files or records' bytes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tuimon.log.batch import HistogramRecord, Points
from tuimon.log.histogram import BINS

_GROWTH = 1.2  # a point takes 20 bytes; this keeps a growing series within 24


Kept = npt.NDArray[np.bool_] | None


def in_force(steps: npt.NDArray[np.int64]) -> Kept:
    """Which points of one tag are left once all of them were logged, as a mask [n]; None if all are.

    A step that does not go forward starts over: it replaces everything from that step on. TensorBoard's page shows a
    restarted training like this, per tag. So a point is left exactly when every later one has a larger step.
    """
    if len(steps) < 2 or (steps[1:] > steps[:-1]).all():
        return None
    smallest_from_here = np.minimum.accumulate(steps[::-1])[::-1]
    return np.append(steps[:-1] < smallest_from_here[1:], True)


class _Column:
    """An array that grows at its end."""

    def __init__(self, shape: tuple[int, ...], kind: npt.DTypeLike) -> None:
        self._data = np.empty((0, *shape), kind)
        self.length = 0

    def extend(self, rows: npt.NDArray[Any]) -> None:
        needed = self.length + len(rows)
        if needed > len(self._data):
            grown = np.empty((max(needed, int(len(self._data) * _GROWTH)), *self._data.shape[1:]), self._data.dtype)
            grown[: self.length] = self._data[: self.length]
            self._data = grown
        self._data[self.length : needed] = rows
        self.length = needed

    def view(self) -> npt.NDArray[Any]:
        view = self._data[: self.length]
        view.flags.writeable = False
        return view


class _Table:
    """Columns of one length, the first two being the step and the wall time.

    Attributes:
        version: changes with the content.
        rewrites: how often points were taken back; while it stays the same, the table has only grown.
    """

    def __init__(self, *columns: _Column) -> None:
        self._columns = (_Column((), np.int64), _Column((), np.float64), *columns)
        self.version = self.rewrites = 0

    def __len__(self) -> int:
        return self._columns[0].length

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Steps, int64 [n], ascending; those of the meters may repeat themselves."""
        return self._columns[0].view()

    @property
    def walls(self) -> npt.NDArray[np.float64]:
        """Wall times in seconds since the epoch, float64 [n]."""
        return self._columns[1].view()

    def _extend(self, *rows: npt.NDArray[Any], replaces: bool = True) -> None:
        first = rows[0][0]
        if replaces and len(self) and first <= self.steps[-1]:
            self._shorten(int(np.searchsorted(self.steps, first, side="left")))
        for column, new in zip(self._columns, rows, strict=True):
            column.extend(new)
        self.version += 1

    def cut(self, step: int) -> None:
        """Forgets what came after `step`: a resumed run goes on from there."""
        self._shorten(int(np.searchsorted(self.steps, step, side="right")))
        self.version += 1

    def _shorten(self, length: int) -> None:
        if length < len(self):
            self.rewrites += 1
        for column in self._columns:
            column.length = length


class Series(_Table):
    """The scalars of one tag. `version` changes with the content."""

    def __init__(self) -> None:
        super().__init__(_Column((), np.float32))

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Values, float32 [n]; NaN and infinities as they were logged."""
        return self._columns[2].view()

    @property
    def last(self) -> float:
        """The latest value; NaN when there is none."""
        return float(self.values[-1]) if len(self) else math.nan

    def extend(self, points: Points, kept: Kept = None, replaces: bool = True) -> None:
        """Appends points.

        Args:
            points: in the order of the log.
            kept: which of them to append, as `in_force` tells; None for all.
            replaces: whether they replace what is known at and after the first of their steps.
        """
        rows: tuple[npt.NDArray[Any], ...] = points if kept is None else tuple(column[kept] for column in points)
        self._extend(*rows, replaces=replaces)


class HistogramSeries(_Table):
    """The histograms of one tag through time."""

    def __init__(self) -> None:
        super().__init__(_Column((BINS,), np.float32), _Column((2,), np.float64))

    @property
    def counts(self) -> npt.NDArray[np.float32]:
        """Counts in each bin, float32 [n, BINS]."""
        return self._columns[2].view()

    @property
    def mins(self) -> npt.NDArray[np.float64]:
        """Smallest values, float64 [n]."""
        return self._columns[3].view()[:, 0]

    @property
    def maxs(self) -> npt.NDArray[np.float64]:
        """Largest values, float64 [n]."""
        return self._columns[3].view()[:, 1]

    def append(self, record: HistogramRecord) -> None:
        """Appends one histogram, in place of those at and after its step."""
        moments = np.array([[record.min, record.max]])
        self._extend(np.array([record.step]), np.array([record.wall_time]), record.counts[None], moments)
