"""Small charts of everything that a run logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tuimon.log.store import Store
from tuimon.viewer.widgets.chart import Chart

_SYSTEM = "system/"
_PAIRED = ("train", "val")


class ChartGrid(VerticalScroll, can_focus=False):
    """One small chart a metric, train and validation together; only those in sight are drawn."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "The chart above", show=False),
        Binding("down", "step(1)", "The chart below", show=False),
    ]
    DEFAULT_CSS = """
    ChartGrid { layout: grid; grid-size: 2; grid-rows: 10; grid-gutter: 0 1; height: 1fr; }
    ChartGrid.-narrow { grid-size: 1; }
    ChartGrid.-wide { grid-size: 3; }
    ChartGrid > Static { column-span: 3; color: $text-muted; text-align: center; padding: 1; }
    ChartGrid.-narrow > Static, ChartGrid > Static { column-span: 1; }
    ChartGrid > Chart { height: 10; }
    ChartGrid > Chart:focus { background: $primary 10%; }
    """

    def __init__(self, *, include_system: bool = False, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._include_system = include_system
        self._filter = ""
        self._runs: dict[str, Store] = {}
        self._shown: dict[str, Chart] = {}
        self._tags_seen: object = None
        self._empty = Static("No metrics yet.\nEvery value that is logged gets a chart here.")

    def compose(self) -> ComposeResult:
        """Begins with the words for an empty grid."""
        yield self._empty

    def on_mount(self) -> None:
        """Names the panel."""
        self.border_title = "metrics"

    def on_resize(self) -> None:
        """One, two or three charts side by side."""
        width = self.size.width
        self.set_class(width < 64, "-narrow")
        self.set_class(width >= 132, "-wide")

    @property
    def charts(self) -> list[Chart]:
        """The charts, in order."""
        return list(self._shown.values())

    @property
    def chosen(self) -> Chart | None:
        """The chart with the focus."""
        return next((chart for chart in self.charts if chart.has_focus), None)

    def update_from(self, store: Store) -> None:
        """Shows one run."""
        self.set_runs({"": store})

    def set_runs(self, runs: Mapping[str, Store]) -> None:
        """Overlays several runs: one chart for each metric that any of them has."""
        self._runs = dict(runs)
        self._arrange()
        for chart in self.charts:
            chart.set_runs(self._runs)

    def set_filter(self, text: str) -> None:
        """Keeps the charts whose title has this text."""
        self._filter = text.lower()
        self._arrange()

    def action_step(self, by: int) -> None:
        """Moves the focus from chart to chart."""
        charts = self.charts
        if charts:
            index = charts.index(self.chosen) + by if self.chosen in charts else 0
            charts[min(max(index, 0), len(charts) - 1)].focus()

    def _arrange(self) -> None:
        seen = (self._filter, tuple((name, len(store.series)) for name, store in self._runs.items()))
        if seen == self._tags_seen or not self.is_attached:
            return
        self._tags_seen = seen
        groups = grouped({tag for store in self._runs.values() for tag in store.series if self._shows(tag)})
        wanted = {title: tags for title, tags in groups.items() if self._filter in title.lower()}
        for title in [title for title in self._shown if title not in wanted]:
            self._shown.pop(title).remove()
        self._empty.display = not wanted
        for title, tags in wanted.items():
            self._place(title, tags)

    def _shows(self, tag: str) -> bool:
        return self._include_system or not tag.startswith(_SYSTEM)

    def _place(self, title: str, tags: tuple[str, ...]) -> None:
        chart = self._shown.get(title)
        if chart is None:
            self._shown[title] = chart = Chart(tags, title, compact=True)
            self.mount(chart)
        elif chart.tags != tags:
            chart.set_tags(tags, title)
        chart.set_runs(self._runs)


def grouped(tags: set[str]) -> dict[str, tuple[str, ...]]:
    """Tags by chart, ordered: `loss/train` and `loss/val` share one called `loss`; the losses and accuracies come first."""
    groups: dict[str, list[str]] = {}
    for tag in sorted(tags):
        head, _, part = tag.rpartition("/")
        groups.setdefault(head if head and part in _PAIRED else tag, []).append(tag)
    rank = {"loss": 0, "accuracy": 1, "lr": 2, "throughput": 3}
    order = sorted(groups, key=lambda title: (rank.get(title, 5 if "/" in title else 4), title))
    return {title: tuple(groups[title]) for title in order}
