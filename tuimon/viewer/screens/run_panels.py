"""The panels of a run's screen, where they lie, and which of them are visible."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget

from tuimon.viewer.screens.arrangement import Box, Boxes, News, arrange
from tuimon.viewer.screens.pages import Layout
from tuimon.viewer.widgets import (
    Chart,
    ChartGrid,
    ConsoleView,
    EventList,
    FailurePanel,
    FindingsPanel,
    GpuMeters,
    HistogramView,
    HostMeters,
    LayerDetail,
    LayerTable,
    LeverPanel,
)  # fmt: skip
from tuimon.viewer.widgets.chart_groups import LOSS, NOISY

_CHROME = 5  # rows of header, page titles and footer, before they are laid out


class RunPanels(Container):
    """All panels of a run, placed for the screen's size and for what there is to show."""

    def __init__(self, run: Path, layout: Layout, page: int, size: tuple[int, int], news: News) -> None:
        super().__init__(id="panels")
        self._run = run
        width, height = size
        self._panels: dict[str, Widget] = {}
        self._screen_height = height
        self._wanted = (layout, page, news)
        self.boxes: Boxes = arrange(width, max(height - _CHROME, 1), height, layout, page, news)

    def compose(self) -> ComposeResult:
        """Each panel, at its first place."""
        panels = (
            Chart(LOSS[1], LOSS[0], smoothing=NOISY["loss"], id="loss", classes="panel"),
            ChartGrid(id="metrics", classes="panel"),
            LeverPanel(id="levers", classes="panel"),
            EventList(id="events", classes="panel"),
            ConsoleView(id="output", classes="panel"),
            GpuMeters(id="gpu", classes="panel"),
            HostMeters(id="host", classes="panel"),
            LayerTable(id="layers", classes="panel"),
            LayerDetail(id="detail", classes="panel"),
            HistogramView(id="histogram", classes="panel"),
            FailurePanel(self._run, id="failure", classes="panel"),
            FindingsPanel(id="findings", classes="panel"),
        )
        for panel in panels:
            self._panels[str(panel.id)] = panel
            self._place(panel, self.boxes.get(str(panel.id)))
            yield panel

    def lay_out(self, layout: Layout, page: int, screen_height: int, news: News) -> bool:
        """Places the panels anew; whether any place changed."""
        self._wanted, self._screen_height = (layout, page, news), screen_height
        return self._arrange()

    def overview(self, layout: Layout) -> Boxes:
        """The places that the panels would have in another layout."""
        return self._boxes(layout)

    def all(self) -> Iterable[Widget]:
        """All panels."""
        return self._panels.values()

    def in_sight(self) -> list[Widget]:
        """The visible panels."""
        return [panel for name, panel in self._panels.items() if name in self.boxes]

    def on_resize(self) -> None:
        """Uses the room that header and footer leave."""
        self._arrange()

    def _arrange(self) -> bool:
        boxes = self._boxes(self._wanted[0])
        changed = {name for name in {*boxes, *self.boxes} if boxes.get(name) != self.boxes.get(name)}
        framed = self._wanted[0] != "single"
        self.set_class(not framed, "-single")
        self.boxes = boxes
        for name in changed:
            self._place(self._panels[name], boxes.get(name))
        return bool(changed)

    def _boxes(self, layout: Layout) -> Boxes:
        _, page, news = self._wanted
        width, height = self.size if self.size.area else (self.app.size.width, max(self._screen_height - _CHROME, 1))
        return arrange(width, height, self._screen_height, layout, page, news)

    def _place(self, panel: Widget, box: Box | None) -> None:
        panel.display = box is not None
        if box:
            panel.styles.offset = (box.x, box.y)
            panel.styles.width, panel.styles.height = box.width, box.height
            panel.set_class(not box.framed, "-line")
