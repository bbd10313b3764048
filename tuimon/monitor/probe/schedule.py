"""Decides when to sample, and how much of it to log: by what a sample costs, and by what it adds to the log.

Each sample logs the numbers of the layer table: as scalars where there is room for them, else packed, in a tenth of that.
Histograms and the rest of the numbers, which take ten times as much, wait until there is room for them. So the table stays
fresh, and the log small.

Samples are spaced by what the typical one of the last few has cost, so that one that cost far more puts none off for long; and
so that all of half a minute together stay within the budget. Where both can be had, the table is no older than 5 s: of samples
that cost less than 50 ms, and steps that are short beside 5 s.
"""

from __future__ import annotations

import math
import statistics
from collections import deque

TABLE_BYTES_PER_S = 16 * 1024.0  # what packed numbers of the layer table may add to the log while a run is young
SCALARS_SHARE = 1 / 3  # of that, which the same numbers may add as scalars
LOG_BYTES_PER_S = 32 * 1024.0  # what the rest of a sample may
YOUNG_S = 600.0  # afterwards the rates fall with the run's age, so the volume grows with its logarithm
TABLE_FLOOR = 512.0  # bytes a second below which the table's rate does not fall: with scalars, 410 MB in a week
EAGER_S, EAGER = 2.0, 8.0  # so long after a run's begin samples may take so many times their share: short runs would show none
EAGER_SHARE = 1 / 3  # of what the first window has, that may be spent so, if the rest keeps the table fresh until its end
FRESH_S, OF_AGE = 1.0, 1 / 30  # a table that is younger than this, or than this share of the run, is worth no further sample
STALE_S = 4.8  # older than this the table shall not be, where the budget allows it: readers tell its age from 5 s on
WINDOW_S = 30.0  # in any time of this length samples keep to their budget
SPARE_SHARE = 1 / 2  # of what a window has: while no more is spent, the table stays fresh even if one sample cost too much
_LONGEST_STEP_S = 1.0  # a longer one is long by nature (validation, an episode): the next will be shorter
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
        self._step_s = 0.0  # how long the steps were that were sampled last, about the longest
        self._costs: deque[tuple[float, float]] = deque()  # of the samples within the window: when, and how many seconds
        self._last_costs: deque[float] = deque(maxlen=_TYPICAL)
        self._ended = False
        self._scalars_due = self._rest_due = now  # when there is room for the table as scalars; for the rest of a sample
        self.next_time = now if budget > 0 else math.inf

    def end(self) -> None:
        """No sample is due any more."""
        self._ended, self.next_time = True, math.inf

    def take(self, now: float) -> None:
        """A sample is being taken: the next is not due before this one's cost is known, which a device may tell steps later."""
        self._taken = now
        if self._budget < 1:
            self.next_time = math.inf

    def took(self, now: float) -> None:
        """The step that was sampled is over."""
        self._step_s = max(min(now - self._taken, _LONGEST_STEP_S), 0.9 * self._step_s)

    @property
    def wants_rest(self) -> bool:
        """Whether there is room in the log for all of the sample that was taken last, not only for the layer table."""
        return self._budget >= 1 or self._taken >= self._rest_due

    @property
    def wants_scalars(self) -> bool:
        """Whether there is room in the log for the layer table as scalars; else it is to be packed."""
        return self._budget >= 1 or self._taken >= self._scalars_due

    def pay(self, now: float, cost_s: float, table_bytes: float = 0.0, rest_bytes: float = 0.0, packed: bool = False) -> None:
        """Sets when the next sample is due, after one that cost this much time and room.

        It is due so long after this one was taken, not after it arrived: what came between was the training's own.

        Args:
            now: when its cost is known.
            cost_s: what it cost, on all threads or on the device.
            table_bytes: what the layer table's numbers took in the log.
            rest_bytes: what the rest took; 0 if none was logged.
            packed: whether the table was logged packed, and not as scalars.
        """
        if self._budget >= 1 or self._ended:
            return
        age_s = now - self._born
        older = max(1.0, age_s / YOUNG_S)
        self._note(cost_s)
        typical_s = statistics.median(self._last_costs)
        used_s = sum(cost for _, cost in self._costs)
        whole_s, fresh_s = self._budget * WINDOW_S, typical_s * WINDOW_S / STALE_S
        eager = EAGER if age_s < EAGER_S and used_s + typical_s <= min(EAGER_SHARE * whole_s, whole_s - fresh_s) else 1.0
        cost_wait_s = typical_s / self._budget / eager if eager > 1 else self._paced(typical_s, used_s)
        room_wait_s = table_bytes / max(TABLE_BYTES_PER_S / older, TABLE_FLOOR) / eager
        if not packed:
            self._scalars_due, room_wait_s = self._taken + room_wait_s / SCALARS_SHARE, 0.0
        self.next_time = self._taken + max(cost_wait_s, room_wait_s, min(FRESH_S, age_s * OF_AGE))
        if rest_bytes:
            self._rest_due = self._taken + rest_bytes / LOG_BYTES_PER_S * older / eager

    def _note(self, cost_s: float) -> None:
        self._last_costs.append(cost_s)
        self._costs.append((self._taken, cost_s))
        while self._costs[0][0] <= self._taken - WINDOW_S:
            self._costs.popleft()

    def _paced(self, typical_s: float, used_s: float) -> float:
        """How long to wait so that what is left of the window's budget lasts until the first of its samples is out of it."""
        wait_s = typical_s / self._budget
        left_s = self._budget * WINDOW_S - used_s
        paced_s = (WINDOW_S - (self._taken - self._costs[0][0])) * typical_s / max(left_s, typical_s)
        fresh_s = STALE_S - 2 * self._step_s  # a sample begins with a step, and is there when that is over
        if wait_s <= STALE_S:
            return max(wait_s, min(paced_s, fresh_s))
        costly = used_s + typical_s > SPARE_SHARE * self._budget * WINDOW_S
        return max(wait_s, paced_s) if costly else fresh_s
