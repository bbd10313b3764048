"""Decides when to sample, and how much of it to log: by what a sample costs, and by what it adds to the log.

Each sample logs the numbers of the layer table, which take little room; histograms and the rest of the numbers, which take ten
times as much, wait until there is room for them. So the table stays fresh, and the log small.
"""

from __future__ import annotations

import math
import statistics
from collections import deque

TABLE_BYTES_PER_S = 16 * 1024.0  # what the numbers of the layer table may add to the log while a run is young
LOG_BYTES_PER_S = 32 * 1024.0  # what the rest of a sample may
YOUNG_S = 600.0  # afterwards the rates fall with the run's age, so the volume grows with its logarithm
TABLE_FLOOR = 512.0  # bytes a second below which the table's rate does not fall: 300 MB in a week
EAGER_S, EAGER = 2.0, 8.0  # so long after a run's begin samples may take so many times their share: short runs would show none
FRESH_S, OF_AGE = 1.0, 1 / 30  # a table that is younger than this, or than this share of the run, is worth no further sample
_TYPICAL = 5  # of the last samples' costs the median counts


class Schedule:
    """Spaces samples so that their share of the time stays within a budget, and the log within bounds.

    Args:
        budget: largest share of the time that samples may take; 0 for no samples, 1 or more for one at every step.
        now: seconds on a clock that never jumps.
    """

    def __init__(self, budget: float, now: float) -> None:
        self._budget = budget
        self._born = self._taken = now
        self._costs: deque[float] = deque(maxlen=_TYPICAL)
        self._ended = False
        self._rest_due = now  # when there is room for the rest of a sample
        self.next_time = now if budget > 0 else math.inf

    def end(self) -> None:
        """No sample is due any more."""
        self._ended, self.next_time = True, math.inf

    def take(self, now: float) -> None:
        """A sample is being taken: the next is not due before this one's cost is known, which a device may tell steps later."""
        self._taken = now
        if self._budget < 1:
            self.next_time = math.inf

    @property
    def wants_rest(self) -> bool:
        """Whether there is room in the log for all of the sample that was taken last, not only for the layer table."""
        return self._budget >= 1 or self._taken >= self._rest_due

    def pay(self, now: float, cost_s: float, table_bytes: float = 0.0, rest_bytes: float = 0.0) -> None:
        """Sets when the next sample is due, after one that cost this much time and room.

        It is due so long after this one was taken, not after it arrived: what came between was the training's own.
        """
        if self._budget >= 1 or self._ended:
            return
        age_s = now - self._born
        older, eager = max(1.0, age_s / YOUNG_S), EAGER if age_s < EAGER_S else 1.0
        self._costs.append(cost_s)
        wait_s = max(statistics.median(self._costs) / self._budget, table_bytes / max(TABLE_BYTES_PER_S / older, TABLE_FLOOR))
        self.next_time = self._taken + max(wait_s / eager, min(FRESH_S, age_s * OF_AGE))
        if rest_bytes:
            self._rest_due = self._taken + rest_bytes / LOG_BYTES_PER_S * older / eager
