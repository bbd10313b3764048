"""Small charts of all metrics of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tuimon.log.store import Store
from tuimon.viewer.widgets.chart import Chart
from tuimon.viewer.widgets.chart_groups import DECADES, MOST_LAYERS, NOISY, SYSTEM, grouped
from tuimon.viewer.widgets.facts import layer_names

_TWO, _THREE = 64, 132  # minimum widths in cells for two and three charts side by side


_NOTHING = "No metrics yet.\nEach logged metric gets a chart here."


class ChartGrid(VerticalScroll, can_focus=False):
    """One small chart per metric: train and validation share one, and so do all layers. Only visible charts are drawn."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "Go to the chart above", show=False),
        Binding("down", "step(1)", "Go to the chart below", show=False),
    ]
    DEFAULT_CSS = """
    ChartGrid { layout: grid; grid-size: 2; grid-rows: 10; grid-gutter: 0 1; height: 1fr; }
    ChartGrid > Static { color: $text-muted; text-align: center; padding: 1; }
    ChartGrid > Chart { height: 10; }
    ChartGrid > Chart:focus { background: $primary 10%; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left_out = ""
        self._runs: dict[str, Store] = {}
        self._shown: dict[str, Chart] = {}
        self._tags_seen: object = None
        self._empty = Static(_NOTHING, markup=False)
        self._failure = ""

    def compose(self) -> ComposeResult:
        """Starts with the text for an empty grid."""
        yield self._empty

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "metrics"

    def on_resize(self) -> None:
        """Places one, two or three charts side by side."""
        width = self.size.width
        self.styles.grid_size_columns = 1 if width < _TWO else 2 if width < _THREE else 3

    @property
    def charts(self) -> list[Chart]:
        """The charts, in order."""
        return list(self._shown.values())

    @property
    def chosen(self) -> Chart | None:
        """The focused chart, if any."""
        return next((chart for chart in self.charts if chart.has_focus), None)

    def update_from(self, store: Store) -> None:
        """Shows one run."""
        self.set_runs({"": store})

    def show_failure(self, text: str) -> None:
        """Shows this error instead of the charts; an empty text restores them."""
        if text != self._failure:
            self._failure, self._tags_seen = text, None
            self._empty.update(text or _NOTHING)
            self._empty.display = bool(text) or not self._shown

    def set_runs(self, runs: Mapping[str, Store]) -> None:
        """Overlays several runs, with one chart for each metric that any of them has."""
        self._runs = dict(runs)
        self._arrange()
        for chart in self.charts:
            chart.set_runs(self._runs)

    def leave_out(self, title: str) -> None:
        """Leaves out the chart with this title, which is shown elsewhere."""
        self._left_out = title
        self._arrange()

    def action_step(self, by: int) -> None:
        """Moves the focus to another chart."""
        charts = self.charts
        if charts:
            index = charts.index(self.chosen) + by if self.chosen in charts else 0
            charts[min(max(index, 0), len(charts) - 1)].focus()

    def _arrange(self) -> None:
        seen = (self._left_out, tuple((name, len(store.series)) for name, store in self._runs.items()))
        if seen == self._tags_seen or not self.is_attached:
            return
        self._tags_seen = seen
        wanted = {title: tags for title, tags in self._groups().items() if title != self._left_out}
        for title in [title for title in self._shown if title not in wanted]:
            self._shown.pop(title).remove()
        self._empty.display = not wanted
        new = [self._place(title, tags) for title, tags in wanted.items() if title not in self._shown]
        for title, tags in wanted.items():
            if self._shown[title].tags != tags:
                self._shown[title].set_tags(tags, title)
        if new:
            self.mount(*new)  # mount all at once: each mount styles and lays out all of them
            order = {id(self._shown[title]): place for place, title in enumerate(wanted)}
            self.sort_children(key=lambda child: order.get(id(child), -1))
            self._shown = {title: self._shown[title] for title in wanted}

    def _groups(self) -> dict[str, tuple[str, ...]]:
        tags = {tag for store in self._runs.values() for tag in store.series if not tag.startswith(SYSTEM)}
        layers = dict.fromkeys(name for store in self._runs.values() for name in layer_names(store))
        return grouped(tags, list(layers), max(1, MOST_LAYERS // max(1, len(self._runs))))

    def _place(self, title: str, tags: tuple[str, ...]) -> Chart:
        chart = self._shown[title] = Chart(tags, title, compact=True, log_y=title in DECADES, smoothing=NOISY.get(title, 0.0))
        return chart
