"""Drawing: pure functions from numbers to rows of styled text. Knows nothing of Textual, stores or threads."""

from tuimon.viewer.draw.meter import bar, meter, state_glyph
from tuimon.viewer.draw.rows import Row, Span, fit, shorten, text_of
from tuimon.viewer.draw.sparkline import sparkline

__all__ = ["Row", "Span", "bar", "fit", "meter", "shorten", "sparkline", "state_glyph", "text_of"]
