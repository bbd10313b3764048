"""The base of all widgets with more rows than fit: scrolling, following the end, a cursor, the mouse."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from tuimon.viewer import net
from tuimon.viewer.draw.rows import Row, Span, clip, fit, text_of
from tuimon.viewer.widgets.drawn import Drawn, selected
from tuimon.viewer.widgets.vim import MOTIONS, Motions


class RowList(Motions, Drawn, can_focus=True):
    """Rows under an optional fixed head.

    With `has_cursor`, the keys move a cursor and enter chooses its row; without, they scroll. With `follows`, the list stays at
    the end as rows arrive, until the user scrolls up, and follows again once the user returns to the end.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "home", "First row", show=False),
        Binding("end", "end", "Last row, and follow new ones", show=False),
        Binding("enter", "choose", "Choose the row", show=False),
        *MOTIONS,
    ]
    DEFAULT_CSS = "RowList { min-height: 1; }"

    TAKES = frozenset({"k"})  # on a run's screen it is for the histogram, to which most lists have nothing to say
    has_cursor = False
    follows = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.cursor = 0
        self.top = 0
        self.following = self.follows

    def count(self) -> int:
        """The number of rows."""
        raise NotImplementedError

    def row(self, index: int, width: int) -> Row:
        """The row at an index."""
        raise NotImplementedError

    def head(self, width: int) -> list[Row]:
        """The fixed rows at the top."""
        return []

    def empty_text(self) -> str:
        """Shown while there are no rows: what will appear, and when."""
        return ""

    def summary(self) -> str:
        """The row under the cursor, or the last one."""
        count = self.count()
        if not count:
            return "none"
        index = min(self.cursor, count - 1) if self.has_cursor else count - 1
        return text_of(self.row(index, self.size.width)).strip()

    def chosen(self, index: int) -> None:
        """Called when a row is chosen with enter or a double click."""

    def moved(self, index: int) -> None:
        """Called when the cursor moves to another row."""

    def head_clicked(self, x: int) -> None:
        """Called when the head is clicked at column `x`."""

    def draw(self, width: int, height: int) -> list[Row]:
        """The head and the visible rows."""
        count = self.count()
        if not count:
            return self.nothing(self.empty_text(), width, height)
        bar = width > 2 and count > height - len(self.head(width))
        inner = width - bar
        head = self.head(inner)
        room = max(height - len(head), 0)
        self._scroll_into_range(room)
        shown = range(self.top, min(self.top + room, count))
        body = [self._body_row(index, inner) for index in shown]
        return [*head, *(_with_bar(body, inner, self.top, room, count, self.ascii) if bar else body)][:height]

    def action_move(self, by: int) -> None:
        """Moves the cursor, or scrolls if there is none."""
        self._go(self.cursor + by) if self.has_cursor else self._scroll(by)

    def action_page(self, pages: int) -> None:
        """Moves by one page."""
        self.action_move(pages * max(self._room() - 1, 1))

    def action_home(self) -> None:
        """Goes to the first row."""
        self.action_move(-self.count())

    def action_end(self) -> None:
        """Goes to the last row, and follows new ones if the list `follows`."""
        self.action_move(self.count())

    def action_choose(self) -> None:
        """Chooses the row under the cursor."""
        if self.has_cursor and self.cursor < self.count():
            self.chosen(self.cursor)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scrolls up."""
        event.stop()
        self._scroll(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scrolls down."""
        event.stop()
        self._scroll(3)

    def on_click(self, event: events.Click) -> None:
        """Moves the cursor to the row; a double click chooses it."""
        at = event.get_content_offset(self)
        if at is None:
            return
        index = at.y - len(self.head(self.size.width))
        if index < 0:
            self.head_clicked(at.x)
        elif self.has_cursor and self.top + index < self.count():
            self._go(self.top + index)
            self.clicked(self.cursor, at.x, event.chain)

    def clicked(self, index: int, x: int, times: int) -> None:
        """Called when a row is clicked at column `x`, for the `times`-th time in a row."""
        if times == 2:
            self.chosen(index)

    def _room(self) -> int:
        return max(self.size.height - len(self.head(self.size.width)), 1)

    def _go(self, index: int) -> None:
        index = min(max(index, 0), max(self.count() - 1, 0))
        changed, self.cursor = index != self.cursor, index
        self.top = min(max(self.top, index - self._room() + 1), index)
        self.following = self.follows and index >= self.count() - 1
        self.redraw()
        if changed:
            self.moved(index)

    def _scroll(self, by: int) -> None:
        last = max(self.count() - self._room(), 0)
        self.top = min(max(self.top + by, 0), last)
        self.following = self.follows and self.top >= last
        self.redraw()

    def _scroll_into_range(self, room: int) -> None:
        last = max(self.count() - room, 0)
        self.top = last if self.following else min(max(self.top, 0), last)

    def _body_row(self, index: int, width: int) -> Row:
        try:
            row = clip(self.row(index, width), width, self.ascii)
        except Exception as error:  # in one run or event: the others are still shown
            row = clip([Span(f"Could not show this: {net.caught(error)}", "bad")], width, self.ascii)
        if not (self.has_cursor and index == self.cursor):
            return row
        return selected(row, width)


def _with_bar(body: list[Row], width: int, top: int, room: int, count: int, ascii: bool) -> list[Row]:
    """The rows with a scroll bar on the right."""
    size = max(1, room * room // count)
    start = round(top / max(count - room, 1) * (room - size))
    thumb, track = ("#", "|") if ascii else ("▐", " ")
    marks = [thumb if start <= y < start + size else track for y in range(len(body))]
    return [[*fit(row, width), Span(mark, "dim")] for row, mark in zip(body, marks, strict=True)]
