"""The widget of one chart."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tuimon.log.store import Store
from tuimon.viewer.draw.rows import Row
from tuimon.viewer.widgets.drawn import Drawn
from tuimon.viewer.widgets.plot import Plot


class PlotOpened(Message):
    """A chart was chosen with enter or a double click."""

    def __init__(self, plot: Plot, big: bool = False) -> None:
        super().__init__()
        self.plot, self.big = plot, big


class LookChanged(Message):
    """What a key or the mouse changed may concern other charts, too: the cursor, the x axis."""

    def __init__(self, plot: Plot) -> None:
        super().__init__()
        self.plot = plot


class Chart(Drawn, can_focus=True):
    """A `Plot` with a border, keys and the mouse."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "do('toggle_log')", "Switch the y axis between linear and log", show=False),
        Binding("m", "do('next_smoothing')", "Change the smoothing: none, light, medium, strong", show=False),
        Binding("x", "do('next_axis')", "Change the x axis: steps, time, epochs", show=False),
        Binding("y", "do('next_fit')", "Change the y range: without outliers, everything, fixed", show=False),
        Binding("w", "do('toggle_raw')", "Show or hide the raw values behind smoothed curves", show=False),
        Binding("plus,equals_sign", "do('zoom_in')", "Zoom in at the cursor, or at the latest values", show=False),
        Binding("minus", "do('zoom_out')", "Zoom out", show=False),
        Binding("left", "do('cursor_left')", "Move the cursor left", show=False),
        Binding("right", "do('cursor_right')", "Move the cursor right", show=False),
        Binding("shift+left", "do('pan', -1)", "Pan left", show=False),
        Binding("shift+right", "do('pan', 1)", "Pan right", show=False),
        Binding("0", "do('reset')", "Show the whole run and hide the cursor", show=False),
        Binding("end", "do('follow')", "Follow the latest values", show=False),
        Binding("enter", "open", "Open the chart", show=False),
    ]

    def __init__(
        self,
        tags: Sequence[str] = (),
        title: str = "",
        *,
        log_y: bool = False,
        smoothing: float = 0.0,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.plot = Plot(tags, title, log_y=log_y, smoothing=smoothing)
        self.plot.compact, self.plot.big = False, True

    @property
    def title(self) -> str:
        """The chart's title."""
        return self.plot.title

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that it shows."""
        return self.plot.tags

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = self.title

    def update_from(self, store: Store) -> None:
        """Shows one run."""
        self.set_runs({"": store})

    def set_runs(self, runs: Mapping[str, Store], hidden: frozenset[str] = frozenset()) -> None:
        """Overlays the same tags of several runs, except hidden ones. Does nothing if nothing changed."""
        self.plot.runs, self.plot.hidden = dict(runs), hidden
        self.store = self.plot.store
        seen = self.plot.seen()
        if seen != self._seen:
            self._seen = seen
            self.redraw()

    def set_tags(self, tags: Sequence[str], title: str, smoothing: float | None = None) -> None:
        """Shows other tags."""
        self.plot.tags, self.plot.title = tuple(tags), title
        self.plot.smoothing = self.plot.smoothing if smoothing is None else smoothing
        self._show_anew()

    def show_instead(self, plot: Plot) -> None:
        """Shows another chart's tags, with its scale and smoothing."""
        self.plot.take_look(plot)
        self._show_anew()

    def watched(self, store: Store) -> Hashable:
        """The versions of the shown series, and the number of events."""
        return self.plot.seen()

    def draw(self, width: int, height: int) -> list[Row]:
        """The chart, or a text saying what will appear."""
        self.plot.compact = not self.styles.border_top[0]
        rows = self.plot.draw(width, height, self.ascii).rows
        text = f"{self.title or 'chart'}: nothing logged yet.\nThe chart appears with the first value."
        return rows if self.plot.curves else self.nothing(text, width, height)

    def on_resize(self) -> None:
        """Redraws at the new size."""
        self._rows = None

    def action_do(self, action: str, *arguments: float) -> None:
        """Does what a key asks."""
        getattr(self.plot, action)(*arguments)
        self.post_message(LookChanged(self.plot))
        self.redraw()

    def action_open(self) -> None:
        """Posts that this chart was chosen."""
        self.post_message(PlotOpened(self.plot, big=True))

    def on_click(self, event: events.Click) -> None:
        """Moves the cursor to the mouse; a double click opens the chart."""
        at = event.get_content_offset(self)
        if event.chain == 2:
            self.action_open()
        elif at is not None and self.plot.curves:
            self.action_do("go_to", self.plot.picture.x_at(at.x))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zooms in at the mouse."""
        self._zoom_at(event, 1 / 2)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zooms out at the mouse."""
        self._zoom_at(event, 2.0)

    def _zoom_at(self, event: events.MouseEvent, factor: float) -> None:
        at = event.get_content_offset(self)
        if at is not None and self.plot.curves:
            event.stop()
            self.action_do("zoom", factor, self.plot.picture.x_at(at.x))

    def _show_anew(self) -> None:
        self.border_title = self.title
        self._seen = None
        self.redraw()
