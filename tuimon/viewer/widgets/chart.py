"""A line chart of one or more tags, of one or more runs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import var

from tuimon.log.store import Store
from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.chart import Picture, draw_chart, full_range
from tuimon.viewer.draw.curve import Axis, Curve, Options, Range
from tuimon.viewer.draw.rows import Row
from tuimon.viewer.widgets.curves import CurveBook, markers
from tuimon.viewer.widgets.drawn import Drawn

SMOOTHINGS = (0.0, 0.6, 0.9, 0.99)
_ZOOM = 2.0
_PAN = 0.25
_LEAST_SPAN: dict[Axis, float] = {"step": 2.0, "time": 0.01, "epoch": 2.0}


class Chart(Drawn, can_focus=True):
    """Curves with axes, a legend, markers where levers moved, zoom, and a cursor to read off values.

    Zoomed in, the right edge follows the latest values until the user pans away; `follow` returns to them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "toggle_log", "Switch the y axis between linear and log", show=False),
        Binding("m", "next_smoothing", "Change the smoothing: none, light, medium, strong", show=False),
        Binding("x", "next_axis", "Change the x axis: steps, time, epochs", show=False),
        Binding("plus,equals_sign", "zoom_in", "Zoom in at the cursor, or at the latest values", show=False),
        Binding("minus", "zoom_out", "Zoom out", show=False),
        Binding("left", "cursor_left", "Move the cursor left", show=False),
        Binding("right", "cursor_right", "Move the cursor right", show=False),
        Binding("shift+left", "pan(-1)", "Pan left", show=False),
        Binding("shift+right", "pan(1)", "Pan right", show=False),
        Binding("0", "reset", "Show the whole run and hide the cursor", show=False),
        Binding("end", "follow", "Follow the latest values", show=False),
        Binding("enter", "open", "Open the chart", show=False),
    ]

    log_y: var[bool] = var(False)
    smoothing: var[float] = var(0.0)
    x_axis: var[Axis] = var("step")

    class Opened(Message):
        """A chart was chosen with enter or a double click."""

        def __init__(self, chart: Chart) -> None:
            super().__init__()
            self.chart = chart

        @property
        def control(self) -> Chart:
            """The chart."""
            return self.chart

    def __init__(
        self,
        tags: Sequence[str] = (),
        title: str = "",
        *,
        compact: bool = False,
        log_y: bool = False,
        smoothing: float = 0.0,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.tags = tuple(tags)
        self.title = title
        self.compact = compact
        self.cursor: float | None = None
        self.set_reactive(Chart.log_y, log_y)
        self.set_reactive(Chart.smoothing, smoothing)
        self._runs: dict[str, Store] = {}
        self._book = CurveBook()
        self._curves: list[Curve] = []
        self._picture = Picture([])
        self._span: float | None = None  # width of the visible x range; None: everything
        self._end: float | None = None  # its right edge; None: the latest values

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = self.title

    def update_from(self, store: Store) -> None:
        """Shows one run."""
        self.set_runs({"": store})

    def set_runs(self, runs: Mapping[str, Store]) -> None:
        """Overlays the same tags of several runs. Does nothing if nothing changed."""
        seen = tuple((name, id(store), self.watched(store)) for name, store in runs.items())
        if seen != self._seen:
            self._seen, self._runs = seen, dict(runs)
            self.store = next(iter(runs.values()), None)
            self.redraw()

    def set_tags(self, tags: Sequence[str], title: str) -> None:
        """Shows other tags."""
        self.tags, self.title, self.border_title = tuple(tags), title, title
        self._seen = None
        self.redraw()

    def show_instead(self, chart: Chart) -> None:
        """Shows another chart's tags, with its scale and smoothing."""
        self.set_tags(chart.tags, chart.title)
        self.log_y, self.smoothing = chart.log_y, chart.smoothing

    def watched(self, store: Store) -> Hashable:
        """The versions of the shown series, and the number of events."""
        versions = tuple(series.version if (series := store.series.get(tag)) else 0 for tag in self.tags)
        return versions, len(store.events)

    def draw(self, width: int, height: int) -> list[Row]:
        """The chart, or a text saying what will appear."""
        self._curves = self._book.curves(self._runs, self.tags, self.x_axis, self.smoothing)
        if not self._curves:
            return self.nothing(
                f"{self.title or 'chart'}: nothing logged yet.\nThe chart appears with the first value.", width, height
            )
        self._picture = draw_chart(self._curves, self._options(), width, height, self.ascii)
        return self._picture.rows

    def on_resize(self) -> None:
        """Redraws at the new size."""
        self._rows = None

    def action_toggle_log(self) -> None:
        """Switches between a logarithmic and a linear y axis."""
        self.log_y = not self.log_y

    def action_next_smoothing(self) -> None:
        """Switches to the next smoothing: none, light, medium, strong, none."""
        later = [weight for weight in SMOOTHINGS if weight > self.smoothing]
        self.smoothing = later[0] if later else 0.0

    def action_next_axis(self) -> None:
        """Switches the x axis: steps, elapsed time, and epochs if the run says how long they are."""
        axes: list[Axis] = ["step", "time", "epoch"] if self._steps_per_epoch() else ["step", "time"]
        self.x_axis = axes[(axes.index(self.x_axis) + 1) % len(axes)] if self.x_axis in axes else "step"

    def action_zoom_in(self) -> None:
        """Halves the visible x range, around the cursor or at the latest values."""
        self._zoom(1 / _ZOOM, self.cursor)

    def action_zoom_out(self) -> None:
        """Doubles the visible x range."""
        self._zoom(_ZOOM, self.cursor)

    def action_pan(self, direction: int) -> None:
        """Moves the visible range by a quarter of its width."""
        low, high = self._window()
        self._show(low + direction * _PAN * (high - low), high + direction * _PAN * (high - low))

    def action_cursor_left(self) -> None:
        """Moves the cursor one cell left; pans at the edge."""
        self._move_cursor(-1)

    def action_cursor_right(self) -> None:
        """Moves the cursor one cell right; pans at the edge."""
        self._move_cursor(1)

    def action_clear_cursor(self) -> None:
        """Hides the cursor."""
        self.cursor = None
        self.redraw()

    def action_follow(self) -> None:
        """Goes back to the latest values, keeping the zoom."""
        self._end = None
        self.redraw()

    def action_reset(self) -> None:
        """Shows the whole run and hides the cursor."""
        self._span = self._end = self.cursor = None
        self.redraw()

    def action_open(self) -> None:
        """Posts that this chart was chosen."""
        self.post_message(self.Opened(self))

    def watch_log_y(self) -> None:
        """Redraws with the new axis."""
        self.redraw()

    def watch_smoothing(self) -> None:
        """Redraws with the new smoothing."""
        self.redraw()

    def watch_x_axis(self) -> None:
        """Shows the whole run: a range in steps means nothing in seconds."""
        self.action_reset()

    def on_click(self, event: events.Click) -> None:
        """Moves the cursor to the mouse; a double click opens the chart."""
        at = event.get_content_offset(self)
        if event.chain == 2:
            self.action_open()
        elif at is not None and self._curves:
            self.cursor = self._picture.x_at(at.x)
            self.redraw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zooms in at the mouse; over a small chart, scrolls the grid."""
        self._zoom_at(event, 1 / _ZOOM)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zooms out at the mouse; over a small chart, scrolls the grid."""
        self._zoom_at(event, _ZOOM)

    def _options(self) -> Options:
        return Options(
            title=self.title if self.compact or not self.styles.border_top[0] else "",
            log_y=self.log_y,
            x_axis=self.x_axis,
            x_range=None if self._span is None else self._window(),
            cursor=self.cursor,
            markers=markers(self.store, self.x_axis, self.ascii) if self.store and len(self._runs) == 1 else (),
            note=self._note(),
            steps_per_epoch=self._steps_per_epoch() or 1.0,
        )

    def _steps_per_epoch(self) -> float:
        """Steps per epoch; 0 if the run does not say."""
        return float((self.store.started.steps_per_epoch if self.store and self.store.started else 0) or 0)

    def _note(self) -> str:
        parts = ["zoom (not following)"] if self._end is not None else ["zoom"] if self._span is not None else []
        parts += ["x: epochs"] if self.x_axis == "epoch" else []  # its labels look like steps
        parts += ["log y"] if self.log_y else []
        parts += [f"smooth {self.smoothing:g}"] if self.smoothing else []
        return ", ".join(parts)

    def _window(self) -> Range:
        """The visible x range."""
        low, high = full_range(self._curves, self.x_axis)
        if self._span is None:
            return low, high
        end = self._newest() if self._end is None else self._end
        return end - self._span, end

    def _newest(self) -> float:
        """An x slightly right of the latest value, so that a following range moves rarely."""
        step = ticks.nice_step(self._span or 1.0, 20)
        return step * math.ceil(self._last() / step)

    def _last(self) -> float:
        return max((float(curve.data.xs[-1]) for curve in self._curves if len(curve.data)), default=1.0)

    def _zoom(self, factor: float, around: float | None) -> None:
        low, high = self._window()
        at_end = around is None and self._end is None
        middle = (low + high) / 2 if around is None else min(max(around, low), high)
        if at_end:
            middle = high
        self._show(middle - (middle - low) * factor, middle + (high - middle) * factor)

    def _zoom_at(self, event: events.MouseEvent, factor: float) -> None:
        at = event.get_content_offset(self)
        if self.compact or at is None or not self._curves:
            return
        event.stop()
        self._zoom(factor, self._picture.x_at(at.x))

    def _show(self, low: float, high: float) -> None:
        """Shows this x range, limited to the existing data."""
        least, most = full_range(self._curves, self.x_axis)
        span = max(high - low, _LEAST_SPAN[self.x_axis])
        if span >= most - least:
            self._span = self._end = None
        else:
            self._span = span
            end = max(high, least + span)
            self._end = None if end >= self._last() else end
        self.redraw()

    def _move_cursor(self, by: int) -> None:
        if not self._curves:
            return
        low, high = self._window()
        cell = (high - low) / self._picture.width
        self.cursor = min(high, self._last()) if self.cursor is None else self.cursor + by * cell
        if not low <= self.cursor <= high:
            self.action_pan(by)
            low, high = self._window()
        self.cursor = min(max(self.cursor, low), high)
        self.redraw()
