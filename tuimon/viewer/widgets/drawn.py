"""The base of all widgets that show drawn rows.

A subclass holds its data and draws it as rows. The rows are cached, and a redraw sends only the cells that changed to the
terminal. Styles are words; the palette maps them to the theme's colours.
"""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import zip_longest

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tuimon.log.store import Store
from tuimon.viewer import net
from tuimon.viewer.draw.rows import Row, Span, cells, cut, fit, printable, text_of, width_of
from tuimon.viewer.net import Netted
from tuimon.viewer.widgets.palette import style_of


class Drawn(Netted, Widget):
    """A widget made of drawn rows."""

    DEFAULT_CSS = "Drawn { width: 1fr; height: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.store: Store | None = None
        self.over = False
        self._seen: Hashable = None
        self._failure = ""  # the error shown instead of the content
        self._rows: list[Row] | None = None
        self._asked = False  # whether a refresh was requested since the last drawn line
        self._drawn_size = (0, 0)
        self._rich_styles: dict[str, Style] = {}
        self._titles = ("", "")  # in the upper and the lower border

    @property
    def ascii(self) -> bool:
        """Whether the terminal can only show ASCII."""
        return bool(getattr(self.app, "ascii_only", False))

    def render_str(self, text_content: str | Content) -> Content:
        """A panel's title without markup: the name of a tag or a layer may contain brackets."""
        return Content(text_content) if isinstance(text_content, str) else text_content

    def entitle(self, title: str) -> None:
        """Sets the panel's title if it changed: Textual draws the whole panel again even for the same one."""
        if title != self._titles[0]:
            self._titles = (title, self._titles[1])
            self.border_title = title

    def subtitle(self, text: str) -> None:
        """Sets the text in the panel's lower border if it changed."""
        if text != self._titles[1]:
            self._titles = (self._titles[0], text)
            self.border_subtitle = text

    def draw(self, width: int, height: int) -> list[Row]:
        """The rows to show: at most `height`, each of at most `width` cells."""
        raise NotImplementedError

    def watched(self, store: Store) -> Hashable:
        """What this widget shows of a store: nothing is drawn while it stays equal. Must be cheap."""
        return store.version

    def update_from(self, store: Store) -> None:
        """Shows the store's current state; nearly free if nothing changed."""
        seen = (id(store), self.watched(store))
        if seen == self._seen:
            return
        self._seen, self.store = seen, store
        self.take(store)
        self.redraw()

    def take(self, store: Store) -> None:
        """Reads what `draw` needs; called when `watched` has changed."""

    def show_failure(self, text: str) -> None:
        """Shows this error instead of the content; an empty text restores the content."""
        if text:
            self._seen = None  # so that the next update tries again
        if text != self._failure:
            self._failure = text
            self.redraw()

    def nothing(self, text: str, width: int, height: int) -> list[Row]:
        """A text in the middle of an empty panel; for a run that is over, only its first sentence, without "yet"."""
        if self.over and " yet." in text:
            text = text.partition(" yet.")[0] + "."
        lines = [line for part in text.split("\n") for line in textwrap.wrap(part, max(width - 2, 1)) or [""]][: max(height, 0)]
        above = max((height - len(lines)) // 2, 0)
        return [[] for _ in range(above)] + [[Span(line.center(width), "dim")] for line in lines]

    def set_over(self, over: bool) -> None:
        """Sets whether the run is over, so that missing data will not come."""
        if over != self.over:
            self.over = over
            self.redraw()

    def redraw(self) -> None:
        """Draws again and refreshes the cells that changed. If not visible, waits until it is."""
        width, height = self.size
        if self._rows is None and self._asked:
            return  # invisible, or about to be drawn: refreshing for each batch would cost more than drawing
        if self._rows is None or self._drawn_size != (width, height) or not self.is_on_screen:
            self._rows, self._asked = None, True
            self.refresh()
            return
        before, self._rows = self._rows, self._draw_or_say(width, height)
        changed = list(self.changes(before, self._rows, width))
        if changed:
            self.refresh(*changed)

    def changes(self, before: Sequence[Row], after: Sequence[Row], width: int) -> Iterable[Region]:
        """The cells in which two drawings differ."""
        return _changes(before, after, width)

    def render_line(self, y: int) -> Strip:
        """One line of the drawing, for Textual."""
        width, height = self.size
        if self._rows is None or self._drawn_size != (width, height):
            self._rows, self._drawn_size, self._asked = self._draw_or_say(width, height), (width, height), False
        return self.strip(self._rows[y] if y < len(self._rows) else [], width)

    def _draw_or_say(self, width: int, height: int) -> list[Row]:
        """The rows to show, or the error."""
        failure = self._failure
        if not failure:
            try:
                if self.has_class("-line"):
                    return [self._line(width)]
                return self.draw(width, height)
            except Exception as error:
                failure = f"Could not draw this panel: {net.caught(error)}"
        return Drawn.nothing(self, failure, width, height)

    def summary(self) -> str:
        """What a panel that is a single line says beside its title: by default, its first row."""
        rows = self.draw(max(self.size.width, 1), 1)
        return text_of(rows[0]).strip() if rows else "none"

    def _line(self, width: int) -> Row:
        """The panel in one line."""
        title = f" {self.border_title or ''}  " if width >= 12 else ""
        return [Span(title, "title"), Span(cut(self.summary(), max(width - cells(title), 0), self.ascii), "dim")]

    def strip(self, row: Row, width: int) -> Strip:
        """A row in the theme's colours, exactly `width` cells."""
        strip = Strip([Segment(printable(text), self._rich(style)) for text, style in row])
        return strip.adjust_cell_length(width, self._rich(""))

    def notify_style_update(self) -> None:
        """Drops cached colours: the theme or the widget's style has changed."""
        self._rich_styles.clear()
        super().notify_style_update()

    def _rich(self, words: str) -> Style:
        if words not in self._rich_styles:
            background = self.background_colors[1]
            self._rich_styles[words] = style_of(words, self.rich_style, background, self.app.theme_variables)
        return self._rich_styles[words]


def selected(row: Row, width: int) -> Row:
    """The row, highlighted as the one under the cursor."""
    return [Span(text, f"{style} selected") for text, style in fit(row, width)]


def _changes(before: Sequence[Row], after: Sequence[Row], width: int) -> Iterator[Region]:
    for y, (old, new) in enumerate(zip_longest(before, after)):
        if old != new:
            start, end = _difference(old or [], new or [], width)
            yield Region(start, y, end - start, 1)


def _difference(old: Row, new: Row, width: int) -> tuple[int, int]:
    """The range of cells that differ, without the equal cells at both ends of two rows."""
    start = _common(old, new)
    if width_of(old) != width_of(new):
        return start, max(width, start + 1)
    return start, max(width_of(new) - _common(_mirrored(old), _mirrored(new)), start + 1)


def _common(old: Row, new: Row) -> int:
    """How many cells two rows have in common at their start."""
    pairs = enumerate(zip(old, new, strict=False))
    same = next((index for index, (a, b) in pairs if a != b), min(len(old), len(new)))
    length = width_of(new[:same])
    if same < len(old) and same < len(new) and old[same].style == new[same].style:
        length += _alike(old[same].text, new[same].text)
    return length


def _alike(old: str, new: str) -> int:
    pairs = enumerate(zip(old, new, strict=False))
    alike = next((index for index, (a, b) in pairs if a != b), min(len(old), len(new)))
    return cells(old[:alike])


def _mirrored(row: Row) -> Row:
    return [Span(text[::-1], style) for text, style in reversed(row)]
