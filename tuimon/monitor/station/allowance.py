"""Limits how many commands a run accepts: a number at once, and a number per second after that. For one thread."""

from __future__ import annotations

import time
from collections.abc import Callable


class Allowance:
    """A token bucket.

    Args:
        at_once: how many may come at once after a pause.
        per_s: how many more may come each second.
        clock: returns the time in seconds.
    """

    def __init__(self, at_once: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._per_s, self._clock = at_once, per_s, clock
        self._left, self._at = at_once, clock()

    def take(self) -> bool:
        """Returns whether one more is allowed now, and counts it."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
