"""The table of a study's trials, which can be sorted by any column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from tuimon.base import format
from tuimon.base.plain import one_line
from tuimon.viewer.draw.rows import Row, Span, shorten
from tuimon.viewer.widgets.row_list import RowList

if TYPE_CHECKING:
    from tuimon.search.reading import Look
    from tuimon.search.study import TrialInfo

_TRIAL, _OUTCOME, _VALUE, _PARAMETER = 11, 12, 10, 12
_STYLES = {"running": "good", "finished": "", "stopped": "", "pruned": "dim"}


class StudyTable(RowList):
    """One row a trial."""

    has_cursor = True

    class Moved(Message):
        """The cursor moved to another trial, or the order changed."""

    class Chosen(Message):
        """A trial was chosen."""

    def __init__(self) -> None:
        super().__init__(id="trials", classes="panel")
        self._look: Look | None = None
        self._trials: list[TrialInfo] = []
        self.border_title = "trials: enter opens one"
        self.sort = ""  # a column's title; empty: the best first

    @property
    def under_cursor(self) -> TrialInfo | None:
        """The trial under the cursor."""
        return self._trials[self.cursor] if self.cursor < len(self._trials) else None

    @property
    def sorts(self) -> list[str]:
        """The columns to sort by."""
        return ["", "trial", "outcome", *(self._look.plan.space if self._look else ())]

    def show(self, look: Look) -> None:
        """Shows a study's trials; the cursor stays on its trial."""
        before = self.under_cursor
        self._look = look
        self._trials = ordered(look, self.sort)
        numbers = [one.number for one in self._trials]
        self._go(numbers.index(before.number) if before and before.number in numbers else self.cursor)
        self.redraw()

    def sort_by(self, column: str) -> None:
        """Sorts by a column."""
        self.sort = column
        if self._look:
            self.show(self._look)

    def count(self) -> int:
        """The number of trials."""
        return len(self._trials)

    def empty_text(self) -> str:
        """Shown before the first trial."""
        return "No trial yet."

    def head(self, width: int) -> list[Row]:
        """The column titles; the sorted one is highlighted."""
        return [
            [
                Span(shorten(title, room - 1, self.ascii).ljust(room), "header-sorted" if self._is_sorted(title) else "header")
                for title, room in self._columns(width)
            ]
        ]

    def row(self, index: int, width: int) -> Row:
        """The row of one trial."""
        trial = self._trials[index]
        best = bool(self._look and self._look.ranked[:1] == [trial.number])
        row = []
        for title, room in self._columns(width):
            text, style = self._cell(trial, title)
            mark = "*" if best and title == self._objective else ""
            row.append(Span(shorten(one_line(mark + text), room - 1, self.ascii).ljust(room), "good" if mark else style))
        return row

    def head_clicked(self, x: int) -> None:
        """Sorts by the column that was clicked."""
        at = 0
        for title, room in self._columns(self.size.width):
            if at <= x < at + room:
                self.sort_by("" if title == self._objective else title)
                return
            at += room

    def moved(self, index: int) -> None:
        """Posts `Moved`."""
        self.post_message(self.Moved())

    def chosen(self, index: int) -> None:
        """Posts `Chosen`."""
        self.post_message(self.Chosen())

    @property
    def _objective(self) -> str:
        return self._look.plan.objective.tag if self._look else ""

    def _is_sorted(self, title: str) -> bool:
        return title == (self.sort or self._objective)

    def _columns(self, width: int) -> list[tuple[str, int]]:
        columns = [("trial", _TRIAL), ("outcome", _OUTCOME), (self._objective, max(_VALUE, len(self._objective) + 2))]
        left = width - sum(room for _, room in columns)
        for name in self._look.plan.space if self._look else ():
            room = max(_PARAMETER, len(name) + 1)
            left -= room
            if left < 0:
                break
            columns.append((name, room))
        return columns

    def _cell(self, trial: TrialInfo, title: str) -> tuple[str, str]:
        if title == "trial":
            return trial.name, "name" if trial.outcome == "running" else "value"
        if title == "outcome":
            return trial.outcome, _STYLES.get(trial.outcome, "warn")
        if title == self._objective:
            return (format.number(trial.value), "") if not math.isnan(trial.value) else (format.missing(self.ascii), "dim")
        return trial.values.get(title, ""), "value"


def ordered(look: Look, sort: str) -> list[TrialInfo]:
    """The trials: the best first and those without a value behind, or by a column."""
    if sort == "trial":
        return list(look.trials)
    if sort == "outcome":
        return sorted(look.trials, key=lambda one: one.outcome)
    if sort:
        return sorted(look.trials, key=lambda one: _number_or_text(one.values.get(sort, "")))
    place = {number: i for i, number in enumerate(look.ranked)}
    return sorted(look.trials, key=lambda one: (place.get(one.number, len(place)), -one.number))


def _number_or_text(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), ""
    except ValueError:
        return True, 0.0, text


def best_place(trials: Sequence[TrialInfo], ranked: Sequence[int]) -> int:
    """Where the best trial stands among the trials; -1 if none has a value."""
    return next((i for i, one in enumerate(trials) if ranked[:1] == [one.number]), -1)
