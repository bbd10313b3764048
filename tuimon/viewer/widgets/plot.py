"""One chart of one or more tags, of one or more runs, apart from any widget: its axes, its visible range, its cursor.

The big chart is a widget around one of these; the grid holds one for each metric. Knows no Textual.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from tuimon.log.store import Store
from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.chart import Picture, draw_chart, full_range
from tuimon.viewer.draw.curve import Axis, Curve, Fit, Options, Range
from tuimon.viewer.widgets.curves import CurveBook, markers
from tuimon.viewer.widgets.references import References

SMOOTHINGS = (0.0, 0.6, 0.9, 0.99)
_ZOOM = 2.0
_PAN = 0.25
_LEAST_SPAN: dict[Axis, float] = {"step": 2.0, "time": 0.01, "epoch": 2.0}
_FITS: tuple[Fit, ...] = ("robust", "all", "fixed")


class Plot:
    """Curves with axes, a legend, markers where levers moved, zoom, and a cursor to read off values.

    Zoomed in, the right edge follows the latest values until the user pans away; `follow` returns to them.

    Attributes:
        compact: whether the title stands in the legend, for want of a border.
        big: whether it names its x axis, and lists what is under the cursor.
        pinned: whether its title is marked.
        hidden: names of runs that are not drawn, but keep their colours.
        raw: whether the raw values stand faintly behind smoothed curves.
        fit: how the y range is chosen: without outliers, from everything, or as it was when it was fixed.
    """

    def __init__(self, tags: Sequence[str], title: str, *, log_y: bool = False, smoothing: float = 0.0) -> None:
        self.tags, self.title = tuple(tags), title
        self.log_y, self.smoothing = log_y, smoothing
        self.x_axis: Axis = "step"
        self.fit: Fit = "robust"
        self.raw = True
        self.compact = True
        self.big = self.pinned = False
        self.cursor: float | None = None
        self.runs: dict[str, Store] = {}
        self.hidden: frozenset[str] = frozenset()
        self.curves: list[Curve] = []
        self.picture = Picture([])
        self._book = CurveBook()
        self._references = References()
        self._span: float | None = None  # width of the visible x range; None: everything
        self._end: float | None = None  # its right edge; None: the latest values
        self._fixed: Range | None = None

    @property
    def store(self) -> Store | None:
        """The first run's store."""
        return next(iter(self.runs.values()), None)

    def seen(self) -> Hashable:
        """What the chart shows of its runs: nothing needs to be drawn while it stays equal."""
        return self.hidden, tuple((name, id(store), self._versions(store)) for name, store in self.runs.items())

    def look(self) -> Hashable:
        """How it shows it."""
        ranges = (self._span, self._end, self._fixed, self.fit)
        return self.tags, self.title, self.log_y, self.smoothing, self.raw, self.x_axis, self.cursor, ranges

    def axis(self) -> Options:
        """Its x axis, with the visible range and the cursor: what another picture of the run needs to lie in line with it."""
        seen = self.picture.x_range if self.picture.rows else None
        return Options(
            x_axis=self.x_axis, x_range=seen, cursor=self.cursor, steps_per_epoch=self.steps_per_epoch or 1.0, big=True
        )

    def take_look(self, other: Plot) -> None:
        """Shows another chart's tags, with its scale, smoothing and ranges."""
        self.tags, self.title, self.log_y, self.smoothing = other.tags, other.title, other.log_y, other.smoothing
        self.fit, self._fixed, self.raw = other.fit, other._fixed, other.raw
        if self.x_axis == other.x_axis:
            self._span, self._end = other._span, other._end

    def draw(self, width: int, height: int, ascii: bool) -> Picture:
        """Draws the chart; without any value, a picture without rows."""
        self.curves = self._book.curves(self.runs, self.tags, self.x_axis, self.smoothing, self.hidden, self.raw)
        self.picture = draw_chart(self.curves, self._options(ascii), width, height, ascii) if self.curves else Picture([])
        return self.picture

    # What keys and the mouse do

    def toggle_log(self) -> None:
        """Switches between a logarithmic and a linear y axis."""
        self.log_y = not self.log_y
        self._fixed, self.fit = None, "robust" if self.fit == "fixed" else self.fit

    def next_smoothing(self) -> None:
        """Switches to the next smoothing: none, light, medium, strong, none."""
        later = [weight for weight in SMOOTHINGS if weight > self.smoothing]
        self.smoothing = later[0] if later else 0.0

    def toggle_raw(self) -> None:
        """Shows or hides the raw values behind smoothed curves."""
        self.raw = not self.raw

    def next_axis(self) -> None:
        """Switches the x axis: steps, elapsed time, and epochs if the run says how long they are."""
        axes: list[Axis] = ["step", "time", "epoch"] if self.steps_per_epoch else ["step", "time"]
        self.set_axis(axes[(axes.index(self.x_axis) + 1) % len(axes)] if self.x_axis in axes else "step")

    def set_axis(self, axis: Axis) -> None:
        """Shows the whole run on this x axis: a range in steps means nothing in seconds."""
        self.x_axis = axis
        self.reset()

    def next_fit(self) -> None:
        """Switches the y range: without outliers, everything, fixed as it is now."""
        self.fit = _FITS[(_FITS.index(self.fit) + 1) % len(_FITS)]
        self._fixed = self.picture.y_range if self.fit == "fixed" else None

    def zoom_in(self) -> None:
        """Halves the visible x range, around the cursor or at the latest values."""
        self.zoom(1 / _ZOOM, self.cursor)

    def zoom_out(self) -> None:
        """Doubles the visible x range."""
        self.zoom(_ZOOM, self.cursor)

    def pan(self, direction: int) -> None:
        """Moves the visible range by a quarter of its width."""
        low, high = self._window()
        self._show(low + direction * _PAN * (high - low), high + direction * _PAN * (high - low))

    def cursor_left(self) -> None:
        """Moves the cursor one cell left; pans at the edge."""
        self._move_cursor(-1)

    def cursor_right(self) -> None:
        """Moves the cursor one cell right; pans at the edge."""
        self._move_cursor(1)

    def go_to(self, x: float) -> None:
        """Moves the cursor to an x, and the visible range with it."""
        low, high = full_range(self.curves, self.x_axis)
        self.cursor = min(max(x, low), high)
        seen_low, seen_high = self._window()
        if not seen_low <= self.cursor <= seen_high:
            half = (seen_high - seen_low) / 2
            self._show(self.cursor - half, self.cursor + half)

    def follow(self) -> None:
        """Goes back to the latest values, keeping the zoom."""
        self._end = None

    def reset(self) -> None:
        """Shows the whole run and hides the cursor."""
        self._span = self._end = self.cursor = None

    def zoom(self, factor: float, around: float | None) -> None:
        """Changes the visible x range by a factor, around an x or, for None, at the latest values."""
        low, high = self._window()
        at_end = around is None and self._end is None
        middle = (low + high) / 2 if around is None else min(max(around, low), high)
        if at_end:
            middle = high
        self._show(middle - (middle - low) * factor, middle + (high - middle) * factor)

    @property
    def steps_per_epoch(self) -> float:
        """Steps per epoch; 0 if the run does not say."""
        return float((self.store.started.steps_per_epoch if self.store and self.store.started else 0) or 0)

    def _versions(self, store: Store) -> Hashable:
        """The versions of the shown series, and the number of events."""
        versions = tuple(series.version if (series := store.series.get(tag)) else 0 for tag in self.tags)
        return versions, len(store.events)

    def _options(self, ascii: bool) -> Options:
        return Options(
            title=f"{'* ' if self.pinned else ''}{self.title}" if self.compact else "",
            log_y=self.log_y,
            x_axis=self.x_axis,
            x_range=None if self._span is None else self._window(),
            fit=self.fit,
            y_range=self._fixed,
            cursor=self.cursor,
            markers=markers(self.store, self.x_axis, ascii) if self.store and len(self.runs) == 1 else (),
            note=self._note(),
            steps_per_epoch=self.steps_per_epoch or 1.0,
            big=self.big,
            references=self._references.of(self.store, self.title, self.tags) if self._refers and self.store else (),
        )

    @property
    def _refers(self) -> bool:
        """Whether reference lines make sense: in the big chart of one run."""
        return self.big and len(self.runs) == 1

    def _note(self) -> str:
        parts = ["zoom (not following)"] if self._end is not None else ["zoom"] if self._span is not None else []
        parts += {"robust": [], "all": ["y: all"], "fixed": ["y: fixed"]}[self.fit]
        parts += ["x: epochs"] if self.x_axis == "epoch" else []  # its labels look like steps
        parts += ["log y"] if self.log_y else []
        parts += [f"smooth {self.smoothing:g}"] if self.smoothing else []
        return ", ".join(parts)

    def _window(self) -> Range:
        """The visible x range."""
        low, high = full_range(self.curves, self.x_axis)
        if self._span is None:
            return low, high
        end = self._newest() if self._end is None else self._end
        return end - self._span, end

    def _newest(self) -> float:
        """An x slightly right of the latest value, so that a following range moves rarely."""
        step = ticks.nice_step(self._span or 1.0, 20)
        return step * math.ceil(self._last() / step)

    def _last(self) -> float:
        return max((float(curve.data.xs[-1]) for curve in self.curves if len(curve.data)), default=1.0)

    def _show(self, low: float, high: float) -> None:
        """Shows this x range, limited to the existing data."""
        least, most = full_range(self.curves, self.x_axis)
        span = max(high - low, _LEAST_SPAN[self.x_axis])
        if span >= most - least:
            self._span = self._end = None
        else:
            self._span = span
            end = max(high, least + span)
            self._end = None if end >= self._last() else end

    def _move_cursor(self, by: int) -> None:
        if not self.curves:
            return
        low, high = self._window()
        cell = (high - low) / self.picture.width
        self.cursor = min(high, self._last()) if self.cursor is None else self.cursor + by * cell
        if not low <= self.cursor <= high:
            self.pan(by)
            low, high = self._window()
        self.cursor = min(max(self.cursor, low), high)
