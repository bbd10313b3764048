"""The widget that lists runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from tuimon.launcher.runs.groups import members
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.screens.run_table import Column, Look, columns_for, header, run_row
from tuimon.viewer.widgets.row_list import RowList

if TYPE_CHECKING:
    from tuimon.launcher.runs.summary import RunSummary

_BAR_WIDTH = 1  # reserved for the scroll bar, so that columns do not move when it appears


class RunList(RowList):
    """One run per row, with a cursor and marks."""

    has_cursor = True

    class Moved(Message):
        """The cursor moved to another run."""

    class Chosen(Message):
        """A run was chosen with enter or a double click."""

    def __init__(self) -> None:
        super().__init__(id="runs")
        self.runs: list[RunSummary] = []
        self.marked: frozenset[str] = frozenset()
        self.sort = "newest"
        self._wanted: tuple[str, ...] = ()
        self._columns: tuple[int, list[Column]] = (0, [])
        self._now = 0.0

    @property
    def under_cursor(self) -> RunSummary | None:
        """The run under the cursor; None if the list is empty."""
        return self.runs[self.cursor] if self.cursor < len(self.runs) else None

    def show(self, runs: Sequence[RunSummary], sort: str) -> None:
        """Shows these runs; the cursor stays on its run if that is still listed."""
        before = self.under_cursor
        self.runs, self.sort, self._now = list(runs), sort, time.time()
        places = {one.path: place for place, run in enumerate(self.runs) for one in members(run)}
        place = places.get(before.path, self.cursor) if before else self.cursor
        self._columns = (0, [])
        self._go(place)

    def choose_columns(self, wanted: tuple[str, ...]) -> None:
        """Shows columns of these titles, or the usual ones."""
        self._wanted, self._columns = wanted, (0, [])
        self.redraw()

    def toggle_mark(self) -> None:
        """Marks or unmarks the run under the cursor and moves to the next."""
        if run := self.under_cursor:
            names = {one.name for one in members(run)}
            self.marked = self.marked - names if names <= self.marked else self.marked | names
            self._go(self.cursor + 1)

    def count(self) -> int:
        """The number of runs."""
        return len(self.runs)

    def head(self, width: int) -> list[Row]:
        """The column titles."""
        return [header(self._columns_for(), self.sort)]

    def row(self, index: int, width: int) -> Row:
        """The row of one run; the cursor has a sign of its own, not only a colour."""
        row = run_row(self.runs[index], self._columns_for(), Look(self._now, self.marked, self.ascii))
        if index != self.cursor:
            return row
        return [row[0], Span(">" if self.ascii else "▸", "key"), *row[2:]]

    def moved(self, index: int) -> None:
        """Posts `Moved`."""
        self.post_message(self.Moved())

    def chosen(self, index: int) -> None:
        """Posts `Chosen`."""
        self.post_message(self.Chosen())

    def _columns_for(self) -> list[Column]:
        width = self.size.width - _BAR_WIDTH
        if self._columns[0] != width:
            self._columns = (width, columns_for(width, self.runs, self._wanted))
        return self._columns[1]
