"""What the diagnosis remembers of one kind of layer statistics: the latest samples, and some of the whole run.

A sample is a row with a column for each layer; NaN where a layer was not measured. Bounded, and independent of batches.
"""

from __future__ import annotations

import numpy as np

from tuimon.diagnosis.trace import Floats, Steps

RECENT = 32  # samples
THINNED = 64  # at least, once there are as many samples; at most twice as many


class Panel:
    """The samples of one kind, such as `grad_norm`.

    Attributes:
        count: samples so far.
        recent: the latest samples, [n, layers].
        recent_steps: their steps, [n].
        thinned: every `stride`-th sample from the first on, [n, layers].
        thinned_steps: their steps, [n].
    """

    def __init__(self, layers: int) -> None:
        self.count = 0
        self.stride = 1
        self.recent: Floats = np.empty((0, layers))
        self.recent_steps: Steps = np.empty(0, np.int64)
        self.thinned: Floats = np.empty((0, layers))
        self.thinned_steps: Steps = np.empty(0, np.int64)
        self._known: dict[tuple[str, int], Floats] = {}  # of the latest samples, for several rules ask; until there are others

    @property
    def last(self) -> Floats:
        """The latest sample, [layers]; NaN without one."""
        return self.recent[-1] if len(self.recent) else np.full(self.recent.shape[1], np.nan)

    def widen(self, layers: int) -> None:
        """Makes room for further layers, which were not measured so far."""
        more = layers - self.recent.shape[1]
        if more > 0:
            self._known.clear()
            self.recent, self.thinned = (
                np.concatenate([rows, np.full((len(rows), more), np.nan)], axis=1) for rows in (self.recent, self.thinned)
            )

    def extend(self, steps: Steps, rows: Floats) -> None:
        """Appends samples: `rows` is [n, layers], n > 0."""
        self._known.clear()
        self.recent = np.concatenate([self.recent, rows])[-RECENT:]
        self.recent_steps = np.concatenate([self.recent_steps, steps])[-RECENT:]
        for step, row in zip(steps.tolist(), rows, strict=True):
            if self.count % self.stride == 0:
                self.thinned = np.concatenate([self.thinned, row[None]])
                self.thinned_steps = np.append(self.thinned_steps, step)
                if len(self.thinned) == 2 * THINNED:
                    self.thinned, self.thinned_steps = self.thinned[::2], self.thinned_steps[::2]
                    self.stride *= 2
            self.count += 1

    def usual(self, samples: int = 5) -> Floats:
        """The median of the latest samples by layer, [layers]; NaN where a layer was in none of them."""
        found = self._known.get(("usual", samples))
        if found is None:
            found = self._known["usual", samples] = medians(self.recent[-samples:])
        return found

    def lowest(self, samples: int = 3) -> Floats:
        """The least of the latest samples by layer, [layers]: what is above a threshold was so in each; NaN as in `usual`."""
        found = self._known.get(("lowest", samples))
        if found is None:
            rows = self.recent[-samples:]
            with np.errstate(invalid="ignore"):
                least = np.fmin.reduce(rows, axis=0) if len(rows) else np.full(rows.shape[1], np.nan)
            found = self._known["lowest", samples] = np.asarray(least)
        return found


def lengths(rows: Floats) -> Floats:
    """The norm of all layers together, of their norms in each row, [n]; what is NaN is left out."""
    squares = rows * rows
    return np.asarray(np.sqrt(np.where(np.isnan(squares), 0.0, squares).sum(axis=1)))


def medians(rows: Floats) -> Floats:
    """The median of each column's finite values, [columns]; NaN where there are none."""
    ordered = np.sort(np.where(np.isfinite(rows), rows, np.nan), axis=0)  # NaN comes last
    counts = np.isfinite(ordered).sum(axis=0)
    if not len(rows):
        return np.full(rows.shape[1], np.nan)
    columns = np.arange(rows.shape[1])
    low, high = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, len(rows) - 1)
    return np.asarray((ordered[low, columns] + ordered[high, columns]) / 2)
