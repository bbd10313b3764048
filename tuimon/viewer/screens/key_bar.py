"""The footer: the keys that work on this screen, greyed out if the run does not allow them now. Clicking one presses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from tuimon.viewer.keys import Key

MAX_ROWS = 2
_GAP = 2
_STAY = ("next_panel", "back", "app.leave", "app.help")


class Hint(NamedTuple):
    """One key in the footer, with the label of what it does now."""

    key: Key
    label: str
    enabled: bool = True

    @property
    def width(self) -> int:
        """Width in cells."""
        return len(self.key.name) + 1 + len(self.label)


class Placed(NamedTuple):
    """A hint and its first column."""

    hint: Hint
    column: int


def place(hints: Sequence[Hint], width: int, max_rows: int = MAX_ROWS) -> list[list[Placed]]:
    """Fills rows from the left. If not all keys fit, the table's last ones are dropped first, but back, quit and help stay."""
    kept = list(hints)
    rows = _fill(kept, width)
    while len(rows) > max_rows and len(kept) > 1:
        spare = [hint for hint in kept if hint.key.action not in _STAY]
        kept.remove((spare or kept[:-1])[-1])
        rows = _fill(kept, width)
    return rows[:max_rows]


def _fill(hints: Sequence[Hint], width: int) -> list[list[Placed]]:
    rows: list[list[Placed]] = [[]]
    column = 1
    for hint in hints:
        if rows[-1] and column + hint.width > width - 1:
            rows.append([])
            column = 1
        rows[-1].append(Placed(hint, column))
        column += hint.width + _GAP
    return rows


class KeyBar(Widget):
    """One or two rows of keys."""

    class Pressed(Message):
        """A key was clicked."""

        def __init__(self, key: Key) -> None:
            self.key = key
            super().__init__()

    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-bar--key", "key-bar--label", "key-bar--off"}

    def __init__(self, hints: Sequence[Hint] = ()) -> None:
        super().__init__(id="key-bar")
        self.hints: tuple[Hint, ...] = tuple(hints)

    def show(self, hints: Sequence[Hint]) -> None:
        """Shows these keys; does nothing if they are already shown."""
        if tuple(hints) == self.hints:
            return
        self.hints = tuple(hints)
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Rows that the keys need: at most two, one on a low screen."""
        return len(place(self.hints, width, self._max_rows))

    def render(self) -> Content:
        """The rows of keys."""
        rows = place(self.hints, self.size.width, self._max_rows)
        return Content("\n").join([self._row(row) for row in rows])

    def on_click(self, event: events.Click) -> None:
        """Presses the key that was clicked."""
        rows = place(self.hints, self.size.width, self._max_rows)
        for hint, column in rows[event.y] if event.y < len(rows) else []:
            if column <= event.x < column + hint.width:
                self.post_message(self.Pressed(hint.key))

    @property
    def _max_rows(self) -> int:
        return 1 if self.screen.size.height < 20 else MAX_ROWS

    def _row(self, row: list[Placed]) -> Content:
        key_style = self.get_visual_style("key-bar--key")
        label_style, off_style = self.get_visual_style("key-bar--label"), self.get_visual_style("key-bar--off")
        parts: list[Content] = [Content(" ")]
        for (key, label, enabled), _column in row:
            parts.append(Content.styled(key.name, key_style if enabled else off_style))
            parts.append(Content.styled(f" {label}  ", label_style if enabled else off_style))
        return Content("").join(parts)
