"""Numbers as people read them; said once for the screen and for the printer, in `tuimon.format`."""

from tuimon.format import age, count, duration, gib, missing, number, percent, rate, scale, scientific, si, tick

__all__ = ["age", "count", "duration", "gib", "missing", "number", "percent", "rate", "scale", "scientific", "si", "tick"]
