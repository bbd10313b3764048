"""The events of a run, in order: launched, steered, saved, warned, ended."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from tuimon.base import format
from tuimon.base.filter import Filter
from tuimon.log.batch import EventRecord
from tuimon.log.records import CheckpointSaved, Event, Exited, Launched, Notice, RunStarted, Spawned
from tuimon.log.store import Store
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.filtered import Filtered, told
from tuimon.viewer.widgets.row_list import RowList
from tuimon.viewer.widgets.wording import describe


class Line(NamedTuple):
    """An event, or the latest of several equal ones with their number."""

    record: EventRecord
    times: int = 1


class EventList(Filtered, RowList):
    """Time, step and text of each event; follows the latest."""

    follows = True

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._problems: list[Notice] = []
        self._read = 0
        self._shown: list[Line] = []

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "events"

    def watched(self, store: Store) -> Hashable:
        """Events are only ever added, and so are problems."""
        return len(store.events), tuple(store.damage), len(store.unshown)

    def update_from(self, store: Store) -> None:
        """Shows the store's events; starts over for another run."""
        if store is not self.store:
            self._lines, self._shown, self._read = [], [], 0
        super().update_from(store)

    def take(self, store: Store) -> None:
        """Adds the new events, in the order of the run's files."""
        for record in store.events[self._read :]:
            fold(self._lines, record)
        self._read = len(store.events)
        self._problems = [Notice(problem, "warning", store.step) for problem in store.problems()]
        self._shown = self._matching() or self._lines

    def filter_by(self, text: str) -> str:
        """Shows only events whose text matches; if none does, all. Returns what was found.

        Raises:
            FilterError: it contains a wrong regular expression.
        """
        self._filter = Filter(text)
        found = self._matching()
        self._shown = found or self._lines
        self.redraw()
        return told(len(found), len(self._lines), "event")

    def _matching(self) -> list[Line]:
        return self._filter.among(self._lines, lambda line: describe(line.record.event, self.ascii)[0])

    def count(self) -> int:
        """One row per line; what of the log cannot be shown comes last."""
        return len(self._shown) + len(self._problems)

    def row(self, index: int, width: int) -> Row:
        """Time, step, how often, and what happened."""
        if index >= len(self._shown):
            return [Span(*describe(self._problems[index - len(self._shown)], self.ascii))]
        record, times = self._shown[index]
        text, style = describe(record.event, self.ascii)
        clock = format.time_of_day(record.wall_time)
        step = f"{_step_text(record):>8}" if width >= 40 else ""
        often = f"{times} {'x' if self.ascii else '×'} " if times > 1 else ""
        return [Span(f"{clock} ", "dim"), Span(f"{step}  " if step else "", "axis"), Span(often, "dim"), Span(text, style)]

    def summary(self) -> str:
        """The latest event."""
        return describe(self._lines[-1].record.event, self.ascii)[0] if self._lines else "none"

    def empty_text(self) -> str:
        """What will appear."""
        return "No events yet.\nStarts, lever changes, checkpoints and warnings appear here."


def fold(lines: list[Line], record: EventRecord) -> None:
    """Adds an event. Consecutive checkpoints that a run saves by itself share one line per reason.

    A run that describes itself again, after a lever was added or an activation changed, has not started again. How an attempt
    exited stays its last line: the supervisor's file, where it is written, is read before the training's own.
    """
    if isinstance(record.event, Spawned):
        return
    if lines and isinstance(lines[-1].record.event, Exited) and not isinstance(record.event, Launched):
        exited = lines.pop()
        fold(lines, record)
        lines.append(exited)
        return
    start = next((i for i, line in enumerate(lines) if _same_start(line.record.event, record.event)), None)
    if start is not None:
        lines[start] = Line(lines[start].record._replace(event=record.event))
        return
    if not _is_routine(record):
        lines.append(Line(record))
        return
    for place in range(len(lines) - 1, -1, -1):
        known, times = lines[place]
        if not _is_routine(known):
            break
        if _reason(known) == _reason(record):
            lines[place] = Line(record, times + 1)
            return
    lines.append(Line(record))


def _same_start(before: Event, after: Event) -> bool:
    return isinstance(before, RunStarted) and isinstance(after, RunStarted) and before.process == after.process


def _is_routine(record: EventRecord) -> bool:
    return isinstance(record.event, CheckpointSaved) and record.event.reason != "asked"


def _reason(record: EventRecord) -> str:
    return record.event.reason if isinstance(record.event, CheckpointSaved) else ""


def _step_text(record: EventRecord) -> str:
    """The step; empty for the supervisor's events, which have none."""
    return "" if isinstance(record.event, Launched | Exited) else format.count(_step(record))


def _step(record: EventRecord) -> int:
    return int(getattr(record.event, "step", record.step) or record.step)
