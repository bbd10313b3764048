"""The end of a run's printed output."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable
from pathlib import Path
from typing import ClassVar

from textual.actions import SkipAction
from textual.binding import Binding, BindingType

from tuimon.base.filter import Filter
from tuimon.base.regular import open_regular
from tuimon.log.store import Store
from tuimon.viewer.draw.rows import Row, Span, fit
from tuimon.viewer.filtered import Filtered
from tuimon.viewer.widgets.row_list import RowList

MAX_LINES = 5_000
_MAX_READ = 256 * 1024
_MAX_LINE = 2_000
_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|\x1b\[[0-?]*[ -/]*[@-~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Terminal:
    """Text as a terminal would show it: a carriage return starts the line over, and colours are dropped."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=MAX_LINES)
        self.dropped = 0
        self._open = ""  # the unfinished last line, as printed

    def feed(self, text: str) -> None:
        """Adds printed text."""
        *whole, self._open = (self._open + text).split("\n")
        self.dropped += max(len(self.lines) + len(whole) - MAX_LINES, 0)
        self.lines.extend(_shown(line) for line in whole)
        if len(self._open) > 2 * _MAX_LINE:
            self._open = self._open[self._open.rfind("\r") + 1 :][-2 * _MAX_LINE :]

    @property
    def last(self) -> str:
        """The unfinished last line."""
        return _shown(self._open)


class ConsoleView(Filtered, RowList):
    """Follows a run's output.log, reading only what is new. Keeps the last lines; the file keeps all of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "find(1)", "Next line that matches the filter", show=False),
        Binding("N", "find(-1)", "Previous line that matches the filter", show=False),
    ]
    follows = True

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._path: Path | None = None
        self._offset = 0
        self._pending = b""
        self._terminal = Terminal()
        self._problem = ""
        self._captured = True
        self._found = -1  # the line that was found last

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "console"

    def open(self, path: Path | None) -> None:
        """Shows another file, starting at its end; None shows nothing."""
        if path == self._path:
            return
        self._path, self._pending, self._problem = path, b"", ""
        self._terminal = Terminal()
        self._offset = max(_size(path) - _MAX_READ, 0) if path else 0
        self.top, self.following = 0, True
        self.poll()
        self.redraw()

    def poll(self) -> None:
        """Reads new output, at most 256 KiB per call. Cheap if there is none."""
        data = self._read()
        if data:
            self._terminal.feed(data.decode(errors="replace"))
            if not self.following:
                self.top = max(self.top - self._terminal.dropped, 0)
            self._found = max(self._found - self._terminal.dropped, -1)
            self._terminal.dropped = 0
            self.redraw()

    def update_from(self, store: Store) -> None:
        """Reads new output; the store only tells whether any can come."""
        captured = store.launched is not None or store.started is None
        if captured != self._captured:
            self._captured = captured
            self.redraw()
        self.poll()

    def watched(self, store: Store) -> Hashable:
        """Depends on nothing in the store."""
        return 0

    def count(self) -> int:
        """The finished lines, plus the one being written."""
        return len(self._terminal.lines) + bool(self._terminal.last)

    def row(self, index: int, width: int) -> Row:
        """One line, cut at the edge."""
        lines = self._terminal.lines
        text = lines[index] if index < len(lines) else self._terminal.last
        if self.ascii:
            text = text.encode("ascii", "replace").decode()
        mark = " selected" if index == self._found and self._filter else ""
        return fit([Span(text, ("warn" if self._filter and self._filter.matches(text) else "value") + mark)], width)

    def filter_by(self, text: str) -> str:
        """Marks the lines that match, and goes to the last of them; all lines stay. Returns what was found.

        Raises:
            FilterError: it contains a wrong regular expression.
        """
        self._filter, self._found = Filter(text), -1
        if not self._filter:
            self.action_end()
            return ""
        found = self._matches()
        if found:
            self._show_line(found[-1])
        self.redraw()
        return f"{len(found)} of {self.count()} lines; n and N go through them" if found else "no line matches"

    def action_find(self, way: int) -> None:
        """Goes to the next or previous line that matches; without a filter, the key means what it means elsewhere."""
        if not self._filter:
            raise SkipAction
        found = self._matches()
        later = [index for index in found if index > self._found]
        earlier = [index for index in found if index < self._found]
        if found:
            self._show_line((later or found)[0] if way > 0 else (earlier or found)[-1])

    def _matches(self) -> list[int]:
        lines = [*self._terminal.lines, self._terminal.last]
        return [index for index, line in enumerate(lines) if line and self._filter.matches(line)]

    def _show_line(self, index: int) -> None:
        self._found, self.following = index, False
        self.top = max(min(self.top, index), index - self._room() + 1, 0)
        self.redraw()

    def empty_text(self) -> str:
        """What will appear, or where the output goes instead."""
        if self._problem:
            return f"Cannot read the output: {self._problem}"
        if not self._captured:
            return "This script prints to its own terminal.\nThe output of runs started with `tuimon run` appears here."
        return "No output yet.\nThe training process's stdout and stderr appear here."

    def _read(self) -> bytes:
        if self._path is None:
            return b""
        try:
            with open_regular(self._path) as file:
                size = file.seek(0, 2)
                if size < self._offset:
                    self._offset, self._terminal = 0, Terminal()
                file.seek(self._offset)
                data = file.read(_MAX_READ)
        except FileNotFoundError:
            return b""
        except OSError as error:
            self._problem = error.strerror or str(error)
            return b""
        self._offset += len(data)
        return self._whole(data)

    def _whole(self, data: bytes) -> bytes:
        """Keeps back the first bytes of an incomplete UTF-8 character."""
        data, self._pending = self._pending + data, b""
        for back in range(1, min(4, len(data) + 1)):
            byte = data[-back]
            if byte >= 0xC0:
                length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
                if back < length:
                    data, self._pending = data[:-back], data[-back:]
                break
            if byte < 0x80:
                break
        return data


def _shown(line: str) -> str:
    line = _ESCAPES.sub("", line).rstrip("\r")
    shown = line.rsplit("\r", 1)[-1] if "\r" in line else line
    return _CONTROLS.sub("", shown.expandtabs(8))[:_MAX_LINE]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
