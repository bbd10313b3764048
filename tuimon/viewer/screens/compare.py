"""Compare: overlays the curves of several runs and lists their latest values in a table."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from tuimon.base import format
from tuimon.launcher.runs.configuration import configuration, differing, short, shown
from tuimon.launcher.runs.groups import is_seed, spread, together
from tuimon.launcher.runs.loss import latest, loss_tag
from tuimon.launcher.runs.summary import made_of
from tuimon.log.store import Store
from tuimon.viewer.draw.canvas import stroke_of
from tuimon.viewer.draw.rows import Row, Span, fit, shorten
from tuimon.viewer.keys import bindings
from tuimon.viewer.mean_store import MeanStore
from tuimon.viewer.plain_text import said
from tuimon.viewer.screens.curve_keys import CurveScreen
from tuimon.viewer.screens.filter_bar import FilterBar
from tuimon.viewer.widgets import Chart, ChartGrid, PlotOpened, RowList
from tuimon.viewer.widgets.chart_groups import LOSS, NOISY, SYSTEM, first_chart
from tuimon.viewer.widgets.curves import SERIES_STYLES

if TYPE_CHECKING:
    from tuimon.viewer.opened import OpenRun

COLUMNS = ("loss/train", "loss/val", "accuracy/train", "accuracy/val", "r2/val", "mae/val")
_LOW = ("loss", "mae")  # metrics of which less is better
_TRAIN = "loss/train"
_NUMBER, _SPREAD = 18, 22
_STEP, _LEAST_NAME = 9, 24
_OWN = ("training.device",)  # settings that say where, not what


class FinalValues(RowList):
    """One row per run: its line style in the charts, its step, the settings that differ, and its last and best values.

    The best of each column is marked with `*`. A hidden run has no curves.
    """

    has_cursor = True

    def __init__(self) -> None:
        super().__init__(id="final", classes="panel")
        self._stores: Mapping[str, Store] = {}
        self._differing: list[tuple[str, list[str]]] = []  # title, and a text for each run
        self._differing_of: object = None
        self.hidden: frozenset[str] = frozenset()

    class Toggled(Message):
        """A run was hidden or shown."""

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self._entitle()

    def _entitle(self) -> None:
        told = "mean ± standard deviation of last values" if self._folded else "last value (best so far)"
        self.entitle(said(self.app, f"{told} · * best of all · v hides a run"))

    @property
    def _folded(self) -> bool:
        """Whether any row is of several runs."""
        return any(isinstance(store, MeanStore) for store in self._stores.values())

    @property
    def _number(self) -> int:
        """Cells of a number."""
        return _SPREAD if self._folded else _NUMBER

    def show(self, stores: Mapping[str, Store]) -> None:
        """Shows these runs, by name."""
        self._stores = stores
        self._entitle()
        of = tuple((id(store.started), id(store.launched)) for store in stores.values())
        if of != self._differing_of:
            self._differing_of = of
            self._differing = _differing(list(stores.values()), self.ascii)
        self.redraw()

    def toggle(self) -> None:
        """Hides the run under the cursor from the charts, or shows it again."""
        names = list(self._stores)
        if self.cursor < len(names):
            self.hidden ^= {names[self.cursor]}
            self.redraw()
            self.post_message(self.Toggled())

    def count(self) -> int:
        """The number of runs."""
        return len(self._stores)

    def head(self, width: int) -> list[Row]:
        """The column titles."""
        tags, keys = self._columns(width)
        row = [Span("run".ljust(self._name_width(width)), "header"), Span("step".rjust(_STEP), "header")]
        row += [Span(f"  {title.ljust(_width_of(title, texts))}", "header") for title, texts in keys]
        return [[*row, *(Span(tag.rjust(self._number), "header") for tag in tags)]]

    def row(self, index: int, width: int) -> Row:
        """The row of one run, or of several as one."""
        name, store = list(self._stores.items())[index]
        tags, keys = self._columns(width)
        room = self._name_width(width)
        away = name in self.hidden
        mark = Span(("   " if away else 2 * stroke_of(index, self.ascii) + " "), f"series-{index % SERIES_STYLES}")
        told = [Span(shorten(f"{name} (hidden)" if away else name, room - 4, self.ascii), "dim" if away else "")]
        row = [mark, *fit(told, room - 3), Span(format.count(store.step).rjust(_STEP))]
        row += [Span(f"  {texts[index].ljust(_width_of(title, texts))}", "value") for title, texts in keys]
        return [*row, *(self._cell(store, tag) for tag in tags)]

    def _cell(self, store: Store, tag: str) -> Span:
        if isinstance(store, MeanStore):
            return self._spread_cell(store, tag)
        value, low = latest(store, tag), best_in(store, tag)
        if value is None:
            return Span(format.missing(self.ascii).rjust(self._number), "dim")
        if not math.isfinite(value):
            return Span(format.number(value).rjust(self._number), "bad")
        best = len(self._stores) > 1 and value == best_of(tag, self._stores.values())
        text = f"{'*' if best else ''}{format.number(value)} ({format.number(low)})"
        return Span(text.rjust(self._number), "good" if best else "")

    def _spread_cell(self, store: MeanStore, tag: str) -> Span:
        """A mean with its spread, and of how many runs where that is not all of them."""
        found = spread([latest(part, tag) for part in store.parts])
        if found is None:
            return Span(format.missing(self.ascii).rjust(self._number), "dim")
        best = len(self._stores) > 1 and last_of(store, tag) == best_of(tag, self._stores.values())
        text = f"{'*' if best else ''}{found.text(self.ascii, len(store.parts))}"
        return Span(text.rjust(self._number), "warn" if found.count < len(store.parts) else "good" if best else "")

    def _columns(self, width: int) -> tuple[list[str], list[tuple[str, list[str]]]]:
        """The metrics and the differing settings that fit, losses first."""
        known = [tag for tag in COLUMNS if any(tag in store for store in self._stores.values())]
        left = width - _LEAST_NAME - _STEP
        tags = known[: max(0, left // self._number)]
        if self._differing and len(tags) > 2:
            tags = tags[: max(2, len(tags) - 1)]
        left -= self._number * len(tags)
        keys = []
        for title, texts in self._differing:
            left -= _width_of(title, texts) + 2
            if left < 0:
                break
            keys.append((title, texts))
        return tags, keys

    def _name_width(self, width: int) -> int:
        tags, keys = self._columns(width)
        taken = self._number * len(tags) + sum(_width_of(*key) + 2 for key in keys)
        return max(12, width - _STEP - taken)


def _differing(stores: Sequence[Store], ascii: bool) -> list[tuple[str, list[str]]]:
    """The settings that differ between runs, and their values."""
    configs = [configuration(store.started, store.launched) for store in stores]
    missing = format.missing(ascii)
    return [
        (short(key), [shown(config[key]) if key in config else missing for config in configs])
        for key in differing(configs)
        if key not in _OWN and not (is_seed(key) and any(isinstance(store, MeanStore) for store in stores))
    ]


def _width_of(title: str, texts: Sequence[str]) -> int:
    return max(len(title), *map(len, texts))


class CompareScreen(CurveScreen):
    """The runs' charts, overlaid."""

    PLACE = "compare"
    BINDINGS: ClassVar[list[BindingType]] = bindings("compare")

    def __init__(self, runs: Sequence[OpenRun], folds: bool = False) -> None:
        self.runs = list(runs)
        self.folds = folds  # whether runs that differ in their seed alone are one curve
        self._means: dict[tuple[int, ...], MeanStore] = {}
        self._told = self._title(len(runs))
        self._picked = False  # whether the user chose the big chart's curves
        super().__init__()

    def compose(self) -> ComposeResult:
        """A big loss chart, small charts of all metrics, and the table."""
        yield Static(self._told, id="home-title", markup=False)
        yield Chart((_TRAIN,), _TRAIN, smoothing=NOISY["loss"], id="overlay", classes="panel")
        yield ChartGrid(id="overlays", classes="panel")
        yield FinalValues()
        yield FilterBar()
        yield self.key_bar()

    def _title(self, shown: int) -> str:
        folded = f" as {shown}, by all but the seed" if shown < len(self.runs) else ""
        return f" compare  {len(self.runs)} runs{folded}"

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

    def action_hide(self) -> None:
        """Hides the selected run's curves, or shows them again."""
        self.query_one(FinalValues).toggle()

    def action_fold_seeds(self) -> None:
        """Draws runs that differ in their seed alone as one, mean and spread; or each again."""
        self.folds = not self.folds
        self._update()
        if self.folds and not self._means:
            self.notify("No two of these runs differ in their seed alone.", timeout=4)

    @on(FinalValues.Toggled)
    def show_without(self) -> None:
        """Draws the charts without hidden runs."""
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

    def _folded(self, stores: dict[str, Store]) -> dict[str, Store]:
        """The runs by name; if so wanted, those that differ in their seed alone as one."""
        if not self.folds:
            self._means = {}
            return stores
        shown: dict[str, Store] = {}
        means: dict[tuple[int, ...], MeanStore] = {}
        for part in together(stores, lambda name: _of(stores[name])):
            if len(part) == 1:
                shown[part[0]] = stores[part[0]]
                continue
            key = tuple(id(stores[name]) for name in part)
            mean = means[key] = self._means.get(key) or MeanStore([stores[name] for name in part])
            mean.refresh()
            shown[f"{part[0]} and {len(part) - 1} more seeds"] = mean
        self._means = means
        return shown

    def _update(self) -> None:
        if not self.is_attached:
            return
        names = names_of([run.path.absolute() for run in self.runs])
        stores = self._folded({name: run.store for name, run in zip(names, self.runs, strict=True)})
        self._choose_curves(list(stores.values()))
        final = self.query_one(FinalValues)
        final.show(stores)
        title = self._title(len(stores))
        if title != self._told:
            self._told = title
            self.query_one("#home-title", Static).update(title, layout=False)
        self.query_one("#overlay", Chart).set_runs(stores, final.hidden)
        self.query_one(ChartGrid).set_runs(stores, final.hidden)


def _of(store: Store) -> tuple[str, dict[str, Any]]:
    """What a run trains, and its settings."""
    made = made_of(store.started, store.launched)
    return f"{made.model} {made.optimizer}", configuration(store.started, store.launched)


def names_of(paths: Sequence[Path]) -> list[str]:
    """The runs' names. If two are equal, also the folders that tell them apart."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    return [os.path.relpath(path, os.path.commonpath(paths)) for path in paths]


def best_of(tag: str, stores: Iterable[Store]) -> float:
    """The lowest latest value of a loss or an error, the highest of anything else; NaN if no run has a finite value."""
    values = [value for store in stores if (value := last_of(store, tag)) is not None and math.isfinite(value)]
    return (min if _is_low(tag) else max)(values, default=math.nan)


def last_of(store: Store, tag: str) -> float | None:
    """A run's latest value; of several as one the mean, NaN where one of them has no finite value."""
    if not isinstance(store, MeanStore):
        return latest(store, tag)
    found = spread([latest(part, tag) for part in store.parts])
    if found is None:
        return None
    return found.mean if found.count == len(store.parts) else math.nan


def best_in(store: Store, tag: str) -> float:
    """The best finite value of a metric so far: the lowest of a loss or an error, else the highest; NaN if there is none."""
    values = store[tag].values if tag in store else np.empty(0)
    finite = values[np.isfinite(values)]
    return float((finite.min if _is_low(tag) else finite.max)()) if len(finite) else math.nan


def _is_low(tag: str) -> bool:
    return any(word in tag for word in _LOW)
