"""Decides when to sample: by what a sample costs, and by what it adds to the log."""

from __future__ import annotations

import math
import statistics
from collections import deque

LOG_BYTES_PER_S = 32 * 1024.0  # what samples may add to the log while a run is young
YOUNG_S = 600.0  # afterwards the rate falls with the run's age, so the volume grows with its logarithm
EAGER_S, EAGER = 2.0, 8.0  # so long after a run's begin samples may take so many times their share: short runs would show none
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
        self.next_time = now if budget > 0 else math.inf

    def end(self) -> None:
        """No sample is due any more."""
        self._ended, self.next_time = True, math.inf

    def take(self, now: float) -> None:
        """A sample is being taken: the next is not due before this one's cost is known, which a device may tell steps later."""
        self._taken = now
        if self._budget < 1:
            self.next_time = math.inf

    def pay(self, now: float, cost_s: float, log_bytes: float) -> None:
        """Sets when the next sample is due, after one that cost this much time and room.

        It is due so long after this one was taken, not after it arrived: what came between was the training's own.
        """
        if self._budget >= 1 or self._ended:
            return
        age_s = now - self._born
        self._costs.append(cost_s)
        typical_s = statistics.median(self._costs)
        wait_s = max(typical_s / self._budget, log_bytes / LOG_BYTES_PER_S * max(1.0, age_s / YOUNG_S))
        self.next_time = self._taken + (wait_s / EAGER if age_s < EAGER_S else wait_s)
