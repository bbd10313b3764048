"""The panels of a run's screen, where they lie, and which of them are visible."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

from tuimon.viewer.screens.arrangement import Box, Boxes, News, Sizes, arrange
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
    """All panels of a run, placed by the screen's size, by what they have to show, and as the user resized them."""

    class Resized(Message):
        """The user changed the panels' sizes, or hid one."""

    def __init__(self, run: Path, layout: Layout, page: int, size: tuple[int, int], news: News, sizes: Sizes) -> None:
        super().__init__(id="panels")
        self._run = run
        width, height = size
        self._panels: dict[str, Widget] = {}
        self._screen_height = height
        self._wanted = (layout, page, news)
        self.sizes = sizes
        self._drags: Literal["", "loss", "column"] = ""
        self.boxes: Boxes = arrange(width, max(height - _CHROME, 1), height, layout, page, news, sizes)

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

    def resize(self, sizes: Sizes) -> None:
        """Places the panels by other shares."""
        self.sizes = sizes.bounded()
        if self._arrange():
            self.post_message(self.Resized())

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Takes hold of the lower or the right border of the loss, to move it."""
        at, loss = event.screen_offset - self.region.offset, self.boxes.get("loss")
        if loss and loss.framed and len(self.boxes) > 1:
            within = at.y < loss.y + loss.height and at.x < loss.x + loss.width
            lower, right = at.y == loss.y + loss.height - 1, at.x == loss.x + loss.width - 1
            self._drags = "loss" if within and lower else "column" if within and right else ""
        if self._drags:
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Moves the border."""
        width, height = self.size
        at, loss = event.screen_offset - self.region.offset, self.boxes.get("loss")
        if not self._drags or loss is None or not self.size.area:
            return
        rows, columns = max(at.y + 1 - loss.y, 1), max(at.x + 1 - loss.x, 1)
        if self._drags == "loss":
            sizes = self.sizes._replace(loss=rows * loss.width / (width * self._screen_height))
        elif self._wanted[0] == "wide":
            sizes = self.sizes._replace(loss=columns * height / (width * self._screen_height))
        else:  # the loss keeps its rows
            share = loss.height * columns / (width * self._screen_height)
            sizes = self.sizes._replace(loss=share, column=1 - columns / width)
        self.sizes = sizes.bounded()
        self._arrange()

    def on_mouse_up(self) -> None:
        """Lets the border stay where it is."""
        if self._drags:
            self._drags = ""
            self.release_mouse()
            self.post_message(self.Resized())

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
        return arrange(width, height, self._screen_height, layout, page, news, self.sizes)

    def _place(self, panel: Widget, box: Box | None) -> None:
        panel.display = box is not None
        if box:
            panel.styles.offset = (box.x, box.y)
            panel.styles.width, panel.styles.height = box.width, box.height
            panel.set_class(not box.framed, "-line")
