"""The x axis of charts and heat maps: steps, epochs, times or rates."""

from __future__ import annotations

from collections.abc import Sequence

from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.curve import Axis, Options, Range
from tuimon.viewer.draw.rows import Row, Span, runs

_CAPTIONS: dict[Axis, str] = {"step": "step", "time": "time", "epoch": "epoch", "rate": "learning rate"}


def x_axis(
    x_range: Range, options: Options, left: int, width: int, holes: Sequence[bool] = (), ascii: bool = False
) -> list[Row]:
    """The axis line, with a cross at NaN or infinite values, and the labels below it."""
    plot = width - left
    line = ["-" if ascii else "─"] * plot
    labels = [" "] * width
    free_from = 0
    for tick in _x_ticks(x_range, options, max(2 if plot >= 12 else 1, plot // 14)):
        cell = cell_of(tick.value, x_range, plot)
        if cell is None:
            continue
        start = min(max(left + cell - len(tick.label) // 2, 0), width - len(tick.label))
        if start < free_from or len(tick.label) > width:
            continue
        line[cell] = "+" if ascii else "┬"
        labels[start : start + len(tick.label)] = tick.label
        free_from = start + len(tick.label) + 1
    styles = ["axis"] * plot
    for cell in (cell for cell, hole in enumerate(holes) if hole):
        line[cell], styles[cell] = ("x" if ascii else "×"), "bad"
    caption = _CAPTIONS[options.x_axis] if options.big else ""
    if caption and plot > 3 * len(caption):
        start = plot - len(caption) - 3
        line[start : start + len(caption) + 2] = f" {caption} "
    corner = [Span(" " * (left - 1) + ("+" if ascii else "└"), "axis")] if left else []
    return [[*corner, *runs("".join(line), styles)], [Span("".join(labels), "axis")]]


def cell_of(x: float | None, x_range: Range, width: int) -> int | None:
    """The column of an x in a plot of `width` cells; None outside of it, or without an x."""
    low, high = x_range
    if x is None or not low <= x <= high:
        return None
    return min(int((x - low) / (high - low) * width), width - 1)


def _x_ticks(x_range: Range, options: Options, parts: int) -> list[ticks.Tick]:
    if options.x_axis == "epoch":
        return ticks.epochs(*x_range, parts, options.steps_per_epoch)
    if options.x_axis == "rate":
        return ticks.decades(*x_range, parts)
    return (ticks.clock if options.x_axis == "time" else ticks.steps)(*x_range, parts)
