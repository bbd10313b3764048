"""The base of lines that can show a message for a while, beside their usual content."""

from __future__ import annotations

from textual.timer import Timer

from tuimon.viewer.draw.rows import Span
from tuimon.viewer.widgets.drawn import Drawn

_SAID_FOR_S = 6.0


class Saying(Drawn):
    """A line that includes `said`, the current message; empty if there is none."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.said: Span = Span("")
        self._forget: Timer | None = None

    def say(self, text: str, style: str = "marker", lasting: bool = False) -> None:
        """Shows a message for a few seconds, or until the next one if `lasting`."""
        self.said = Span(text, style)
        if self._forget:
            self._forget.stop()
        self._forget = None if lasting or not text else self.set_timer(_SAID_FOR_S, lambda: self.say(""))
        self.redraw()
