"""The panels of a run's screen, and which of them are visible."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.widget import Widget

from tuimon.viewer.screens.pages import GROUPS, Layout, frame_classes, panels_shown
from tuimon.viewer.widgets import (
    Chart,
    ChartGrid,
    ConsoleView,
    EventList,
    FindingsPanel,
    GpuMeters,
    HistogramView,
    HostMeters,
    LayerDetail,
    LayerTable,
    LeverPanel,
)  # fmt: skip
from tuimon.viewer.widgets.chart_groups import LOSS, NOISY


class RunPanels(Container):
    """All panels of a run, laid out for the screen's size before they are first shown."""

    def __init__(self, layout: Layout, page: int, height: int) -> None:
        super().__init__(id="panels", classes=" ".join(frame_classes(layout, height)))
        self._shown = panels_shown(layout, page)
        self._panels: dict[str, Widget] = {}
        self._groups: dict[str, Widget] = {}

    def compose(self) -> ComposeResult:
        """Curves, levers and meters to the left, layers and findings to the right."""
        with self._group(Vertical(id="left")):
            yield self._panel(Chart(LOSS[1], LOSS[0], smoothing=NOISY["loss"], id="loss", classes="panel"))
            yield self._panel(ChartGrid(id="metrics", classes="panel"))
            with self._group(Horizontal(id="band")):
                yield self._panel(LeverPanel(id="levers", classes="panel"))
                yield self._panel(EventList(id="events", classes="panel"))
                yield self._panel(ConsoleView(id="output", classes="panel"))
            with self._group(Horizontal(id="meters")):
                yield self._panel(GpuMeters(id="gpu", classes="panel"))
                yield self._panel(HostMeters(id="host", classes="panel"))
        with self._group(Vertical(id="right")):
            yield self._panel(LayerTable(id="layers", classes="panel"))
            yield self._panel(LayerDetail(id="detail", classes="panel"))
            yield self._panel(HistogramView(id="histogram", classes="panel"))
            yield self._panel(FindingsPanel(id="findings", classes="panel"))
        self._display()

    def lay_out(self, layout: Layout, page: int, height: int) -> None:
        """Lays the panels out again; `height` is the screen's height in rows."""
        wanted = frame_classes(layout, height)
        if self.classes != wanted:
            self.set_classes(wanted)  # all at once, since each change restyles every panel
        self._shown = panels_shown(layout, page)
        self._display()

    def all(self) -> Iterable[Widget]:
        """All panels."""
        return self._panels.values()

    def in_sight(self) -> list[Widget]:
        """The visible panels."""
        return [panel for name, panel in self._panels.items() if name in self._shown]

    def _display(self) -> None:
        for name, panel in self._panels.items():
            panel.display = name in self._shown
        for name, group in self._groups.items():
            group.display = not self._shown.isdisjoint(GROUPS[name])

    def _panel(self, panel: Widget) -> Widget:
        self._panels[panel.id or ""] = panel
        return panel

    def _group(self, group: Widget) -> Widget:
        self._groups[group.id or ""] = group
        return group
