"""The base of lines that say something for a while beside what they always show."""

from __future__ import annotations

from textual.timer import Timer

from tuimon.viewer.draw.rows import Span
from tuimon.viewer.widgets.drawn import Drawn

_SAID_FOR_S = 6.0


class Saying(Drawn):
    """A line with `said` somewhere in it; empty when there is nothing to say."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.said: Span = Span("")
        self._forget: Timer | None = None

    def say(self, text: str, style: str = "marker", lasting: bool = False) -> None:
        """Shows a text for a few seconds, or until the next one."""
        self.said = Span(text, style)
        if self._forget:
            self._forget.stop()
        self._forget = None if lasting or not text else self.set_timer(_SAID_FOR_S, lambda: self.say(""))
        self.redraw()
