"""Compare: overlays the curves of several runs and lists their latest values in a table."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from tuimon.base import format
from tuimon.launcher.runs.loss import latest, loss_tag
from tuimon.log.store import Store
from tuimon.viewer.draw.canvas import stroke_of
from tuimon.viewer.draw.rows import Row, Span, fit, shorten
from tuimon.viewer.keys import bindings
from tuimon.viewer.screens.curve_keys import CurveScreen
from tuimon.viewer.screens.filter_bar import FilterBar
from tuimon.viewer.widgets import Chart, ChartGrid, PlotOpened, RowList
from tuimon.viewer.widgets.chart_groups import LOSS, NOISY, SYSTEM, first_chart
from tuimon.viewer.widgets.curves import SERIES_STYLES

if TYPE_CHECKING:
    from tuimon.viewer.opened import OpenRun

COLUMNS = ("loss/train", "loss/val", "accuracy/train", "accuracy/val")
_TRAIN = "loss/train"
_NUMBER = 15


class FinalValues(RowList):
    """One row per run: its line style in the charts, its step and its latest values. The best of each column is marked."""

    def __init__(self) -> None:
        super().__init__(id="final", classes="panel")
        self._stores: Mapping[str, Store] = {}

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "latest values"

    def show(self, stores: Mapping[str, Store]) -> None:
        """Shows these runs, by name."""
        self._stores = stores
        self.redraw()

    def count(self) -> int:
        """The number of runs."""
        return len(self._stores)

    def head(self, width: int) -> list[Row]:
        """The column titles."""
        tags = self._tags(width)
        row = [Span("run".ljust(self._name_width(width, tags)), "header"), Span("step".rjust(9), "header")]
        return [[*row, *(Span(tag.rjust(_NUMBER), "header") for tag in tags)]]

    def row(self, index: int, width: int) -> Row:
        """The row of one run."""
        name, store = list(self._stores.items())[index]
        tags = self._tags(width)
        room = self._name_width(width, tags)
        mark = Span(2 * stroke_of(index, self.ascii) + " ", f"series-{index % SERIES_STYLES}")
        row = [mark, *fit([Span(shorten(name, room - 4, self.ascii))], room - 3)]
        return [*row, Span(format.count(store.step).rjust(9)), *(self._cell(store, tag) for tag in tags)]

    def _cell(self, store: Store, tag: str) -> Span:
        value = latest(store, tag)
        if value is None:
            return Span(format.missing(self.ascii).rjust(_NUMBER), "dim")
        if not math.isfinite(value):
            return Span(format.number(value).rjust(_NUMBER), "bad")
        best = len(self._stores) > 1 and value == best_of(tag, self._stores.values())
        return Span(f"{'*' if best else ''}{format.number(value)}".rjust(_NUMBER), "good" if best else "")

    def _tags(self, width: int) -> list[str]:
        known = [tag for tag in COLUMNS if any(tag in store for store in self._stores.values())]
        return known[: max(0, (width - 30) // _NUMBER)]

    def _name_width(self, width: int, tags: Sequence[str]) -> int:
        return max(12, width - 9 - _NUMBER * len(tags))


class CompareScreen(CurveScreen):
    """The runs' charts, overlaid."""

    PLACE = "compare"
    BINDINGS: ClassVar[list[BindingType]] = bindings("compare")

    def __init__(self, runs: Sequence[OpenRun]) -> None:
        self.runs = list(runs)
        self._picked = False  # whether the user chose the big chart's curves
        super().__init__()

    def compose(self) -> ComposeResult:
        """A big loss chart, small charts of all metrics, and the table."""
        yield Static(f" compare  {len(self.runs)} runs", id="home-title", markup=False)
        yield Chart((_TRAIN,), _TRAIN, smoothing=NOISY["loss"], id="overlay", classes="panel")
        yield ChartGrid(id="overlays", classes="panel")
        yield FinalValues()
        yield FilterBar()
        yield self.key_bar()

    def on_mount(self) -> None:
        """Shows the data read so far."""
        styles = self.query_one(FinalValues).styles
        styles.height, styles.max_height = len(self.runs) + 3, "40%"  # many runs: scroll the table, the curves need the room
        self.recall_view()
        self._update()
        self.query_one("#overlay").focus()

    def on_screen_resume(self) -> None:
        """Catches up on what arrived meanwhile."""
        self._update()

    def runs_changed(self, paths: set[Path]) -> None:
        """Updates if any of these runs is shown."""
        if any(run.path in paths for run in self.runs):
            self._update()

    @property
    def big(self) -> Chart:
        """The big chart."""
        return self.query_one("#overlay", Chart)

    @on(PlotOpened)
    def show_big(self, event: PlotOpened) -> None:
        """Shows a small chart in place of the big one."""
        if not event.big:
            self._picked = True
            self.query_one("#overlay", Chart).show_instead(event.plot)
            self._update()

    def action_filter(self) -> None:
        """Asks for a filter of the charts."""
        grid = self.query_one(ChartGrid)
        self.query_one(FilterBar).ask("metrics", grid, lambda: (grid.focus(), self.remember_view()))

    def _choose_curves(self, stores: Sequence[Store]) -> None:
        """Shows the training loss in the big chart, under whatever tag the logs use, unless the user picked something else."""
        if self._picked:
            return
        loss = next((tag for tag in map(loss_tag, stores) if tag), "")
        title, tags = first_chart({tag for store in stores for tag in store.series if not tag.startswith(SYSTEM)}, loss)
        if (title, tags) == LOSS:
            title, tags = _TRAIN, (_TRAIN,)  # two curves per run would be too many
        big = self.query_one("#overlay", Chart)
        if tags != big.tags:
            big.set_tags(tags, title)

    def _update(self) -> None:
        if not self.is_attached:
            return
        names = names_of([run.path.absolute() for run in self.runs])
        stores = {name: run.store for name, run in zip(names, self.runs, strict=True)}
        self._choose_curves(list(stores.values()))
        self.query_one("#overlay", Chart).set_runs(stores)
        self.query_one(ChartGrid).set_runs(stores)
        self.query_one(FinalValues).show(stores)


def names_of(paths: Sequence[Path]) -> list[str]:
    """The runs' names. If two are equal, also the folders that tell them apart."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    return [os.path.relpath(path, os.path.commonpath(paths)) for path in paths]


def best_of(tag: str, stores: Iterable[Store]) -> float:
    """The lowest latest value of a loss, the highest of anything else; NaN if no run has a finite value."""
    values = [value for store in stores if (value := latest(store, tag)) is not None and math.isfinite(value)]
    return (min if "loss" in tag else max)(values, default=math.nan)
