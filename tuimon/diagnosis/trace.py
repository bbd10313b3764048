"""What the diagnosis remembers of one scalar: a bounded part of it, whatever its length.

The first points, the latest points, and the means of equal stretches of the whole: a look costs the same at any
length of a log. What is remembered depends on the points alone, never on how they were cut into batches. Not thread-safe.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

HEAD = 64  # points
RECENT = 256  # points
STRETCHES = 128  # at least, once there are as many points; at most twice as many
_AT_ONCE = 256  # points of a long stretch that are averaged together

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]


class Trace:
    """The scalars of one tag.

    Attributes:
        count: points so far, also those that are not finite.
        head: the first points, [n], in the order of the log.
        recent: the latest points, [n].
        recent_steps: their steps, [n].
        stride: points in a stretch.
        bad_since: the step of the first point of the latest run of points that are not finite; None while the last is finite.
        spoiled: points that were not finite.
    """

    def __init__(self) -> None:
        self.count = self.spoiled = 0
        self.head: Floats = np.empty(0)
        self.recent: Floats = np.empty(0)
        self.recent_steps: Steps = np.empty(0, np.int64)
        self.recent_walls: Floats = np.empty(0)
        self.stride = 1
        self.bad_since: int | None = None
        self._means: list[float] = []
        self._ends: list[int] = []  # the last step of each stretch
        self._parts: list[float] = []  # of the stretch that is not full yet
        self._waiting: Floats = np.empty(0)

    @property
    def last(self) -> float:
        """The latest value; NaN when there is none."""
        return float(self.recent[-1]) if len(self.recent) else math.nan

    @property
    def step(self) -> int:
        """The latest step; 0 when there is none."""
        return int(self.recent_steps[-1]) if len(self.recent_steps) else 0

    @property
    def stretches(self) -> Floats:
        """Means of all whole stretches, [n]; NaN where a stretch has no finite value."""
        return np.array(self._means)

    @property
    def stretch_ends(self) -> Steps:
        """The last step of each stretch, [n]."""
        return np.array(self._ends, np.int64)

    def extend(self, steps: Steps, values: Floats, walls: Floats) -> None:
        """Appends points, [n] each, n > 0."""
        self._mark_bad(steps, values)
        if len(self.head) < HEAD:
            self.head = np.concatenate([self.head, values[: HEAD - len(self.head)]])
        self.recent = np.concatenate([self.recent, values])[-RECENT:]
        self.recent_steps = np.concatenate([self.recent_steps, steps])[-RECENT:]
        self.recent_walls = np.concatenate([self.recent_walls, walls])[-RECENT:]
        self.count += len(values)
        self._average(steps, values)

    def _mark_bad(self, steps: Steps, values: Floats) -> None:
        finite = np.isfinite(values)
        if finite.all():
            self.bad_since = None
            return
        self.spoiled += int(len(values) - finite.sum())
        if finite[-1]:
            self.bad_since = None
        elif finite.any():
            self.bad_since = int(steps[np.flatnonzero(finite)[-1] + 1])
        elif self.bad_since is None:
            self.bad_since = int(steps[0])

    def _average(self, steps: Steps, values: Floats) -> None:
        done = 0
        while done < len(values):
            unit = min(self.stride, _AT_ONCE)
            filled = len(self._parts) * unit + len(self._waiting)
            room = (2 * STRETCHES - len(self._means)) * self.stride - filled
            taken = values[done : done + room]
            waiting = np.concatenate([self._waiting, taken])
            whole = len(waiting) // unit
            self._parts += _means(waiting[: whole * unit].reshape(whole, unit)).tolist()
            self._waiting = waiting[whole * unit :]
            per = self.stride // unit
            ready = len(self._parts) // per
            if ready:
                self._means += _means(np.array(self._parts[: ready * per]).reshape(ready, per)).tolist()
                ends = done - filled + self.stride * np.arange(1, ready + 1) - 1
                self._ends += steps[ends].tolist()
                del self._parts[: ready * per]
            done += len(taken)
            if len(self._means) == 2 * STRETCHES:
                self._means = _means(np.array(self._means).reshape(-1, 2)).tolist()
                self._ends = self._ends[1::2]
                self.stride *= 2


def median(values: Floats) -> float:
    """The median of numbers, [n], n > 0; NaN if one of them is. Of the few that a look has, a fifth of what numpy's costs."""
    ordered = np.sort(values)  # NaN comes last
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float((low + high) / 2) if ordered[-1] == ordered[-1] else math.nan


def _means(rows: Floats) -> Floats:
    """The mean of each row's finite values, [rows]; NaN where there are none."""
    if rows.shape[1] == 1:
        return np.where(np.isfinite(rows[:, 0]), rows[:, 0], np.nan)
    finite = np.isfinite(rows)
    if finite.all():
        return np.asarray(rows.mean(axis=1))
    counts = finite.sum(axis=1)
    sums = np.where(finite, rows, 0.0).sum(axis=1)
    return np.asarray(np.divide(sums, counts, out=np.full(len(rows), np.nan), where=counts > 0))
