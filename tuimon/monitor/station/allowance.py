"""How many commands a run takes in: so many at once, and so many a second after that. One thread."""

from __future__ import annotations

import time
from collections.abc import Callable


class Allowance:
    """A token bucket.

    Args:
        at_once: how many may come together after a rest.
        per_s: how many more each second allows.
        clock: tells the time, seconds.
    """

    def __init__(self, at_once: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._per_s, self._clock = at_once, per_s, clock
        self._left, self._at = at_once, clock()

    def take(self) -> bool:
        """Whether one more is allowed now; takes it, if so."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
