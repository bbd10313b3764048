"""Reports each finding once, for readers that print lines. For the thread that owns the store."""

from __future__ import annotations

import time
from collections.abc import Callable

from tuimon.diagnosis.rules import diagnose
from tuimon.log.batch import EventRecord
from tuimon.log.store import Store

_EVERY_S = 1.0  # the rules read whole series


class News:
    """Remembers the findings so far, by rule and layer.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 0.0
        self._version = -1
        self._told: set[tuple[str, str]] = set()

    def fresh(self, store: Store, last: bool = False) -> list[EventRecord]:
        """Returns findings not returned before. Runs the rules at most once a second, unless `last` is true."""
        now = self._clock()
        if store.version == self._version or (now < self._next and not last):
            return []
        self._version, self._next = store.version, now + _EVERY_S
        found = [finding for finding in diagnose(store) if (finding.rule, finding.layer) not in self._told]
        self._told |= {(finding.rule, finding.layer) for finding in found}
        return [EventRecord(finding.step, store.last_wall, finding) for finding in found]
