"""What happened in a run, in order: launched, steered, saved, warned, ended."""

from __future__ import annotations

import time
from collections.abc import Hashable

from tuimon import format
from tuimon.log.batch import EventRecord
from tuimon.log.store import Store
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.widgets.row_list import RowList
from tuimon.viewer.widgets.wording import describe


class EventList(RowList):
    """Time, step and words of each event; follows the newest."""

    follows = True

    def on_mount(self) -> None:
        """Names the panel."""
        self.border_title = "events"

    def watched(self, store: Store) -> Hashable:
        """The events only grow."""
        return len(store.events)

    def count(self) -> int:
        """One row an event."""
        return len(self.store.events) if self.store else 0

    def row(self, index: int, width: int) -> Row:
        """Clock, step, and what happened."""
        assert self.store is not None
        record = self.store.events[index]
        text, style = describe(record.event, self.ascii)
        clock = time.strftime("%H:%M:%S", time.localtime(record.wall_time))
        step = f"{format.count(_step(record)):>8}" if width >= 40 else ""
        return [Span(f"{clock} ", "dim"), Span(f"{step}  " if step else "", "axis"), Span(text, style)]

    def empty_text(self) -> str:
        """What will appear."""
        return "No events yet.\nStarting, steering, checkpoints and warnings will be listed here."


def _step(record: EventRecord) -> int:
    return int(getattr(record.event, "step", record.step) or record.step)
