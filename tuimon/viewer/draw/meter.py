"""Bars that fill from the left, and the signs of a run's state."""

from __future__ import annotations

import math

from tuimon.viewer.draw.rows import Row, Span

_EIGHTHS = " ▏▎▍▌▋▊▉█"

_STATES = {
    "queued": ("…", ".", "dim"),
    "starting": ("◌", "o", "dim"),
    "running": ("●", "*", "good"),
    "paused": ("‖", "=", "warn"),
    "finished": ("✓", "+", "good"),
    "stopped": ("■", "#", "dim"),
    "failed": ("✗", "x", "bad"),
    "killed": ("✗", "x", "bad"),
    "lost": ("?", "?", "warn"),
    "unknown": ("?", "?", "dim"),
}


def bar(fraction: float, width: int, ascii: bool = False) -> str:
    """A bar of exactly `width` cells, filled to `fraction` in eighths of a cell (whole cells in ASCII). NaN is empty."""
    width = max(width, 0)
    share = 0.0 if math.isnan(fraction) else min(max(fraction, 0.0), 1.0)
    if ascii:
        full = round(share * width)
        return "#" * full + "." * (width - full)
    full, eighths = divmod(round(share * width * 8), 8)
    return ("█" * full + (_EIGHTHS[eighths] if eighths else "")).ljust(width)


def level(fraction: float, warn: float = 0.85, bad: float = 0.95) -> str:
    """The style of a meter that is `fraction` full."""
    if math.isnan(fraction):
        return "dim"
    return "bad" if fraction >= bad else "warn" if fraction >= warn else "good"


def meter(label: str, fraction: float, text: str, width: int, style: str = "good", ascii: bool = False) -> Row:
    """`label ████▌     text` in `width` cells: the bar takes the spare room and is dropped first if room is short."""
    room = width - len(label) - len(text) - 2
    if room < 3:
        return [Span(f"{label} ", "dim"), Span(text, "")]
    return [
        Span(f"{label} ", "dim"),
        Span("[" if ascii else "", "dim"),
        Span(bar(fraction, room - 2 * ascii, ascii), style),
        Span("]" if ascii else "", "dim"),
        Span(f" {text}", ""),
    ]


def state_glyph(state: str, ascii: bool = False) -> tuple[str, str]:
    """The sign and style of a run's state; the state itself is always written beside it."""
    glyph, plain, style = _STATES.get(state, _STATES["unknown"])
    return (plain if ascii else glyph), style
