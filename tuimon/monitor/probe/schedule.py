"""Decides when to sample, and how much of it to log: by what a sample costs, and by what it adds to the log.

Each sample logs the numbers of the layer table: as scalars where there is room for them, else packed, in a tenth of that.
Histograms and the rest of the numbers, which cost twice the time and take ten times the room, wait until there is time and room
for them: a whole sample is taken only where the table can be kept fresh after it. So the table stays fresh, and the log small.

Samples are spaced by what the typical one of the last few of their kind has cost, so that one that cost far more puts none off
for long; and so that all of half a minute together stay within the budget. Where both can be had, the table is no older than
5 s: of samples that cost less than 50 ms, and steps that are short beside 5 s.
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
PACE = 0.92  # of the budget, for samples: the rest is for those that cost more than they usually do
TABLE_SHARE = 1 / 2  # of the budget, for samples of the table alone, as far as it is fresh then: more of them can be whole
WHOLE_SHARE = 1 / 8  # of the budget, for what whole samples cost more, where it cannot be fresh at all; the rest is the table's
SLOWER = 1.25  # times as long waits the next sample at most, there, where those of the window have cost too much
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
        self._window_s = budget * WINDOW_S  # what samples may cost in a window
        self._born = self._taken = now
        self._step_s = 0.0  # how long the steps were that were sampled last, about the longest
        self._paid: deque[tuple[float, float]] = deque()  # the samples within the window: when, and how many seconds
        # of the last whole samples, and of the last ones of the table alone
        self._costs: dict[bool, deque[float]] = {whole: deque(maxlen=_TYPICAL) for whole in (True, False)}
        self._ended = False
        self._whole = True  # whether all of the sample that was taken last is logged
        self._whole_at = -math.inf  # when a whole sample was taken last
        self._scalars_due = self._rest_due = now  # when there is room for the table as scalars; for the rest of a sample
        self.next_time = now if budget > 0 else math.inf

    def end(self) -> None:
        """No sample is due any more."""
        self._ended, self.next_time = True, math.inf

    def take(self, now: float) -> None:
        """A sample is being taken: the next is not due before this one's cost is known, which a device may tell steps later."""
        if self._budget < 1:
            self.next_time = math.inf
            self._whole = now >= self._rest_due and self._affords_whole(now)
        self._taken = now

    def took(self, now: float) -> None:
        """The step that was sampled is over."""
        self._step_s = max(min(now - self._taken, _LONGEST_STEP_S), 0.9 * self._step_s)

    @property
    def wants_rest(self) -> bool:
        """Whether there is time and room for all of the sample that was taken last, not only for the layer table."""
        return self._whole

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
        typical_s = self._cost_s(self._whole)
        eager = EAGER if self._is_eager(now, typical_s) else 1.0
        cost_wait_s = typical_s / self._budget / eager if eager > 1 else self._paced(typical_s)
        room_wait_s = table_bytes / max(TABLE_BYTES_PER_S / older, TABLE_FLOOR) / eager
        if not packed:
            self._scalars_due, room_wait_s = self._taken + room_wait_s / SCALARS_SHARE, 0.0
        self.next_time = self._taken + max(cost_wait_s, room_wait_s, min(FRESH_S, age_s * OF_AGE))
        if rest_bytes:
            self._rest_due = self._taken + rest_bytes / LOG_BYTES_PER_S * older / eager

    def _note(self, cost_s: float) -> None:
        self._costs[self._whole].append(cost_s)
        if self._whole:
            self._whole_at = self._taken
        self._paid.append((self._taken, cost_s))
        while self._paid[0][0] <= self._taken - WINDOW_S:
            self._paid.popleft()

    def _cost_s(self, whole: bool) -> float:
        """What a sample costs: a whole one, or one of the table alone; where there was none of it yet, as much as the other."""
        return statistics.median(self._costs[whole] or self._costs[not whole] or (0.0,))

    def _used_s(self, at: float) -> float:
        """What the samples so far have cost that are in the window which ends then."""
        return sum(cost_s for taken, cost_s in self._paid if taken > at - WINDOW_S)

    def _is_eager(self, now: float, cost_s: float) -> bool:
        """Whether a run is so young that it can have a sample more, of this cost, and a fresh table afterwards."""
        most_s = min(EAGER_SHARE * self._window_s, self._window_s - self._cost_s(whole=False) * WINDOW_S / STALE_S)
        return now - self._born < EAGER_S and self._used_s(now) + cost_s <= most_s

    def _affords_whole(self, now: float) -> bool:
        """Whether, as long as a whole sample is in the window, that has room for the table every few seconds."""
        whole_s, table_s = self._cost_s(whole=True), self._cost_s(whole=False)
        left_s, later = PACE * self._window_s - whole_s, range(int(WINDOW_S / STALE_S) + 1)
        if self._is_eager(now, whole_s) or all(self._used_s(now + i * STALE_S) + i * table_s <= left_s for i in later):
            return True
        own_s = max((whole_s - table_s) / (WHOLE_SHARE * self._budget), WINDOW_S)
        return bool(self._costs[False]) and now - self._whole_at >= own_s

    def _paced(self, typical_s: float) -> float:
        """How long to wait so that what is left of the window's budget lasts until the first of its samples is out of it.

        No longer than the table is fresh, if that can be had for the budget.
        """
        table_s, used_s = self._cost_s(whole=False), self._used_s(self._taken)
        fresh_s = STALE_S - 2 * self._step_s  # a sample begins with a step, and is there when that is over
        until_out_s = self._paid[0][0] + WINDOW_S - self._taken
        wait_s = until_out_s * table_s / max(self._window_s - used_s, table_s)
        if PACE * table_s <= self._budget * STALE_S:
            denied = not self._whole and self._taken >= self._rest_due
            wait_s = max(wait_s, typical_s / ((TABLE_SHARE if denied else PACE) * self._budget))
            return min(wait_s, max(fresh_s, table_s / self._budget, self._over_s()))
        if not self._costs[False] and used_s <= SPARE_SHARE * self._window_s:
            return fresh_s
        each_s = table_s / ((1 - WHOLE_SHARE) * self._budget)
        return min(max(wait_s, each_s), SLOWER * each_s)

    def _over_s(self) -> float:
        """How long until the samples of the window are within its budget, but for one."""
        most_s = self._window_s + self._cost_s(whole=False)
        waits = [0.0, *(taken + WINDOW_S - self._taken for taken, _ in self._paid)]
        return next(wait for wait in waits if self._used_s(self._taken + wait) <= most_s)
