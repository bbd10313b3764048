"""Tells each finding once, for readers that print and do not repaint. For the thread that owns the store."""

from __future__ import annotations

import time
from collections.abc import Callable

from tuimon.diagnosis.rules import diagnose
from tuimon.log.batch import EventRecord
from tuimon.log.store import Store

_EVERY_S = 1.0  # rules look at whole series


class News:
    """What the rules have found so far, by rule and layer.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 0.0
        self._version = -1
        self._told: set[tuple[str, str]] = set()

    def fresh(self, store: Store, last: bool = False) -> list[EventRecord]:
        """Findings that were not told before; looked for at most once a second, or because it is the `last` time."""
        now = self._clock()
        if store.version == self._version or (now < self._next and not last):
            return []
        self._version, self._next = store.version, now + _EVERY_S
        found = [finding for finding in diagnose(store) if (finding.rule, finding.layer) not in self._told]
        self._told |= {(finding.rule, finding.layer) for finding in found}
        return [EventRecord(finding.step, store.last_wall, finding) for finding in found]
