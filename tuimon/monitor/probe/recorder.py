"""Makes the log's records of samples, and has the schedule know what each has cost. On the log's thread.

Keeps no model: what waits to be written must not keep a run that nobody has any more.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TypeVar

from tuimon.log import bulk, wire
from tuimon.log.packed import Packer
from tuimon.monitor.probe import tally
from tuimon.monitor.probe.found import Entries
from tuimon.monitor.probe.schedule import Schedule
from tuimon.monitor.probe.sheet import Reading, Scalars, Sheet
from tuimon.monitor.probe.stopwatch import Stopwatch

DEAD_UNITS_TAG = "tuimon/dead_units"
_MOST_LAYOUTS = 64  # of records that are kept
_NAMED_UNITS = 4096  # of one layer that are listed by number

F = TypeVar("F")  # what makes records of one form


class Recorder:
    """Encodes the samples of one run, in their order.

    Args:
        schedule: decides when the next sample is due.
        fail: takes an error, as long as its owner is there.
    """

    def __init__(self, schedule: Schedule, fail: weakref.WeakMethod[Callable[[BaseException], None]]) -> None:
        self._schedule, self._fail = schedule, fail
        self.dead: dict[str, list[int]] = {}  # the numbers of each layer's dead units; replaced, never changed
        self._layouts: dict[tuple[str, ...], wire.ScalarLayout] = {}
        self._packers: dict[tuple[str, ...], Packer] = {}

    def records(self, step: int, wall_time: float, sheet: Sheet, whole: bool, stopwatch: Stopwatch, read: Entries) -> bytes:
        """What a sample says, as whole records: all of it, or the layer table alone; `read` makes the sheet's entries."""
        began = time.thread_time()
        try:
            reading, packed = sheet.read(read()), not self._schedule.wants_scalars
            log_table = self._packed if packed else self._scalars
            table = log_table(step, wall_time, reading.table) + self._units(step, wall_time, reading.dead)
            rest = self._rest(step, wall_time, reading) if whole else b""
        except Exception as error:
            if fail := self._fail():
                fail(error)
            return b""
        cost_s = stopwatch.seconds() + time.thread_time() - began
        self._schedule.pay(time.perf_counter(), cost_s, len(table), len(rest), packed)
        return table + rest

    def _scalars(self, step: int, wall_time: float, scalars: Scalars) -> bytes:
        """One record of scalars; how it is laid out is kept for the next one of the same tags."""
        if not scalars.tags:
            return b""
        return _kept(self._layouts, scalars.tags, wire.ScalarLayout).frame(wall_time, step, scalars.values.tolist())

    def _packed(self, step: int, wall_time: float, scalars: Scalars) -> bytes:
        """The same numbers in a record that takes a tenth of the room."""
        if not scalars.tags:
            return b""
        return wire.frame(wire.event(wall_time, step, _kept(self._packers, scalars.tags, Packer).value(scalars.values)))

    def _rest(self, step: int, wall_time: float, reading: Reading) -> bytes:
        records = [self._scalars(step, wall_time, scalars) for scalars in (reading.steady, reading.in_turn)]
        if reading.histogram_tags:
            moments = reading.tables[:, [tally.LOW, tally.HIGH, tally.SUM, tally.SQUARES]]
            values = bulk.histogram_values(reading.histogram_tags, reading.tables[:, tally.COUNTS :], moments)
            records.append(wire.frame(wire.event(wall_time, step, values)))
        return b"".join(records)

    def _units(self, step: int, wall_time: float, dead: dict[str, list[int]] | None) -> bytes:
        """The numbers of the dead units, where they are others than in the last sample."""
        if dead is None or dead == self.dead:
            return b""
        self.dead = dead
        shown = json.dumps({layer: numbers[:_NAMED_UNITS] for layer, numbers in dead.items()})
        return wire.frame(wire.event(wall_time, step, wire.text_value(DEAD_UNITS_TAG, shown)))


def _kept(forms: dict[tuple[str, ...], F], tags: Sequence[str], make: Callable[[Sequence[str]], F]) -> F:
    """What makes records of these tags, kept for the next one of the same."""
    key = tuple(tags)
    if key not in forms:
        if len(forms) >= _MOST_LAYOUTS:
            forms.clear()
        forms[key] = make(key)
    return forms[key]
