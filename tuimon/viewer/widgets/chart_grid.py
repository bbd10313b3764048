"""Small charts of all metrics of a run: a page of them at a time, to move through, filter, fold and pin."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message

from tuimon.base.filter import Filter
from tuimon.log.store import Store
from tuimon.viewer.draw.curve import Axis
from tuimon.viewer.draw.rows import Row, Span, fit, piece, shorten
from tuimon.viewer.draw.shelves import Grid, Placed, Shelf, grid_for, page_from, shelves, top_showing
from tuimon.viewer.filtered import Filtered, told
from tuimon.viewer.widgets.chart import LookChanged, PlotOpened
from tuimon.viewer.widgets.chart_groups import DECADES, MOST_LAYERS, SYSTEM, grouped, prefix_of, smoothing_of
from tuimon.viewer.widgets.drawn import Drawn
from tuimon.viewer.widgets.facts import layer_names
from tuimon.viewer.widgets.plot import Plot


class ChartGrid(Filtered, Drawn, can_focus=True):
    """One small chart per metric: train and validation share one, and so do all layers. Only visible charts are drawn."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1, 0)", "Go to the chart above", show=False),
        Binding("down", "step(1, 0)", "Go to the chart below", show=False),
        Binding("left", "step(0, -1)", "Go to the chart on the left", show=False),
        Binding("right", "step(0, 1)", "Go to the chart on the right", show=False),
        Binding("pageup", "page(-1)", "Previous page of charts", show=False),
        Binding("pagedown", "page(1)", "Next page of charts", show=False),
        Binding("home", "to_end(-1)", "First chart", show=False),
        Binding("end", "to_end(1)", "Last chart", show=False),
        Binding("enter", "open", "Enlarge the chart; fold or unfold a heading", show=False),
        Binding("asterisk", "pin", "Pin the chart to the top, or unpin it", show=False, key_display="*"),
    ]

    class Arranged(Message):
        """The user pinned a chart or folded a heading, which may be remembered."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.pinned: list[str] = []
        self.folded: set[str] = set()
        self.wanted: tuple[int, int] | None = None  # rows and columns that the user chose
        self._left_out = ""
        self._axis: Axis = "step"
        self._cursor: float | None = None  # of all charts
        self._runs: dict[str, Store] = {}
        self._hidden: frozenset[str] = frozenset()
        self._groups: dict[str, tuple[str, ...]] = {}
        self._groups_of: Hashable = None
        self._plots: dict[str, Plot] = {}
        self._drawn: dict[str, tuple[Hashable, list[Row]]] = {}
        self._shelves: list[Shelf] = []
        self._grid = Grid(1, 1, 1, 1)
        self._top = 0
        self._at = (0, 0)  # the shelf and the column of the current chart
        self._current = ""  # its title, by which it is found again

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "metrics"

    # What is shown

    @property
    def titles(self) -> list[str]:
        """The titles of all charts that the filter lets through, in order, unfolded or not."""
        shown = [title for title in self._groups if title != self._left_out]
        return self._filter.among(shown, lambda title: " ".join((title, *self._groups[title]))) or shown

    @property
    def count(self) -> int:
        """How many charts there are in all."""
        return len(self._groups) - (self._left_out in self._groups)

    @property
    def chosen(self) -> Plot | None:
        """The current chart while the grid has the focus."""
        return self.plot(self._current) if self.has_focus and self._current else None

    def plot(self, title: str) -> Plot:
        """The chart with this title."""
        if title not in self._plots:
            plot = Plot(self._groups[title], title, log_y=title in DECADES, smoothing=smoothing_of(title))
            plot.set_axis(self._axis)
            self._plots[title] = plot
        plot = self._plots[title]
        plot.tags, plot.runs, plot.hidden = self._groups[title], self._runs, self._hidden
        plot.pinned = title in self.pinned
        return plot

    def update_from(self, store: Store) -> None:
        """Shows one run."""
        self.set_runs({"": store})

    def set_runs(self, runs: Mapping[str, Store], hidden: frozenset[str] = frozenset()) -> None:
        """Overlays several runs, except hidden ones, with one chart for each metric that any of them has."""
        self._hidden = hidden
        self._runs, self.store = dict(runs), next(iter(runs.values()), None)
        seen = (self._regroup(), tuple(self.plot(title).seen() for title in self._visible()))
        if seen != self._seen:
            self._seen = seen
            self.redraw()

    def leave_out(self, title: str) -> None:
        """Leaves out the chart with this title, which is shown elsewhere."""
        if title != self._left_out:
            self._left_out = title
            self._arrange()

    def filter_by(self, text: str) -> str:
        """Shows only charts whose title or tags match; if none does, all. Returns what to tell the user.

        Raises:
            FilterError: it contains a wrong regular expression.
        """
        self._filter = Filter(text)
        self._top, self._at, self._current = 0, (0, 0), ""
        self._arrange()
        every = [title for title in self._groups if title != self._left_out]
        found = self._filter.among(every, lambda title: " ".join((title, *self._groups[title])))
        return told(len(found), len(every), "chart")

    def choose_grid(self, wanted: tuple[int, int] | None) -> None:
        """Sets the number of rows and columns of charts; None: as many as fit."""
        self.wanted = wanted
        self._arrange()

    def point_at(self, x: float | None, axis: Axis) -> None:
        """Moves the cursor of all charts, on this x axis."""
        if axis != self._axis:
            self._axis = axis
            for plot in self._plots.values():
                plot.set_axis(axis)
        self._cursor = x
        self.redraw()

    def arrange_as(self, pinned: Sequence[str], folded: Iterable[str]) -> None:
        """Pins and folds as remembered."""
        self.pinned, self.folded = list(pinned), set(folded)
        self._arrange()

    # Keys and the mouse

    def action_do(self, action: str, *arguments: float) -> None:
        """Does with the current chart what a key asks."""
        if plot := self.chosen:
            getattr(plot, action)(*arguments)
            self.post_message(LookChanged(plot))
            self.redraw()

    def action_step(self, down: int, right: int) -> None:
        """Moves to a neighbouring chart or heading; at the end of a row, to the next row."""
        shelf, column = self._at
        if right:
            column += right
            if column < 0 and shelf > 0:
                shelf, column = shelf - 1, self._grid.columns
            elif column >= max(len(self._shelf(shelf).titles), 1) and shelf < len(self._shelves) - 1:
                shelf, column = shelf + 1, 0
        self._go(shelf + down, column)

    def action_page(self, pages: int) -> None:
        """Moves by one page."""
        self._go(self._at[0] + pages * len(self._page()), self._at[1])

    def action_to_end(self, way: int) -> None:
        """Goes to the first or the last chart."""
        self._go(0 if way < 0 else len(self._shelves) - 1, 0 if way < 0 else self._grid.columns)

    def action_open(self) -> None:
        """Enlarges the chart; folds or unfolds a heading."""
        shelf = self._shelf(self._at[0])
        if shelf.heading:
            self.folded ^= {shelf.heading}
            self._arrange()
            self.post_message(self.Arranged())
        elif self._current:
            self.post_message(PlotOpened(self.plot(self._current)))

    def action_pin(self) -> None:
        """Pins the chart to the top, or unpins it."""
        if not self._current:
            return
        self.pinned = [title for title in self.pinned if title != self._current] + (
            [] if self._current in self.pinned else [self._current]
        )
        self._arrange()
        self.post_message(self.Arranged())

    def on_click(self, event: events.Click) -> None:
        """Goes to the chart under the mouse; a double click opens it."""
        at = event.get_content_offset(self)
        if at is None:
            return
        for place in self._page():
            if place.y <= at.y - self._head < place.y + place.height:
                self._go(place.number, at.x // self._grid.width)
                if event.chain == 2 or place.shelf.heading:
                    self.action_open()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scrolls by a row of charts."""
        event.stop()
        self._scroll(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scrolls back."""
        event.stop()
        self._scroll(-1)

    def watch_has_focus(self, has_focus: bool) -> None:
        """Marks the current chart only while the keys act on it."""
        super().watch_has_focus(has_focus)
        self.redraw()

    def on_resize(self) -> None:
        """Shows as many charts as fit."""
        self._rows = None
        self._arrange()

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        """A page of charts."""
        if not self.count:
            return self.nothing("No metrics yet.\nEach logged metric gets a chart here.", width, height)
        rows: list[Row] = [[Span(shorten(self._where(), width, self.ascii), "dim")]] if self._head else []
        for place in self._page():
            here = self.has_focus and place.number == self._at[0]
            rows += self._heading(place.shelf, width, here) if place.shelf.heading else self._charts(place, here)
        self.entitle(f"metrics{' - ' if self.ascii else ' · '}{self._where()}")
        return rows[:height]

    def changes(self, before: Sequence[Row], after: Sequence[Row], width: int) -> Iterable[Region]:
        """The cells that changed, chart by chart: of four beside each other, often only one has."""
        return (
            region.translate((start, 0))
            for start in range(0, max(width, 1), self._grid.width)
            for region in super(ChartGrid, self).changes(
                [piece(row, start, self._grid.width) for row in before],
                [piece(row, start, self._grid.width) for row in after],
                min(self._grid.width, width - start),
            )
        )

    def _heading(self, shelf: Shelf, width: int, here: bool) -> list[Row]:
        signs = ("-", "+") if self.ascii else ("▾", "▸")
        text = f"{signs[shelf.folded]} {shelf.heading}  {shelf.charts}"
        return [fit([Span(shorten(text, width, self.ascii), "title selected" if here else "title")], width)]

    def _charts(self, place: Placed, here: bool) -> list[Row]:
        width, height = self._grid.width, place.height
        columns = [self._chart(title, width, height) for title in place.shelf.titles]
        if here and self._at[1] < len(columns):
            sign = Span(">" if self.ascii else "▸", "key")
            first, *rest = columns[self._at[1]]
            marked = [Span(text, f"{style} selected") for text, style in fit(first, width - 1)]
            columns[self._at[1]] = [[sign, *marked], *rest]
        return [[span for column in columns for span in column[y]] for y in range(height)]

    def _chart(self, title: str, width: int, height: int) -> list[Row]:
        """The rows of one chart, drawn again only if it changed."""
        plot = self.plot(title)
        plot.cursor = self._cursor
        key = (plot.seen(), plot.look(), plot.pinned, width, height, self.ascii)
        if title not in self._drawn or self._drawn[title][0] != key:
            rows = plot.draw(width - 1, height, self.ascii).rows
            rows = rows or Drawn.nothing(self, title, width - 1, height)
            full = [fit(row, width) for row in [*rows, *([[]] * (height - len(rows)))]]
            self._drawn[title] = (key, full)
        return self._drawn[title][1]

    def _where(self) -> str:
        """`charts 7–12 of 97`, and the filter."""
        shown = [title for shelf in self._shelves for title in shelf.titles]
        seen = self._visible()
        first = shown.index(seen[0]) + 1 if seen else 0
        dash = "-" if self.ascii else "–"
        which = f"chart {first}" if len(seen) == 1 else f"charts {first}{dash}{first + len(seen) - 1}" if seen else "no chart"
        of = f"{which} of {len(shown)}"
        folded = len(self.titles) - len(shown)
        of += f", {folded} folded" if folded > 0 else ""
        return f"{of}, / {self._filter.text}" if self._filter else of

    # The arrangement

    @property
    def _head(self) -> int:
        """Rows above the charts: without a border, one that says which charts these are."""
        return 0 if self.styles.border_top[0] or self.size.height < 2 * self._grid.height else 1

    @property
    def _room(self) -> int:
        return max(self.size.height - self._head, 1)

    def _shelf(self, index: int) -> Shelf:
        return self._shelves[index] if 0 <= index < len(self._shelves) else Shelf()

    def _visible(self) -> list[str]:
        return [title for place in self._page() for title in place.shelf.titles]

    def _page(self) -> list[Placed]:
        return page_from(self._shelves, self._top, self._room, self._grid.height)

    def _regroup(self) -> Hashable:
        """Groups the tags again if there are more of them."""
        of = tuple((name, id(store), len(store.series)) for name, store in self._runs.items())
        if of != self._groups_of:
            self._groups_of = of
            tags = {tag for store in self._runs.values() for tag in store.series if not tag.startswith(SYSTEM)}
            layers = dict.fromkeys(name for store in self._runs.values() for name in layer_names(store))
            self._groups = grouped(tags, list(layers), max(1, MOST_LAYERS // max(1, len(self._runs))))
            self._plots = {title: plot for title, plot in self._plots.items() if title in self._groups}
            self._arrange()
        return of

    def _arrange(self) -> None:
        titles = self.titles
        height = max(self.size.height - (0 if self.styles.border_top[0] else 1), 1)
        self._grid = grid_for(self.size.width, height, len(titles), self.wanted)
        groups = [(title, prefix_of(title)) for title in titles]
        self._shelves = shelves(groups, self._grid.columns, self.pinned, self.folded)
        self._find_current()
        self._show_current()
        self._seen = None
        self.redraw()

    def _find_current(self) -> None:
        """Stays on the current chart where it went; on a heading, or if the chart is gone, near the same place."""
        for index, shelf in enumerate(self._shelves):
            if self._current in shelf.titles:
                self._at = (index, shelf.titles.index(self._current))
                return
        self._settle(*self._at)

    def _go(self, shelf: int, column: int) -> None:
        self._settle(shelf, column)
        self._show_current()
        self.redraw()

    def _settle(self, shelf: int, column: int) -> None:
        shelf = min(max(shelf, 0), max(len(self._shelves) - 1, 0))
        titles = self._shelf(shelf).titles
        column = min(max(column, 0), max(len(titles) - 1, 0))
        self._at, self._current = (shelf, column), titles[column] if titles else ""

    def _show_current(self) -> None:
        self._top = top_showing(self._shelves, self._at[0], self._top, self._room, self._grid.height)
        self._top = min(self._top, self._last_top())

    def _scroll(self, by: int) -> None:
        self._top = min(max(self._top + by, 0), self._last_top())
        self._seen = None
        self.redraw()

    def _last_top(self) -> int:
        """The first shelf of the last page."""
        return top_showing(self._shelves, max(len(self._shelves) - 1, 0), 0, self._room, self._grid.height)
