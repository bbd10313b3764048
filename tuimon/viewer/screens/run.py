"""Run: the screen of one run, live or finished. Once the run is over, the steering keys are greyed out."""

from __future__ import annotations

import time
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.timer import Timer
from textual.widget import Widget

from tuimon.launcher.runs.failure import FAILED
from tuimon.launcher.runs.loss import loss_tag
from tuimon.viewer.draw.rows import shorten
from tuimon.viewer.keys import Key, bindings
from tuimon.viewer.net import update
from tuimon.viewer.opened import UNREAD
from tuimon.viewer.screens.filter_bar import FilterBar, filterable
from tuimon.viewer.screens.key_bar import KeyBar
from tuimon.viewer.screens.news import NewsOf
from tuimon.viewer.screens.page_tabs import PageTabs
from tuimon.viewer.screens.pages import PAGES, Layout, layout_for, next_page, page_is_seen, page_of
from tuimon.viewer.screens.resizing import ResizableScreen
from tuimon.viewer.screens.run_panels import RunPanels
from tuimon.viewer.screens.steering import SteeringScreen
from tuimon.viewer.widgets import (
    Chart,
    ChartGrid,
    ConsoleView,
    Drawn,
    FailurePanel,
    FindingsPanel,
    GpuMeters,
    HistogramView,
    HostMeters,
    LayerDetail,
    LayerTable,
    LookChanged,
    PlotOpened,
    RunHeader,
)  # fmt: skip
from tuimon.viewer.widgets.chart_groups import SYSTEM, first_chart, smoothing_of
from tuimon.viewer.widgets.run_header import ONE_LINE

if TYPE_CHECKING:
    from tuimon.launcher.runs.status import Status
    from tuimon.viewer.opened import OpenRun

_TWO_LINES = 48  # cells that the header needs without the reason why a run ended
SLOW_PANELS = ("layers", "detail", "histogram", "findings", "metrics")
_SLOW_EVERY_S = 1.0
_MOST_TOLD = 300
_LEAST_HEIGHT, _LEAST_WITH_KEYS = 12, 8  # below this many rows, there are no page titles, and no footer
_NO_ROOM = "This window only has room for one panel at a time."


class RunScreen(ResizableScreen, SteeringScreen):
    """The panels of one run: all at once if there is room, else one page at a time."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("run")

    def __init__(self, run: OpenRun) -> None:
        self.page = 0
        self.single = False  # the user asked for one page, although more would fit
        self.room: Layout = "single"
        self._told: Status | None = None
        self._slow: Timer | None = None
        self._slow_at = 0.0
        self._picked = False  # whether the user chose the big chart's curves
        self._series_seen = 0
        self._news = NewsOf(run)
        super().__init__(run)

    def compose(self) -> ComposeResult:
        """Header, page titles, panels and footer, laid out for the screen's size before they are first styled."""
        size = self.app.size
        self.room = layout_for(*size)
        yield RunHeader(self.run.name, id="run-header")
        yield PageTabs([page.title for page in PAGES])
        self.panels = RunPanels(self.run.path, self.layout_now, self.page, size, self._news.now(), self.remembered_sizes())
        yield self.panels
        yield FilterBar()
        yield self.key_bar()

    def on_mount(self) -> None:
        """Shows the data read so far; the feed brings the rest."""
        self.query_one(ChartGrid).leave_out(self.query_one("#loss", Chart).title)
        self.recall_view()
        self.query_one(ConsoleView).open(self.run.path / "output.log")
        self.query_one("#layers" if self.layout_now != "single" and "layers" in self.panels.boxes else "#loss").focus()
        self._update(all_at_once=True)

    def on_resize(self, event: events.Resize) -> None:
        """Shows more or fewer panels."""
        self._arrange(*event.size)

    def on_screen_resume(self) -> None:
        """Catches up on what arrived while another screen was in front."""
        self._update(all_at_once=True)

    def why_not(self, key: Key) -> str:
        """Also: zoom does nothing if there is only room for one panel."""
        if key.action == "zoom_panel" and self.room == "single":
            return _NO_ROOM
        return super().why_not(key)

    def runs_changed(self, paths: set[Path]) -> None:
        """Shows new records or a new status."""
        if self.run.path in paths:
            self._update()

    # The visible panels

    @property
    def layout_now(self) -> Layout:
        """The current layout."""
        return "single" if self.single else self.room

    def _arrange(self, width: int, height: int) -> None:
        self.room = layout_for(width, height)
        self.query_one(PageTabs).display = height >= _LEAST_HEIGHT
        self.query_one(KeyBar).display = height >= _LEAST_WITH_KEYS
        self.panels.lay_out(self.layout_now, self.page, height, self._news.now())
        self._update(all_at_once=True)

    def _make_room(self) -> None:
        """Gives space to what has news now."""
        if self.panels.lay_out(self.layout_now, self.page, self.size.height, self._news.now()):
            for panel in self.panels.in_sight():
                if isinstance(panel, Drawn):
                    update(panel, self.run.diagnosed() if isinstance(panel, FindingsPanel) else self.run.store)
            self._fit_failure()

    def _fit_failure(self) -> None:
        """Gives why it failed no more rows than it takes, which is known once its panel has read it."""
        needed = self.query_one(FailurePanel).rows_in(self.size.width - 2)
        if needed and needed != self._news.failure_rows:
            self._news.failure_rows = needed
            self.panels.lay_out(self.layout_now, self.page, self.size.height, self._news.now())

    def _update(self, all_at_once: bool = False) -> None:
        if not self.is_attached:
            return
        header = self.query_one(RunHeader)
        self._show_state(header)
        update(header, self.run.store)
        self._choose_curves()
        for panel in self.panels.in_sight():
            if panel.id not in SLOW_PANELS and isinstance(panel, Drawn):
                update(panel, self.run.store)
        self.show_keys()
        wait_s = 0.0 if all_at_once else self._slow_at + _SLOW_EVERY_S - time.monotonic()
        if wait_s <= 0:
            self._update_slow()
        elif self._slow is None:
            self._slow = self.set_timer(wait_s, self._update_slow)

    def _choose_curves(self) -> None:
        """Shows the loss in the big chart, under whatever tag the log uses, unless the user picked something else."""
        store = self.run.store
        if self._picked or len(store.series) == self._series_seen:
            return
        self._series_seen = len(store.series)
        title, tags = first_chart([tag for tag in store.series if not tag.startswith(SYSTEM)], loss_tag(store))
        big = self.query_one("#loss", Chart)
        if tags != big.tags:
            big.set_tags(tags, title, smoothing_of(title))
            self.query_one(ChartGrid).leave_out(title)

    def _update_slow(self) -> None:
        """Updates once a second: panels that change with each layer sample, the small charts, and findings."""
        if self._slow:
            self._slow.stop()
        self._slow = None
        self._slow_at = time.monotonic() if self.run.store.version else 0.0  # do not delay the first data
        self.query_one(HistogramView).align(self.big.plot.axis())
        for panel in self.panels.in_sight():
            if panel.id in SLOW_PANELS and panel.id != "findings" and isinstance(panel, Drawn):
                update(panel, self.run.store)
        for meters in (self.query_one(GpuMeters), self.query_one(HostMeters)):
            meters.measure(self.run.status.live or self.run.status == UNREAD)
        findings = self.query_one(FindingsPanel)
        findings.offer(self.run.status.live)
        update(findings, self.run.diagnosed())
        self._make_room()

    def _show_state(self, header: RunHeader) -> None:
        status = self.run.status
        width = self.size.width
        room = width - (ONE_LINE if width >= ONE_LINE else _TWO_LINES)
        shown = shorten(status.detail, room, self.tuimon.ascii_only) if room > 10 else ""
        header.set_state(status.state, shown)
        for panel in self.panels.all():
            if isinstance(panel, Drawn):
                panel.set_over(not status.live and status != UNREAD)
        self.query_one(FailurePanel).set_status(status)
        if status.state in FAILED and status != self._told:
            self._show_failure()
        elif not status.live and shown != status.detail and status not in (self._told, UNREAD):
            self._tell_whole(f"{status.state}: {status.detail}")
        self._told = status

    def _show_failure(self) -> None:
        """Shows first why the run failed: as the page, where only one is shown."""
        if self.layout_now == "single" and self._told in (None, UNREAD):
            self.call_after_refresh(self._go_to, page_of("failure"))

    def _tell_whole(self, text: str) -> None:
        """Shows in full what the header had to cut, but not in the header."""
        if self.query_one(PageTabs).room >= len(text):
            self.say(text, "warn")
        else:
            self.notify(shorten(text, _MOST_TOLD, self.tuimon.ascii_only), severity="warning", markup=False)

    def _go_to(self, page: int) -> None:
        self.page = page
        if self.room != "single" and not page_is_seen(page, self.panels.overview(self.room)):
            self.single = True
        self._arrange(self.size.width, self.size.height)
        self._focus_page(page)

    def _focus_page(self, page: int) -> None:
        self.query_one(PageTabs).show(page)
        names = [name for name in PAGES[page].panels if name in self.panels.boxes] or [PAGES[page].panels[0]]
        self.query_one(f"#{names[0]}").focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Makes the page with the focus the current one."""
        inside = (page_of(node.id or "") for node in event.widget.ancestors_with_self if isinstance(node, Widget))
        page = next((page for page in inside if page is not None), None)
        if page is not None:
            self.page = page
            self.query_one(PageTabs).show(page)

    def action_panel(self, number: int) -> None:
        """Goes to the page with this number."""
        self._go_to(number - 1)

    @on(PageTabs.Picked)
    def pick_page(self, event: PageTabs.Picked) -> None:
        """Goes to the page whose title was clicked."""
        self._go_to(event.number)

    def action_next_panel(self) -> None:
        """Goes to the next visible page."""
        self._go_to(next_page(self.page, 1, self._seen()))

    def action_previous_panel(self) -> None:
        """Goes to the previous visible page."""
        self._go_to(next_page(self.page, -1, self._seen()))

    def _seen(self) -> Container[str]:
        """The panels among which tab moves; none if there is one page at a time."""
        return () if self.layout_now == "single" else self.panels.boxes

    def action_zoom_panel(self) -> None:
        """Shows one page in the whole window, or all panels again."""
        if self.room == "single":
            self.notify(_NO_ROOM, timeout=3)
            return
        self.single = not self.single
        self._arrange(self.size.width, self.size.height)

    def action_back(self) -> None:
        """Leaves the single page, or goes back to the list of runs."""
        if self.single and self.room != "single":
            self.action_zoom_panel()
        else:
            self.tuimon.go_home()

    def action_next_run(self) -> None:
        """Goes to another run that is open or training."""
        self.tuimon.open_next(self.run.path)

    # Charts and layers

    @property
    def big(self) -> Chart:
        """The big chart."""
        return self.query_one("#loss", Chart)

    @on(PlotOpened)
    def show_big(self, event: PlotOpened) -> None:
        """Shows a small chart in place of the big one; the big one itself is zoomed to the window."""
        if event.big:
            self.action_zoom_panel()
            return
        big = self.query_one("#loss", Chart)
        self._picked = True
        big.show_instead(event.plot)
        self.query_one(ChartGrid).leave_out(event.plot.title)
        update(big, self.run.store)
        self._go_to(0)

    def action_filter(self) -> None:
        """Asks for a filter of the focused list, or of the charts."""
        focused = self.focused
        in_sight = focused is not None and focused.id in self.panels.boxes
        widget = focused if focused and in_sight and filterable(focused) else self.query_one(ChartGrid)
        if (of := filterable(widget)) is None:
            return
        page = page_of(widget.id or "")
        if page is not None and widget.id not in self.panels.boxes:
            self._go_to(page)
        name = PAGES[page].title if page is not None else ""
        self.query_one(FilterBar).ask(name, of, lambda: (widget.focus(), self.remember_view()))

    def sizes_changed(self) -> None:
        """Draws what has appeared."""
        self._update(all_at_once=True)

    @on(LookChanged)
    def align_histogram(self) -> None:
        """Keeps the histogram in line with the big chart."""
        self.query_one(HistogramView).align(self.big.plot.axis())

    def action_samples(self) -> None:
        """Shows validation samples with what the model made of them."""
        from tuimon.viewer.screens.samples import SamplesScreen

        self.app.push_screen(SamplesScreen(self.run))

    def action_distribution(self) -> None:
        """Switches the histogram between gradients, activations, weights and updates."""
        self.query_one(HistogramView).action_next_kind()

    def action_all_layers(self) -> None:
        """Switches the histogram between one layer over time and all layers side by side."""
        self.query_one(HistogramView).action_toggle_layers()

    @on(LayerTable.LayerSelected)
    def show_layer(self, event: LayerTable.LayerSelected) -> None:
        """Shows the layer selected in the table in the other panels."""
        self.query_one(HistogramView).show_layer(event.layer)
        self.query_one(LayerDetail).show_layer(event.layer)
