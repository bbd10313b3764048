"""What screens with charts share: the keys of the charts, the filter, one cursor and one x axis for all, the grid's size."""

from __future__ import annotations

import msgspec
from textual import on

from tuimon.base import format
from tuimon.base.errors import TuimonError
from tuimon.viewer.screens.base import TuimonScreen
from tuimon.viewer.screens.dialogs import Prompt
from tuimon.viewer.settings import grid_of, remember, view_of
from tuimon.viewer.widgets import Chart, ChartGrid, LookChanged

_AXES = {"step": "a step, such as 1200", "time": "a time in seconds or as 1:30:00", "epoch": "an epoch, such as 2.5"}


class CurveScreen(TuimonScreen):
    """A screen with a big chart and a grid of small ones."""

    @property
    def big(self) -> Chart:
        """The big chart."""
        raise NotImplementedError

    def action_chart(self, action: str, *arguments: float) -> None:
        """Applies an action to the focused chart, or to the big one."""
        grid = self.query_one(ChartGrid)
        (grid if grid.chosen else self.big).action_do(action, *arguments)

    @on(LookChanged)
    def point_everywhere(self, event: LookChanged) -> None:
        """Keeps the cursor and the x axis the same in all charts."""
        if event.plot is self.big.plot:
            self.query_one(ChartGrid).point_at(event.plot.cursor, event.plot.x_axis)

    def action_go_to(self) -> None:
        """Asks for a step, time or epoch, and moves the cursor there."""
        plot = self.big.plot

        def take(text: str | None) -> None:
            if text:
                self.big.action_do("go_to", place_in(text) * (plot.steps_per_epoch or 1.0 if plot.x_axis == "epoch" else 1.0))

        told = f"Enter {_AXES.get(plot.x_axis, 'a step')}; the legend shows the values there."
        self.app.push_screen(Prompt("Go to", told, _no_place), take)

    def action_grid(self) -> None:
        """Asks for the number of rows and columns of small charts, which is remembered."""

        def take(text: str | None) -> None:
            if text:
                self.query_one(ChartGrid).choose_grid(grid_of(text))
                self.tuimon.prefer(grid=text)

        told = f"Enter rows and columns, such as 3x4, at most 36 charts, or auto. Now: {self.tuimon.settings.grid}."
        self.app.push_screen(Prompt("Small charts on a page", told, _no_grid), take)

    def recall_view(self) -> None:
        """Filters, pins and folds as the last time in this folder of runs."""
        grid, view = self.query_one(ChartGrid), view_of(self.tuimon.runs_dir)
        grid.choose_grid(grid_of(self.tuimon.settings.grid))
        grid.arrange_as(view.pinned, view.folded)
        if view.filter:
            grid.filter_by(view.filter)

    @on(ChartGrid.Arranged)
    def remember_view(self) -> None:
        """Remembers what is filtered, pinned and folded."""
        grid = self.query_one(ChartGrid)
        self.remember(filter=grid.filter_text, pinned=grid.pinned, folded=sorted(grid.folded))

    def remember(self, **changes: object) -> None:
        """Remembers something of the view of this folder of runs."""
        before = view_of(self.tuimon.runs_dir)
        view = msgspec.structs.replace(before, **changes)
        if view != before:
            remember(self.tuimon.runs_dir, view)


def place_in(text: str) -> float:
    """An x from `1200`, `1 200`, `1.5k`, `1:30` or `1:30:00`.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip().replace(" ", "").lower()
    if ":" in text:
        parts = [float(part) for part in text.split(":")]
        return sum(part * 60.0**place for place, part in enumerate(reversed(parts)))
    scale = {"k": 1e3, "m": 1e6}.get(text[-1:], 1.0)
    return float(text[:-1] if scale > 1 else text) * scale


def _no_place(text: str) -> str:
    try:
        found = place_in(text)
    except ValueError:
        return f"{text!r} is not a number"
    return "" if abs(found) < 1e18 else f"{format.number(found)} is too large"


def _no_grid(text: str) -> str:
    try:
        grid_of(text)
    except TuimonError as error:
        return error.message
    return ""
