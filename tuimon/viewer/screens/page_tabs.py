"""The line of page titles on a run's screen. If there is room, its right end shows the result of the latest command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.message import Message

from tuimon.viewer.draw.rows import Row, Span, cells, cut, fit, overlay
from tuimon.viewer.widgets.saying import Saying

_LEAST_SAID = 28  # a message in fewer cells is not worth showing


class Tab(NamedTuple):
    """A page's title and its columns."""

    number: int
    title: str
    start: int
    end: int


def place_tabs(titles: Sequence[str], width: int) -> list[Tab]:
    """Places titles side by side, shortening all of them, down to bare numbers, if they do not fit."""
    longest = max((len(title) for title in titles), default=0)
    for room, gap in [(longest, 2), *((room, 1) for room in range(longest, -1, -1))]:
        tabs = _place([title[:room] for title in titles], gap)
        if not tabs or tabs[-1].end <= width:
            return tabs
    return tabs


def _place(titles: Sequence[str], gap: int) -> list[Tab]:
    tabs: list[Tab] = []
    start = gap - 1
    for number, title in enumerate(titles):
        end = start + len(f"{number + 1} {title}".strip())
        tabs.append(Tab(number, title, start, end))
        start = end + gap
    return tabs


class PageTabs(Saying):
    """Page numbers and titles; clicking one goes to the page."""

    DEFAULT_CSS = "PageTabs { height: 1; }"

    class Picked(Message):
        """A page's title was clicked."""

        def __init__(self, number: int) -> None:
            self.number = number
            super().__init__()

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__(id="pages")
        self.titles = tuple(titles)
        self.current = 0

    def show(self, current: int) -> None:
        """Highlights the page that has the focus."""
        if current != self.current:
            self.current = current
            self.redraw()

    @property
    def room(self) -> int:
        """Free cells at the right of the titles; 0 if too few for a message."""
        tabs = place_tabs(self.titles, self.size.width)
        free = self.size.width - (tabs[-1].end if tabs else 0) - 2
        return free if free >= _LEAST_SAID else 0

    def draw(self, width: int, height: int) -> list[Row]:
        """The line as one row."""
        row: Row = []
        for tab in place_tabs(self.titles, width):
            at = sum(len(span.text) for span in row)
            row.append(Span(" " * (tab.start - at)))
            row += self._tab(tab)
        text = cut(self.said.text, self.room, self.ascii)
        return [overlay(fit(row, width), width - cells(text) - 1, text, self.said.style) if text else fit(row, width)]

    def on_click(self, event: events.Click) -> None:
        """Goes to the page that was clicked."""
        for tab in place_tabs(self.titles, self.size.width):
            if tab.start <= event.x < tab.end:
                self.post_message(self.Picked(tab.number))

    def _tab(self, tab: Tab) -> list[Span]:
        here = tab.number == self.current
        title = f" {tab.title}" if tab.title else ""
        if here:
            return [Span(f"{tab.number + 1}{title}", "selected")]
        return [Span(f"{tab.number + 1}", "key"), Span(title, "dim")]
