"""Makes the log's records of samples, and has the schedule know what each has cost. On the log's thread.

Keeps no model: what waits to be written must not keep a run that nobody has any more.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable

from tuimon.log import bulk, wire
from tuimon.monitor.probe import tally
from tuimon.monitor.probe.schedule import Schedule
from tuimon.monitor.probe.sheet import Reading, Sheet, Taken
from tuimon.monitor.probe.stopwatch import Stopwatch

DEAD_UNITS_TAG = "tuimon/dead_units"
_NAMED_UNITS = 4096  # of one layer that are listed by number


class Recorder:
    """Encodes the samples of one run, in their order.

    Args:
        schedule: decides when the next sample is due.
        fail: takes an error, as long as its owner is there.
    """

    def __init__(self, schedule: Schedule, fail: weakref.WeakMethod[Callable[[BaseException], None]]) -> None:
        self._schedule, self._fail = schedule, fail
        self._dead: dict[str, list[int]] = {}
        self._tags: list[str] = []
        self._layout = wire.ScalarLayout([])

    def records(self, step: int, wall_time: float, sheet: Sheet, stopwatch: Stopwatch, taken: Taken) -> bytes:
        """What a sample says, as whole records."""
        began = time.thread_time()
        try:
            records = self._encoded(step, wall_time, sheet.read(taken))
        except Exception as error:
            if fail := self._fail():
                fail(error)
            return b""
        self._schedule.pay(time.perf_counter(), stopwatch.seconds() + time.thread_time() - began, len(records))
        return records

    def _encoded(self, step: int, wall_time: float, reading: Reading) -> bytes:
        if self._tags != reading.tags:
            self._tags, self._layout = reading.tags, wire.ScalarLayout(reading.tags)
        records = [self._layout.frame(wall_time, step, reading.values.tolist())]
        if reading.histogram_tags:
            moments = reading.tables[:, [tally.LOW, tally.HIGH, tally.SUM, tally.SQUARES]]
            values = bulk.histogram_values(reading.histogram_tags, reading.tables[:, tally.COUNTS :], moments)
            records.append(wire.frame(wire.event(wall_time, step, values)))
        named = {layer: numbers for layer, numbers in reading.dead.items() if numbers}
        if reading.dead and named != self._dead:
            self._dead = named
            shown = json.dumps({layer: numbers[:_NAMED_UNITS] for layer, numbers in named.items()})
            records.append(wire.frame(wire.event(wall_time, step, wire.text_value(DEAD_UNITS_TAG, shown))))
        return b"".join(records)
