"""Why a run failed: first of all that is to be seen of such a run."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable
from pathlib import Path

from tuimon.base import format
from tuimon.launcher.runs.failure import FAILED, Failure, failure_of
from tuimon.launcher.runs.status import Status
from tuimon.log.store import Store
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.plain_text import to_ascii
from tuimon.viewer.widgets.row_list import RowList

_KEYS = "L launches it again as it was, 8 shows its output."


class FailurePanel(RowList):
    """The error, the last frames of its traceback, the last finite loss, and what to do."""

    def __init__(self, run: Path, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._run = run
        self._status = Status("unknown")
        self._why: Failure | None = None
        self._lines: tuple[int, list[Row]] = (-1, [])

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "why it failed"

    def set_status(self, status: Status) -> None:
        """Sets how the run ended."""
        self._status = status

    def watched(self, store: Store) -> Hashable:
        """How it ended; its log no longer grows then."""
        return self._status, store.version if self._status.state in FAILED else 0

    def take(self, store: Store) -> None:
        """Reads the failure from the log and the output."""
        self._why = failure_of(self._run, store, self._status) if self._status.state in FAILED else None
        self._lines = (-1, [])

    def count(self) -> int:
        """Rows that the failure takes."""
        return len(self._at(self.size.width))

    def rows_in(self, width: int) -> int:
        """Rows that it takes in this width."""
        return len(self._at(width))

    def row(self, index: int, width: int) -> Row:
        """One row."""
        return self._at(self.size.width)[index]

    def empty_text(self) -> str:
        """Shown for a run that did not fail."""
        return "This run has not failed."

    def _at(self, width: int) -> list[Row]:
        if self._lines[0] != width:
            self._lines = (width, _rows(self._why, max(width - 1, 10), self.ascii) if self._why else [])
        return self._lines[1]


def _rows(why: Failure, width: int, ascii: bool) -> list[Row]:
    said = to_ascii if ascii else str
    rows = [[Span(line, "bad")] for line in textwrap.wrap(f"!! {said(why.error)}", width, subsequent_indent="   ")[:3]]
    for place, code in why.frames:
        rows.append([Span(f"   {place}", "value"), Span(f"   {code}" if code else "", "dim")])
    came = f"step {format.count(why.step)}"
    if why.loss is not None:
        came += f", last finite loss {format.number(why.loss)} at step {format.count(why.loss_step)}"
    rows.append([Span(f"   {came}", "value")])
    advice = f"{why.advice} {_KEYS}".strip()
    return rows + [[Span(f"   {line}", "key")] for line in textwrap.wrap(advice, max(width - 3, 10))]
